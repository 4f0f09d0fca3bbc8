"""`make deploy DRY=1` prints each call that could be made, with parameters that SCF knows, and sends nothing."""

import json
import os
import re
import subprocess

from .harness import ROOT, DeployTest

CALL = re.compile(r"^(?:.*: )?(\w+)\n(\{\n(?:  .*\n)+\})$", re.MULTILINE)


class Plan(DeployTest):
    def plan(self, *options: str, environment: dict[str, str] | None = None) -> str:
        """Without credentials; every call in it is checked against the schema."""
        printed = self.succeed("deploy", "--dry", *options, environment=environment or {})
        for action, parameters in self.calls(printed):
            self.assertEqual([], self.scf.schema.check_call(action, parameters))
        self.assertEqual([], self.scf.calls)
        return printed

    def calls(self, printed: str) -> list[tuple[str, dict]]:
        return [(action, json.loads(text)) for action, text in CALL.findall(printed)]

    def test_every_call_is_printed_and_none_is_sent(self) -> None:
        printed = self.plan()
        actions = ["GetFunction", "CreateFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration"]
        self.assertEqual(actions * 3, [action for action, _ in self.calls(printed)])
        self.assertIn("DRY=1: nothing was sent.", printed)
        self.assertRegex(printed, r'"ZipFile": "<Base64 of bootstrap\.zip, \d+ bytes, sha256 [0-9a-f]{64}>"')

    def test_the_plan_is_what_is_sent(self) -> None:
        planned = dict(self.calls(self.plan("--one")))["CreateFunction"]
        self.succeed("deploy", "--one")
        (sent,) = [parameters for action, parameters in self.scf.calls if action == "CreateFunction"]
        self.assertEqual({**sent, "Code": None}, {**planned, "Code": None})

    def test_secrets_are_hidden(self) -> None:
        self.settings(
            transfer="""
            WS_STORE = "redis://user:hunter2@10.0.0.7/0"
            WS_PUSH_URL = "http://10.0.0.5:9001/api-hunter2"
            MY_SECRET = "hunter2"
            API_KEY = "hunter2"
            FROM_OUTSIDE = "${OUTSIDE}"
            DB_PASS = "hunter2"
            MYSQL_PWD = "hunter2"
            REDIS_AUTH = "hunter2"
            PASSPHRASE = "hunter2"
            GREETING = "hunter2"
            MIXED = "hunter2 ${OUTSIDE}"
            WS_AUTH = "hunter2"
            """
        )
        printed = self.plan(environment={"OUTSIDE": "hunter2"})
        self.assertNotIn("hunter2", printed)
        self.assertIn('{"Key": "DB_PASS", "Value": "***"}', printed)
        for shown in ("none", "redis://***@10.0.0.7/0", "http://10.0.0.5:9001/api-***", "${OUTSIDE}"):
            self.assertIn(f'"{shown}"', printed)

    def test_a_variable_that_is_not_set_is_a_note_in_the_plan_and_an_error_in_earnest(self) -> None:
        self.settings(transfer='WS_PUSH_URL = "${PUSH_URL}"')
        self.assertIn("note: PUSH_URL is not set", self.plan())
        self.assertIn("refers to PUSH_URL, which the environment lacks", self.fails("deploy", status=2))
        self.assertEqual([], self.scf.calls)

    def test_make_deploy_with_a_program_of_ones_own(self) -> None:
        """Through make: without credentials, without tccli, with the settings of the repository."""
        program = self.folder / "mine"
        program.write_text("#!/bin/sh\nexit 0\n")
        program.chmod(0o755)
        done = subprocess.run(
            ["make", "-s", "deploy", "DRY=1", "ONE=1", f"BOOTSTRAP={program}"],
            cwd=ROOT, env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertEqual({"ws"}, {parameters["FunctionName"] for _, parameters in self.calls(done.stdout)})
        self.assertIn("DRY=1: nothing was sent.", done.stdout)
