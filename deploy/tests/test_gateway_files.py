"""The settings in the guides call the functions that deploy.toml makes, and unit and manifest agree with them."""

import re
import tomllib
import unittest
from typing import Any

from deploy.scf import gateway, settings

from .harness import ROOT

FILES = ROOT / "deploy/gateway"
DRAIN_SECONDS = 30  # the gateway's default


def on_a_server() -> dict[str, Any]:
    """The gateway.toml of docs/in-production.md, which is a block indented by three."""
    block = re.search(r"(?s)```toml\n(.*?)```", (ROOT / "docs/in-production.md").read_text())
    assert block
    return tomllib.loads(re.sub(r"(?m)^   ", "", block[1]))


def kubernetes() -> str:
    return (FILES / "kubernetes.yaml").read_text()


def in_the_manifest() -> dict[str, Any]:
    """The gateway.toml in the ConfigMap, which is a block indented by four."""
    block = re.search(r"gateway\.toml: \|\n((?:    .*\n|\n)+)", kubernetes())
    assert block
    return tomllib.loads(re.sub(r"(?m)^    ", "", block[1]))


class GatewayFiles(unittest.TestCase):
    def test_both_settings_call_what_is_deployed(self) -> None:
        deployed = settings.read(ROOT / "deploy/deploy.toml", {})
        printed = tomllib.loads(gateway.section(deployed.three, deployed))
        for written in (on_a_server(), in_the_manifest()):
            self.assertEqual(printed, {key: written[key] for key in ("scf", "api")})

    def test_the_time_to_stop_exceeds_the_drain(self) -> None:
        drain = on_a_server().get("drain_seconds", DRAIN_SECONDS)
        stop = re.search(r"(?m)^TimeoutStopSec=(\d+)$", (FILES / "gateway.service").read_text())
        assert stop
        self.assertGreater(int(stop[1]), drain)

        grace = re.search(r"terminationGracePeriodSeconds: (\d+)", kubernetes())
        pause = re.search(r"preStop: \{ sleep: \{ seconds: (\d+) \} \}", kubernetes())
        assert grace and pause
        drain = in_the_manifest().get("drain_seconds", DRAIN_SECONDS)
        self.assertGreater(int(grace[1]), drain + int(pause[1]))

    def test_the_ports_of_the_manifest_are_those_of_its_settings(self) -> None:
        written = in_the_manifest()
        ports = dict(re.findall(r"name: (\w+), containerPort: (\d+)", kubernetes()))
        addresses = {"clients": "listen", "push": "push_listen", "admin": "admin_listen"}
        self.assertEqual({name: written[key].split(":")[1] for name, key in addresses.items()}, ports)
