"""deploy.toml: its values are the defaults, and every problem is found before anything is sent."""

import re

from deploy.scf import settings

from .harness import ROOT, DeployTest


class SettingsFile(DeployTest):
    def test_the_file_in_the_repository_states_the_defaults(self) -> None:
        (self.folder / "empty.toml").write_text(
            '[transfer.variables]\nWS_PUSH_TO = "none"\n[one.variables]\nWS_PUSH_TO = "none"\n'
            '[web.variables]\nGATEWAY_PUSH_TOKEN = "${GATEWAY_PUSH_TOKEN}"\n'
        )
        stated = settings.read(ROOT / "deploy/deploy.toml", {})
        self.assertEqual(settings.read(self.folder / "empty.toml", {}), stated)

    def test_its_commented_settings_are_valid(self) -> None:
        text = (ROOT / "deploy/deploy.toml").read_text()
        text = re.sub(r"(?m)^#\s+(WS_PUSH_\w+ = )", r"\1", text)
        text = re.sub(r"(?m)^# (\w+ = )", r"\1", text).replace('[transfer.variables]\nWS_PUSH_TO = "none"', "")
        text = text.replace("WS_PUSH_URL =", "[transfer.variables]\nWS_PUSH_URL =")
        (self.folder / "all.toml").write_text(text)
        read = settings.read(self.folder / "all.toml", {"WS_PUSH_URL": "http://10.0.0.5/api-x", "REDIS_PASSWORD": "p"})
        _, transfer, _ = read.three
        self.assertEqual("http://10.0.0.5/api-x", transfer.variables["WS_PUSH_URL"])
        self.assertEqual("vpc-xxxxxxxx", read.vpc["id"])
        self.assertEqual("cfs-xxxxxxxx", read.cfs["mount_point"])

    def test_every_example_has_settings_of_its_own(self) -> None:
        ours = settings.read(ROOT / "deploy/deploy.toml", {})
        names = {function.name for function in (*ours.three, ours.one)}
        examples = [file.stem for file in (ROOT / "examples").glob("*.rs")]
        self.assertIn("chat", examples)
        for example in examples:
            read = settings.read(ROOT / f"deploy/{example}.toml", {})
            own = {function.name for function in (*read.three, read.one, read.web)}
            self.assertEqual(f"/{example}", read.path)
            self.assertEqual(5, len(own - names), "it replaces no function of another program")
            names |= own

    def refused(self, sentence: str, **sections: str) -> None:
        self.settings(**sections)
        self.assertIn(sentence, self.fails("deploy", "--dry", status=2))
        self.assertEqual([], self.scf.calls)

    def test_problems_are_named(self) -> None:
        for sentence, sections in (
            ("regio is not a setting; there are region, namespace", {"top": 'regio = "x"'}),
            ("register.memory has to be a whole number", {"register": 'memory = "256"'}),
            ("t-register: memory is 200; SCF has 64, or a multiple of 128", {"register": "memory = 200"}),
            ("t-register: timeout is 0; SCF has 1 to 900 seconds", {"register": "timeout = 0"}),
            ("t-transfer: WS_ROLE is set for you", {"transfer": 'WS_ROLE = "auto"'}),
            ("t-transfer: TENCENTCLOUD_X cannot be set; SCF keeps", {"transfer": 'TENCENTCLOUD_X = "1"'}),
            ('transfer.variables.N has to be a string: N = "1"', {"transfer": "N = 1"}),
            ("[vpc] needs both id and subnet", {"top": 'vpc = { id = "vpc-1" }'}),
            ("[cfs] needs [vpc]", {"top": 'cfs = { id = "cfs-1", mount_point = "cfs-2" }'}),
            ("deploy.toml: ", {"top": "not toml"}),
        ):
            with self.subTest(sentence):
                self.refused(sentence, **sections)

    def test_all_problems_are_reported_at_once(self) -> None:
        self.settings(register="memory = 200\ntimeout = 0")
        self.assertEqual(2, self.fails("deploy", "--dry", status=2).count("deploy.toml: "))

    def test_http_is_for_loopback_alone(self) -> None:
        text = (self.folder / "deploy.toml").read_text().replace(self.scf.endpoint, "http://scf.tencentcloudapi.com")
        (self.folder / "deploy.toml").write_text(text)
        self.assertIn("http is for a loopback address only", self.fails("deploy", status=2))

    def test_a_zip_that_scf_could_not_start_is_refused(self) -> None:
        (self.folder / "bootstrap.zip").write_bytes(b"PK")
        self.assertIn("is not a zip with a file named bootstrap", self.fails("deploy", status=2))

    def test_a_program_for_another_processor_is_refused(self) -> None:
        aarch64 = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + b"\xb7\x00"
        self.code(aarch64)
        self.assertIn("its bootstrap is for another processor than SCF's", self.fails("deploy", status=2))
        self.code(aarch64.replace(b"\xb7", b"\x3e"))
        self.succeed("deploy", "--dry")

    def test_the_program_is_asked_whether_it_would_start(self) -> None:
        program = self.folder / "program"
        program.write_text(
            '#!/bin/sh\n[ "$1 $WS_ROLE" != "--check cleanup" ] || { echo "ERROR cleanup is unhappy"; exit 2; }\n'
        )
        program.chmod(0o755)
        error = self.fails("deploy", "--check", str(program), status=2)
        self.assertIn("the function t-cleanup would not start: cleanup is unhappy", error)
        self.assertEqual([], self.scf.calls)
