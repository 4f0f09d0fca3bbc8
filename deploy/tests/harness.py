"""One test's world: a stand-in for SCF, a home directory, settings, a package, and the commands that are tested."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile
from functools import cache
from pathlib import Path

from .schema import Schema
from .stand_in import Held, StandIn

ROOT = Path(__file__).resolve().parent.parent.parent
CREDENTIALS = {"TENCENTCLOUD_SECRET_ID": "AKIDtest", "TENCENTCLOUD_SECRET_KEY": "test-key"}
HANGS = 120  # seconds after which a command counts as hanging

SETTINGS = """
region = "ap-shanghai"
endpoint = "{endpoint}"
{top}
[register]
name = "t-register"
{register}
[transfer]
name = "t-transfer"
[transfer.variables]
WS_PUSH_TO = "none"
{transfer}
[cleanup]
name = "t-cleanup"
[one]
name = "t-one"
{one}
[web]
name = "t-web"
{web}
[wait]
seconds = 30
poll_seconds = 0.01
"""


# tccli leaves out what its schema does not know, in silence; so what it is given is kept and checked too.
RECORDER = """#!/bin/sh
for last; do :; done
file=${{last#file://}}
echo "$*" >>{folder}/command-lines
stat -Lc %a "$file" >>{folder}/modes
cp "$file" "$(mktemp {folder}/given/$2.XXXXXXXX)"
exec {tccli} "$@"
"""


@cache
def tccli() -> Path:
    """The pinned tccli, whose package also has the schema."""
    printed = subprocess.run([ROOT / "scripts/tccli.sh", "--pinned"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(printed.stdout.strip())


class DeployTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.scf = StandIn(Schema(tccli()))
        self.addCleanup(self.scf.close)
        (self.folder / "given").mkdir()
        self.recorder = self.folder / "tccli"
        self.recorder.write_text(RECORDER.format(folder=self.folder, tccli=tccli()))
        self.recorder.chmod(0o755)
        self.settings()
        self.code("first")

    def tearDown(self) -> None:
        """Every call was as the schema has it, and tccli sent all that it was given."""
        self.assertEqual([], self.scf.violations)
        given = [(file.name.split(".")[0], json.loads(file.read_text())) for file in (self.folder / "given").iterdir()]
        for action, parameters in given:
            self.assertEqual([], self.scf.schema.check_call(action, parameters))
        for call in self.scf.received:
            self.assertIn(call, given, "tccli left something out")

    def settings(self, top: str = "", register: str = "", transfer: str = "", one: str = "", web: str = "") -> None:
        text = SETTINGS.format(
            endpoint=self.scf.endpoint, top=top, register=register, transfer=transfer, one=one, web=web
        )
        (self.folder / "deploy.toml").write_text(text)

    def code(self, content: str | bytes) -> None:
        """Makes the package anew, with this program."""
        self.package(bootstrap=content)

    def package(self, **files: str | bytes) -> None:
        """Makes the package anew, with these executable files; `gateway_toml` is the file gateway.toml."""
        with zipfile.ZipFile(self.folder / "bootstrap.zip", "w") as archive:
            for name, content in files.items():
                entry = zipfile.ZipInfo(name.replace("_toml", ".toml"))
                entry.external_attr = 0o100755 << 16
                archive.writestr(entry, content)

    def command_line(self, *arguments: str, program: Path | None = None) -> list[str | Path]:
        options = ["--settings", self.folder / "deploy.toml", "--zip", self.folder / "bootstrap.zip"]
        return [sys.executable, ROOT / "deploy/deploy.py", *arguments, *options, "--tccli", program or self.recorder]

    def run_command(
        self, *arguments: str, environment: dict[str, str] = CREDENTIALS, program: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command_line(*arguments, program=program),
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **environment},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANGS,
        )  # fmt: skip
        self.assertNotIn("Traceback", done.stderr)
        self.assertNotIn("tccli warns", done.stdout)
        return done

    def succeed(self, *arguments: str, environment: dict[str, str] = CREDENTIALS) -> str:
        done = self.run_command(*arguments, environment=environment)
        self.assertEqual((0, ""), (done.returncode, done.stderr), done.stdout)
        return done.stdout

    def fails(self, *arguments: str, status: int = 1, environment: dict[str, str] = CREDENTIALS) -> str:
        """What the command that ends with this status prints as its error."""
        done = self.run_command(*arguments, environment=environment)
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return done.stderr

    def held(self, name: str, namespace: str = "default") -> Held:
        return self.scf.held[namespace, name]

    def variables(self, name: str) -> dict[str, str]:
        listed = self.held(name).shown["Environment"]["Variables"]
        return {variable["Key"]: variable["Value"] for variable in listed}

    def set_by_hand(self, name: str, **variables: str) -> None:
        """What a person does in the console."""
        self.held(name).shown["Environment"]["Variables"] += [
            {"Key": key, "Value": value} for key, value in variables.items()
        ]
