"""Asks the programs themselves whether they would start with the variables that a function gets."""

import subprocess
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Iterator

from .package import WEB_PROGRAMS, Package
from .settings import ROLES, Function, SettingsError, Web

CHECK_SECONDS = 30


def would_start(program: Path, function: Function) -> None:
    """Raises `SettingsError` with the program's own sentence unless `program --check` succeeds."""
    if not function.web:
        return _ask([program.resolve(), "--check"], function, {"WS_ROLE": function.role})
    # The gateway of a web function gives each process its role and the push address.
    for role in ROLES:
        _ask([program.resolve(), "--check"], function, {"WS_PUSH_URL": "http://127.0.0.1/api", "WS_ROLE": role})


def gateway_would_start(function: Function, package: Package) -> None:
    """Likewise for the gateway of a web function, with the settings in its zip."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(package.path) as archive:
        archive.extractall(folder)
        for program in WEB_PROGRAMS:
            (Path(folder) / program).chmod(0o755)
        gateway, settings = Path(folder) / WEB_PROGRAMS[0], Path(folder) / "gateway.toml"
        _ask([gateway, "--config", settings, "--check"], function, {})


def _ask(command: list[Any], function: Function, of_role: dict[str, str]) -> None:
    program = command[0]
    variables = {name: value for name, value in function.variables.items() if value}
    try:
        done = subprocess.run(
            command,
            env={**variables, **of_role},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=CHECK_SECONDS,
        )  # fmt: skip
    except OSError as error:
        raise SettingsError(f"{program}: {error.strerror}; `make` builds it") from error
    except subprocess.TimeoutExpired as error:
        raise SettingsError(f"{program} --check does not end with the variables of {function.name}") from error
    if done.returncode != 0:
        sentence = (done.stdout + done.stderr).strip().removeprefix("ERROR ")
        raise SettingsError(f"the function {function.name} would not start: {sentence}")


def agrees(function: Function, web: Web, package: Package) -> Iterator[str]:
    """What in the zip's gateway.toml contradicts the settings of the function: a sentence each."""
    try:
        document = tomllib.loads(package.gateway_toml or "")
    except tomllib.TOMLDecodeError as error:
        yield f"gateway.toml: {error}"
        return
    section = document.get("web_function")
    if section is None:
        yield "gateway.toml has no [web_function], without which the gateway does not keep to the platform's limits"
        return
    limit = section.get("time_limit_seconds", function.timeout)
    if limit > function.timeout:
        yield (
            f"gateway.toml closes connections before web_function.time_limit_seconds = {limit}, but SCF ends them at"
            f" timeout = {function.timeout}"
        )
    for api in document.get("api", []):
        idle = api.get("idle_timeout_seconds", 600)
        if idle >= web.idle_timeout:
            yield (
                f"gateway.toml closes idle clients of {api.get('path')} after idle_timeout_seconds = {idle}, but SCF"
                f" ends them at idle_timeout = {web.idle_timeout}: write a smaller one"
            )
