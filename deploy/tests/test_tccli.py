"""Which tccli is used: the one on PATH, otherwise the project's own."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from .harness import CREDENTIALS, HANGS, ROOT, DeployTest, tccli


class WhichTccli(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def printed(self, *arguments: str) -> str:
        path = f"{self.folder}:/usr/bin:/bin"
        done = subprocess.run(
            [ROOT / "scripts/tccli.sh", *arguments],
            env={"PATH": path}, check=True, capture_output=True, text=True, timeout=HANGS,
        )  # fmt: skip
        return done.stdout.strip()

    def test_the_one_on_path_comes_first(self) -> None:
        tccli()
        installed = self.folder / "tccli"
        installed.write_text("#!/bin/sh\n")
        installed.chmod(0o755)
        self.assertEqual(str(installed), self.printed())
        self.assertEqual(str(tccli()), self.printed("--pinned"))

    def test_where_there_is_none_the_project_s_own_is_used(self) -> None:
        own = str(tccli())
        self.assertEqual(own, self.printed())

    def test_the_pinned_version_is_the_one_installed(self) -> None:
        pinned = (ROOT / "deploy/requirements.txt").read_text()
        done = subprocess.run(
            [tccli(), "--version"],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            check=True, capture_output=True, text=True, timeout=HANGS,
        )  # fmt: skip
        self.assertIn(f"tccli=={done.stdout.strip()}\n", pinned)


class FoundByItself(DeployTest):
    def test_deploy_finds_tccli_itself(self) -> None:
        done = subprocess.run(
            ["python3", ROOT / "deploy/deploy.py", "deploy", "--one",
             "--settings", self.folder / "deploy.toml", "--zip", self.folder / "bootstrap.zip"],
            env={"PATH": f"{self.folder}:{os.environ['PATH']}", "HOME": str(self.folder), **CREDENTIALS},
            capture_output=True, text=True, timeout=HANGS,
        )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(["CreateFunction"], self.scf.names())
        self.assertTrue((self.folder / "command-lines").exists(), "the recorder, which is first on PATH, was used")
