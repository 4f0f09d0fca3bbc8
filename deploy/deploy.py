#!/usr/bin/env python3
"""Brings the functions to SCF, takes them back, says how they are. Run by `make deploy`, `destroy`, `deploy-status`."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Callable

if sys.version_info < (3, 11):
    sys.exit("deploy: Python 3.11 or newer is needed, which Debian has since version 12")

from scf import check, gateway, package, plan, settings
from scf.settings import Function, Settings, SettingsError
from scf.steps import StepFailed, Steps
from scf.tccli import CallFailed, Tccli

ROOT = Path(__file__).resolve().parent.parent


def say(text: str) -> None:
    print(text, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="deploy", description=__doc__)
    parser.add_argument("command", choices=("deploy", "destroy", "status"))
    parser.add_argument("--settings", type=Path, default=ROOT / "deploy/deploy.toml")
    parser.add_argument("--zip", type=Path, default=ROOT / "bootstrap.zip", help="the package to deploy")
    parser.add_argument(
        "--check", type=Path, metavar="PROGRAM", help="a bootstrap that is asked to --check the variables"
    )
    parser.add_argument("--tccli", type=Path, help="instead of the one on PATH or the project's own")
    parser.add_argument("--one", action="store_true", help="one function that serves as all three")
    parser.add_argument("--web", action="store_true", help="one web function with the gateway in it, and its URL")
    parser.add_argument("--dry", action="store_true", help="print each call, send nothing")
    parser.add_argument(
        "--adopt", action="store_true", help="take over functions of these names that are there already"
    )
    return parser.parse_args()


def main() -> int:
    options = arguments()
    if options.dry:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # make deploy DRY=1 | head
    try:
        wanted = settings.read(options.settings, os.environ)
        if options.command == "deploy":
            return deploy(options, wanted)
        everything = (wanted.web,) if options.web else (*wanted.three, wanted.one)
        return (
            destroy(options, wanted, everything)
            if options.command == "destroy"
            else status(options, wanted, everything)
        )
    except (SettingsError, package.PackageError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 2


def deploy(options: argparse.Namespace, wanted: Settings) -> int:
    chosen = (wanted.web,) if options.web else (wanted.one,) if options.one else wanted.three
    zip_file = package.read(options.zip, options.web)
    say(f"{zip_file} -> {', '.join(function.name for function in chosen)} in {wanted.region}, {wanted.namespace}")
    unset = sorted({name for function in chosen for name in function.unset})
    if unset and not options.dry:
        raise SettingsError(
            f"{options.settings} refers to {', '.join(unset)}, which the environment lacks; export it first"
        )
    for name in unset:
        say(f"note: {name} is not set; without DRY=1 that would be an error")
    for function in chosen:
        if options.check and not function.unset:
            check.would_start(options.check, function)
        if function.web:
            check_web(function, function.web, zip_file)
    if options.dry:
        plan.deployment(chosen, wanted, zip_file, say)
        say("\nDRY=1: nothing was sent.")
    else:
        status = carry_out(options, wanted, chosen, lambda steps, each: steps.deploy(each, zip_file, options.adopt))
        if status:
            return status
    if options.web:
        return give_url(options, wanted)
    say(f"\nFor gateway.toml:\n\n{gateway.section(chosen, wanted)}")
    return 0


def check_web(function: Function, web: settings.Web, zip_file: package.Package) -> None:
    problems = list(check.agrees(function, web, zip_file))
    if problems:
        raise SettingsError("\n".join(f"{function.name}: {problem}" for problem in problems))
    if not function.unset:
        check.gateway_would_start(function, zip_file)
    if not function.variables.get("GATEWAY_CLUSTER"):
        say(
            f"warning: {function.name} has no GATEWAY_CLUSTER, and SCF may start several instances at any time: a push"
            " that meets another instance than its client's is answered errNo 404, and the closing events of an"
            " instance that is frozen or ended are lost. Set a Redis server in [web.variables]."
        )


def give_url(options: argparse.Namespace, wanted: Settings) -> int:
    addresses = "wss://APPID-URLID.REGION.tencentscf.com", "https://APPID-URLID.REGION.tencentscf.com"
    if not options.dry:
        made: list[tuple[str, str] | None] = []
        status = carry_out(options, wanted, (wanted.web,), lambda steps, each: made.append(steps.give_url(each)))
        if status:
            return status
        if made[0] is None:
            say("\nSCF names no URL yet: `make deploy-status WEB=1` shows it, or the console, function URL.")
            return 0
        addresses = made[0]
    wss, https = addresses
    say(f"\nclients  {wss}/\npush     {https}/api-TOKEN, TOKEN being GATEWAY_PUSH_TOKEN")
    say(f"try it   python3 -m websockets {wss}/    (pip install websockets)")
    return 0


def destroy(options: argparse.Namespace, wanted: Settings, everything: tuple[Function, ...]) -> int:
    if options.dry:
        plan.removal(everything, wanted, say)
        say("\nDRY=1: nothing was sent.")
        return 0
    status = carry_out(options, wanted, everything, Steps.destroy)
    if status == 0:
        say(
            f"Left as they are: the namespace {wanted.namespace}, the functions' logs in CLS, and what deploy.toml only"
            " refers to (VPC, CFS, CAM role, Redis)."
        )
    return status


def status(options: argparse.Namespace, wanted: Settings, everything: tuple[Function, ...]) -> int:
    zip_file = package.read(options.zip, options.web) if options.zip.exists() else None
    return carry_out(options, wanted, everything, lambda steps, each: steps.status(each, zip_file))


def carry_out(
    options: argparse.Namespace,
    wanted: Settings,
    chosen: tuple[Function, ...],
    step: Callable[[Steps, Function], None],
) -> int:
    """Takes the step for one function after the other; when one fails, says what was done until then."""
    steps = Steps(Tccli(options.tccli or find_tccli(), wanted, say), wanted, say)
    try:
        for function in chosen:
            step(steps, function)
        return 0
    except (CallFailed, StepFailed) as failure:
        print(f"deploy: {failure}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("deploy: interrupted", file=sys.stderr)
        status = 130
    if options.command != "status":
        done = ", ".join(steps.done) or "nothing"
        print(f"  done so far {done}; the same command again does the rest", file=sys.stderr)
    return status


def find_tccli() -> Path:
    found = subprocess.run([ROOT / "scripts/tccli.sh"], stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:
        raise SettingsError("tccli could not be installed: see above, or install it yourself: pip install tccli")
    return Path(found.stdout.strip())


if __name__ == "__main__":
    sys.exit(main())
