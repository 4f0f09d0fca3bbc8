"""What `DRY=1` prints: each call with its parameters, without secrets and without sending anything."""

import json
import re
from typing import Any, Callable

from . import functions, tccli, url
from .functions import Parameters
from .package import Package
from .settings import REFERENCE, Function, Settings

# The bootstrap's own variables. Any other may hold a secret, whatever its name is.
SHOWN = {
    "WS_ROLE", "WS_PUSH_URL", "WS_PUSH_TO", "WS_PUSH_ENCODING", "WS_PUSH_CONCURRENCY", "WS_CLOSE", "WS_SUBPROTOCOLS",
    "WS_STORE", "WS_STORE_TTL", "WS_ROOM", "WS_INTEGRATION_RESPONSE", "RUST_LOG", "SSL_CERT_FILE",
}  # fmt: skip
URL_PASSWORD = re.compile(r"(?<=://)\S+@")  # a password may hold / and @
PUSH_TOKEN = re.compile(r"(?<=/api-)[^/?\s]+")
HIDDEN = "***"


def deployment(chosen: tuple[Function, ...], settings: Settings, package: Package, say: Callable[[str], None]) -> None:
    _heading(settings, say)
    say(
        f"After each change: GetFunction every {settings.poll_seconds:g} s, {settings.wait_seconds:g} s at most, until its"
        " Status is Active."
    )
    for function in chosen:
        say(f"\n# {function.name}")
        _print("", "GetFunction", functions.get(function, settings), say)
        for condition, action, parameters in (
            ("if there is no such function: ", "CreateFunction", functions.create(function, settings, package)),
            ("if its code is another: ", "UpdateFunctionCode", functions.update_code(function, settings, package)),
            (
                "if its configuration is another (variables that were set by hand stay): ",
                "UpdateFunctionConfiguration",
                functions.update_configuration(function, settings, package, {}),
            ),
        ):
            _print(condition, action, redacted(parameters, function, package), say)
        if function.web:
            _print("", "ListTriggers", url.listing(function, settings), say)
            _print("if it has no URL: ", "CreateTrigger", url.create(function, settings), say)


def removal(chosen: tuple[Function, ...], settings: Settings, say: Callable[[str], None]) -> None:
    _heading(settings, say)
    for function in chosen:
        say(f"\n# {function.name}")
        _print("", "GetFunction", functions.get(function, settings), say)
        if function.web:
            _print("if `make deploy` made it: ", "DeleteTrigger", url.delete(function, settings), say)
        _print("if `make deploy` made it: ", "DeleteFunction", functions.identity(function, settings), say)


def _heading(settings: Settings, say: Callable[[str], None]) -> None:
    say(f"\nEach call: {' '.join(tccli.command('tccli', 'ACTION', settings, 'PARAMETERS'))}")


def _print(condition: str, action: str, parameters: Parameters, say: Callable[[str], None]) -> None:
    """A line for each parameter; the whole is JSON."""
    lines = ",\n".join(
        f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in parameters.items()
    )
    say(f"{condition}{action}\n{{\n{lines}\n}}")


def redacted(parameters: Parameters, function: Function, package: Package) -> Parameters:
    """The parameters as they may be shown: the zip by its size and digest, secrets hidden."""

    def shown(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"Key", "Value"}:
            return {"Key": value["Key"], "Value": _shown_variable(value["Key"], value["Value"], function)}
        if isinstance(value, dict):
            return {key: shown(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [shown(inner) for inner in value]
        return f"<Base64 of {package}>" if value == package.base64 else value

    return {key: shown(value) for key, value in parameters.items()}


def _shown_variable(name: str, value: str, function: Function) -> str:
    value = function.references.get(name, value)
    if name not in SHOWN and not REFERENCE.fullmatch(value):
        return HIDDEN
    return PUSH_TOKEN.sub(HIDDEN, URL_PASSWORD.sub(f"{HIDDEN}@", value))
