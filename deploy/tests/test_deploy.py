"""`make deploy` makes the functions, and afterwards changes what is different and nothing else."""

import contextlib
import hashlib
import os
import signal
import subprocess
import time
import tomllib

from .harness import CREDENTIALS, HANGS, DeployTest

CREATED = ["CreateFunction"] * 3


class Deploy(DeployTest):
    def digest(self) -> str:
        return hashlib.sha256((self.folder / "bootstrap.zip").read_bytes()).hexdigest()

    def test_the_first_deployment_makes_three_functions(self) -> None:
        printed = self.succeed("deploy")
        self.assertEqual(CREATED, self.scf.names())
        for role in ("register", "transfer", "cleanup"):
            held = self.held(f"t-{role}")
            self.assertEqual("Active", held.shown["Status"])
            self.assertEqual(("CustomRuntime", "Event"), (held.shown["Runtime"], held.shown["Type"]))
            self.assertEqual(role, self.variables(f"t-{role}")["WS_ROLE"])
            self.assertEqual(self.digest(), held.code)
            self.assertRegex(printed, rf"(?m)^t-{role}: CreateFunction \(request id request-\d+\)$")

    def test_it_prints_the_section_of_gateway_toml(self) -> None:
        section = tomllib.loads(self.succeed("deploy").split("For gateway.toml:")[1])
        self.assertEqual("ap-shanghai", section["scf"]["region"])
        (api,) = section["api"]
        self.assertEqual("scf:default/t-register:$LATEST", api["register"])
        self.assertEqual("scf:default/t-transfer:$LATEST", api["transfer"])
        self.assertEqual("scf:default/t-cleanup:$LATEST", api["cleanup"])
        self.assertEqual(("/websocket", 3), (api["path"], api["function_timeout_seconds"]))

    def test_the_second_deployment_changes_nothing(self) -> None:
        self.succeed("deploy")
        self.scf.calls.clear()
        printed = self.succeed("deploy")
        self.assertEqual([], self.scf.names())
        self.assertEqual(3, printed.count(": unchanged"))

    def test_changed_memory_updates_the_configuration_of_that_function(self) -> None:
        self.succeed("deploy")
        self.scf.calls.clear()
        self.settings(register="memory = 256")
        printed = self.succeed("deploy")
        self.assertEqual(["UpdateFunctionConfiguration"], self.scf.names())
        self.assertEqual(256, self.held("t-register").shown["MemorySize"])
        self.assertIn("t-register: UpdateFunctionConfiguration MemorySize 128 -> 256", printed)

    def test_changed_code_updates_the_code_and_then_records_its_digest(self) -> None:
        self.succeed("deploy", "--one")
        self.scf.calls.clear()
        self.code("second")
        self.succeed("deploy", "--one")
        self.assertEqual(["UpdateFunctionCode", "UpdateFunctionConfiguration"], self.scf.names())
        self.assertEqual(self.digest(), self.held("t-one").code)
        self.assertIn(self.digest(), self.held("t-one").shown["Description"])
        self.scf.calls.clear()
        self.succeed("deploy", "--one")
        self.assertEqual([], self.scf.names())

    def test_variables_set_by_hand_stay_and_ours_win(self) -> None:
        self.succeed("deploy", "--one")
        self.set_by_hand("t-one", RUST_LOG="debug", HAND_MADE="1")
        self.scf.calls.clear()
        self.succeed("deploy", "--one")
        self.assertEqual([], self.scf.names(), "a variable set by hand is no difference")

        self.settings(one='[one.variables]\nRUST_LOG = "warn"\nWS_ROOM = "blue"')
        printed = self.succeed("deploy", "--one")
        self.assertEqual(
            {"WS_ROLE": "auto", "RUST_LOG": "warn", "WS_ROOM": "blue", "HAND_MADE": "1"},
            self.variables("t-one"),
        )
        self.assertIn("Environment (RUST_LOG, WS_ROOM)", printed)
        self.settings(one='[one.variables]\nHAND_MADE = ""')
        self.succeed("deploy", "--one")
        self.assertNotIn("HAND_MADE", self.variables("t-one"), "an empty value removes the variable")

    def test_one_function_serves_as_all_three(self) -> None:
        printed = self.succeed("deploy", "--one")
        self.assertEqual(["CreateFunction"], self.scf.names())
        self.assertEqual("auto", self.variables("t-one")["WS_ROLE"])
        (api,) = tomllib.loads(printed.split("For gateway.toml:")[1])["api"]
        self.assertEqual({"scf:default/t-one:$LATEST"}, {api[role] for role in ("register", "transfer", "cleanup")})

    def test_every_setting_arrives_and_is_recognised_the_next_time(self) -> None:
        self.settings(
            top="""
            namespace = "chat"
            function = { memory = 64, timeout = 900, init_timeout = 30, cam_role = "SCF_ExecuteRole" }
            vpc = { id = "vpc-1", subnet = "subnet-1" }
            cfs = { id = "cfs-1", mount_point = "cfs-2", remote = "/rooms" }
            """,
        )
        printed = self.succeed("deploy")
        shown = self.held("t-register", "chat").shown
        self.assertEqual((64, 900, 30), (shown["MemorySize"], shown["Timeout"], shown["InitTimeout"]))
        self.assertEqual("SCF_ExecuteRole", shown["Role"])
        self.assertEqual({"VpcId": "vpc-1", "SubnetId": "subnet-1"}, shown["VpcConfig"])
        (mount,) = shown["CfsConfig"]["CfsInsList"]
        self.assertEqual(
            ("cfs-1", "cfs-2", "/mnt", "/rooms", "10000"),
            (mount["CfsId"], mount["MountInsId"], mount["LocalMountDir"], mount["RemoteMountDir"], mount["UserId"]),
        )
        self.assertIn("scf:chat/t-register:", printed)
        self.scf.calls.clear()
        self.succeed("deploy")
        self.assertEqual([], self.scf.names())

    def test_a_value_from_the_environment_reaches_the_function_and_no_output(self) -> None:
        self.settings(one='[one.variables]\nWS_STORE = "redis://:${REDIS_PASSWORD}@10.0.0.7/0"')
        printed = self.succeed("deploy", "--one", environment={"REDIS_PASSWORD": "hunter2", **CREDENTIALS})
        self.assertEqual("redis://:hunter2@10.0.0.7/0", self.variables("t-one")["WS_STORE"])
        self.assertNotIn("hunter2", printed)

    def test_parameters_travel_in_a_file_that_only_its_owner_can_read(self) -> None:
        self.settings(one='[one.variables]\nMY_PASSWORD = "hunter2"')
        self.succeed("deploy", "--one")
        self.assertNotIn("hunter2", (self.folder / "command-lines").read_text())
        self.assertEqual({"600"}, set((self.folder / "modes").read_text().split()))

    def test_parameters_are_gone_with_the_command_however_it_ends(self) -> None:
        temporary, hangs = self.folder / "temporary", self.folder / "hangs"
        temporary.mkdir()
        hangs.write_text(f"#!/bin/sh\ncd {self.folder}\necho $$ >draft\nmv draft started\nexec sleep {HANGS}\n")
        hangs.chmod(0o755)
        command = self.command_line("deploy", "--one", program=hangs)
        # Ignored in the background of a shell, and then in what is started from there.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with subprocess.Popen(
                command, env={"PATH": os.environ["PATH"], "TMPDIR": str(temporary)},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            ) as deploy:  # fmt: skip
                tccli = self.taken("started")
                deploy.send_signal(number)
                deploy.wait(HANGS)
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(tccli), signal.SIGKILL)
            self.assertEqual([], list(temporary.iterdir()), number)

    def taken(self, name: str) -> str:
        """What a program has written to the file, which is removed."""
        deadline = time.monotonic() + HANGS
        while not (self.folder / name).exists():
            self.assertLess(time.monotonic(), deadline, f"no file {name}")
            time.sleep(0.01)
        text = (self.folder / name).read_text()
        (self.folder / name).unlink()
        return text

    def test_status_says_how_each_function_is(self) -> None:
        printed = self.succeed("status")
        self.assertEqual(4, printed.count(": not deployed"))
        self.succeed("deploy")
        self.code("second")
        printed = self.succeed("status")
        self.assertRegex(
            printed, r"t-register: Active; 128 MB, 3 s, code [0-9a-f]{12} \(not that of bootstrap\.zip\), changed 2026-"
        )
        self.assertEqual(CREATED, self.scf.names())
