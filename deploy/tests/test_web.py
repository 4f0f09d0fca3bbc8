"""`make deploy WEB=1`: one web function with its URL, whose settings agree with each other and with its gateway.toml."""

import json

from deploy.scf import settings

from .harness import CREDENTIALS, ROOT, DeployTest

GATEWAY = "#!/bin/sh\nexit 0\n"
UNHAPPY = '#!/bin/sh\n[ "$1 $3" = "--config --check" ] && echo "gateway.toml: $GATEWAY_PUSH_TOKEN is wrong"; exit 2\n'
TOML = """
[web_function]
time_limit_seconds = {limit}
[[api]]
path = "/"
idle_timeout_seconds = {idle}
"""
VARIABLES = '[web.variables]\nGATEWAY_PUSH_TOKEN = "${TOKEN}"\nGATEWAY_CLUSTER = "redis://:hunter2@10.0.0.7/0"\n'
ENVIRONMENT = {"TOKEN": "hunter3", **CREDENTIALS}
URL = "wss://1250000000-abcdefghij.ap-shanghai.tencentscf.com/"


class WebFunction(DeployTest):
    def setUp(self) -> None:
        super().setUp()
        self.settings(web=VARIABLES)
        self.zip()

    def zip(self, gateway: str = GATEWAY, limit: int = 900, idle: int = 540, program: str = "first") -> None:
        toml = TOML.format(limit=limit, idle=idle)
        self.package(scf_bootstrap=gateway, bootstrap=program, gateway_toml=toml)

    def deploy(self, *options: str) -> str:
        return self.succeed("deploy", "--web", *options, environment=ENVIRONMENT)

    def refused(self, sentence: str) -> None:
        self.assertIn(sentence, self.fails("deploy", "--web", status=2, environment=ENVIRONMENT))
        self.assertEqual([], self.scf.calls)

    def test_the_first_deployment_makes_the_function_and_its_url(self) -> None:
        printed = self.deploy()
        self.assertEqual(["CreateFunction", "CreateTrigger"], self.scf.names())
        shown = self.held("t-web").shown
        self.assertEqual(("CustomRuntime", "HTTP", "WS"), (shown["Runtime"], shown["Type"], shown["ProtocolType"]))
        self.assertEqual((512, 900), (shown["MemorySize"], shown["Timeout"]))
        self.assertEqual({"WSParams": {"IdleTimeOut": 600}}, shown["ProtocolParams"])
        self.assertEqual(
            {"DynamicEnabled": "FALSE", "MaxConcurrency": 50, "Type": "Request-Based"},
            shown["InstanceConcurrencyConfig"],
        )
        self.assertEqual(
            {"GATEWAY_PUSH_TOKEN": "hunter3", "GATEWAY_CLUSTER": "redis://:hunter2@10.0.0.7/0"}, self.variables("t-web")
        )
        self.assertIn(f"clients  {URL}\n", printed)
        self.assertIn(f"python3 -m websockets {URL}", printed)
        self.assertNotIn("hunter", printed)
        self.assertNotIn("warning", printed)

    def test_the_second_deployment_changes_nothing_and_names_the_url_again(self) -> None:
        self.deploy()
        self.scf.calls.clear()
        printed = self.deploy()
        self.assertEqual([], self.scf.names())
        self.assertIn("t-web: unchanged", printed)
        self.assertIn(URL, printed)

    def test_changes_are_sent_and_nothing_else(self) -> None:
        self.deploy()
        self.scf.calls.clear()
        self.settings(web=f"connections = 10\nidle_timeout = 601\nmemory = 1024\n{VARIABLES}")
        printed = self.deploy()
        self.assertEqual(["UpdateFunctionConfiguration"], self.scf.names())
        self.assertIn("MemorySize 512 -> 1024, ProtocolParams, InstanceConcurrencyConfig", printed)
        self.scf.calls.clear()
        self.zip(program="second")
        self.deploy()
        self.assertEqual(["UpdateFunctionCode", "UpdateFunctionConfiguration"], self.scf.names())

    def test_a_url_that_takes_a_while_is_waited_for(self) -> None:
        self.deploy()
        self.held("t-web").nameless = 3
        self.assertIn(URL, self.deploy())

    def test_the_plan_is_what_is_sent_and_shows_no_secret(self) -> None:
        printed = self.succeed("deploy", "--web", "--dry", environment={})
        self.assertEqual([], self.scf.calls)
        for text in ('"ProtocolType": "WS"', '"MaxConcurrency": 50', "CreateTrigger", "TencentSCF.com".lower(), "${TOKEN}"):
            self.assertIn(text, printed)
        self.assertNotIn("hunter", printed)
        self.deploy()
        ((_, sent),) = [call for call in self.scf.calls if call[0] == "CreateTrigger"]
        self.assertIn(json.dumps(sent["TriggerDesc"]), printed)

    def test_status_and_destroy_are_those_of_the_web_function(self) -> None:
        self.assertEqual("t-web: not deployed\n", self.succeed("status", "--web"))
        self.deploy()
        printed = self.succeed("status", "--web")
        self.assertRegex(printed, rf"t-web: Active; 512 MB, 900 s, code .* \(the same as bootstrap\.zip\).*, {URL}")
        self.assertIn("DeleteTrigger", self.succeed("destroy", "--web", "--dry"))
        self.scf.calls.clear()
        self.succeed("destroy", "--web")
        self.assertEqual(["DeleteTrigger", "DeleteFunction"], self.scf.names())
        self.assertEqual({}, self.scf.held)

    def test_without_redis_it_says_what_then_does_not_work(self) -> None:
        self.settings(web='[web.variables]\nGATEWAY_PUSH_TOKEN = "x"')
        self.assertIn("warning: t-web has no GATEWAY_CLUSTER", self.deploy())

    def test_settings_that_contradict_each_other_are_named(self) -> None:
        for sentence, lines in (
            ("t-web: idle_timeout is 600 and has to be below the time limit, timeout = 300", "timeout = 300"),
            ("t-web: connections is 101; SCF has 1 to 100 for an instance", "connections = 101"),
            ("t-web: idle_timeout is 5; SCF has 10 to 1800 seconds", "idle_timeout = 5"),
        ):
            with self.subTest(sentence):
                self.settings(web=f"{lines}\n{VARIABLES}")
                self.refused(sentence)

    def test_a_gateway_toml_that_contradicts_them_is_named(self) -> None:
        self.settings(web=f"timeout = 800\n{VARIABLES}")
        self.zip(limit=900, idle=600)
        self.refused("before web_function.time_limit_seconds = 900, but SCF ends them at timeout = 800")
        self.refused("closes idle clients of / after idle_timeout_seconds = 600, but SCF ends them at idle_timeout = 600")
        self.package(scf_bootstrap=GATEWAY, bootstrap="x", gateway_toml="")
        self.refused("gateway.toml has no [web_function]")

    def test_the_gateway_is_asked_whether_it_would_start(self) -> None:
        self.zip(gateway=UNHAPPY)
        self.refused("the function t-web would not start: gateway.toml: hunter3 is wrong")

    def test_the_zip_of_an_event_function_is_refused(self) -> None:
        self.code("first")
        self.refused("is not a zip with a file named scf_bootstrap; `make package WEB=1` makes one")

    def test_an_event_function_cannot_become_a_web_function(self) -> None:
        self.deploy()
        self.held("t-web").shown["Type"] = "Event"
        error = self.fails("deploy", "--web", environment=ENVIRONMENT)
        self.assertIn("type Event, which cannot be changed to CustomRuntime, HTTP", error)

    def test_the_packaged_gateway_toml_agrees_with_deploy_toml(self) -> None:
        text = (ROOT / "deploy/web/gateway.toml").read_text()
        for file in (ROOT / "deploy").glob("*.toml"):
            web = settings.read(file, {}).web
            (self.folder / "deploy.toml").write_text(
                f"[web]\ntimeout = {web.timeout}\nidle_timeout = {web.web.idle_timeout}\n" if web.web else ""
            )
            self.package(scf_bootstrap=GATEWAY, bootstrap="x", gateway_toml=text)
            self.succeed("deploy", "--web", "--dry")
