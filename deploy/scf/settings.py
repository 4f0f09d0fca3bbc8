"""Reads deploy.toml: every problem is found here, before anything is sent."""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator, Mapping

ROLES = ("register", "transfer", "cleanup")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,58}[A-Za-z0-9]")
VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
RESERVED = ("SCF_", "QCLOUD_", "TENCENTCLOUD_")
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

FUNCTION_KEYS = {"memory": int, "timeout": int, "init_timeout": int, "cam_role": str, "variables": dict}
WEB_KEYS = {"connections": int, "idle_timeout": int}
KEYS: dict[str, Any] = {
    "region": str,
    "namespace": str,
    "endpoint": str,
    "function": FUNCTION_KEYS,
    **{section: {"name": str, **FUNCTION_KEYS} for section in (*ROLES, "one")},
    "web": {"name": str, **FUNCTION_KEYS, **WEB_KEYS},
    "vpc": {"id": str, "subnet": str},
    "cfs": {"id": str, "mount_point": str, "local": str, "remote": str, "user": str, "group": str},
    "gateway": {"path": str, "qualifier": str},
    "wait": {"seconds": (int, float), "poll_seconds": (int, float)},
}
DEFAULTS = {"register": "ws-register", "transfer": "ws-transfer", "cleanup": "ws-cleanup", "one": "ws", "web": "ws-web"}
WEB_DEFAULTS = {"memory": 512, "timeout": 900}


class SettingsError(Exception):
    """The settings cannot be used; the text says which and why, a line for each problem."""


@dataclass(frozen=True)
class Web:
    """What only a web function has."""

    connections: int  # of one instance
    idle_timeout: int  # seconds after which SCF ends a connection without a message


@dataclass(frozen=True)
class Function:
    """One function as deploy.toml describes it."""

    role: str  # the value of WS_ROLE; empty where the gateway sets it, in a web function
    name: str
    memory: int
    timeout: int
    init_timeout: int
    cam_role: str
    variables: dict[str, str]  # an empty value removes the variable
    references: dict[str, str] = field(default_factory=dict)  # variables with a ${NAME}, as they are written
    unset: frozenset[str] = frozenset()  # names that ${NAME} refers to and that the environment lacks
    web: Web | None = None  # None: an event function


@dataclass(frozen=True)
class Settings:
    region: str
    namespace: str
    endpoint: str
    three: tuple[Function, ...]
    one: Function
    web: Function
    path: str
    qualifier: str
    vpc: dict[str, str] = field(default_factory=dict)
    cfs: dict[str, str] = field(default_factory=dict)
    wait_seconds: float = 300
    poll_seconds: float = 2


def read(path: Path, environment: Mapping[str, str]) -> Settings:
    """Reads the file. A `${NAME}` that the environment lacks is no error here: see `Function.unset`."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    problems = list(_unknown_or_mistyped(document, KEYS, ""))
    if not problems:
        settings = _assemble(document, environment)
        problems = list(_invalid(settings))
    if problems:
        raise SettingsError("\n".join(f"{path}: {problem}" for problem in problems))
    return settings


def _unknown_or_mistyped(table: Mapping[str, Any], keys: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in table.items():
        name = f"{prefix}{key}"
        expected = keys.get(key)
        if expected is None:
            yield f"{name} is not a setting; there are {', '.join(keys)}"
        elif isinstance(expected, dict):
            if isinstance(value, dict):
                yield from _unknown_or_mistyped(value, expected, f"{name}.")
            else:
                yield f"{name} has to be a section: [{name}]"
        elif not isinstance(value, expected) or isinstance(value, bool):
            kind = {str: "a string", int: "a whole number", dict: "a section"}.get(expected, "a number")
            yield f"{name} has to be {kind}"
        elif expected is dict:
            for variable, text in value.items():
                if not isinstance(text, str):
                    yield f'{name}.{variable} has to be a string: {variable} = "{text}"'


def _assemble(document: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    gateway, wait = document.get("gateway", {}), document.get("wait", {})
    cfs = document.get("cfs", {})
    return Settings(
        region=document.get("region", "ap-guangzhou"),
        namespace=document.get("namespace", "default"),
        endpoint=document.get("endpoint", "scf.tencentcloudapi.com"),
        three=tuple(_function(document, role, role, environment) for role in ROLES),
        one=_function(document, "one", "auto", environment),
        web=_function(document, "web", "", environment),
        path=gateway.get("path", "/websocket"),
        qualifier=gateway.get("qualifier", "$LATEST"),
        vpc=document.get("vpc", {}),
        cfs={"local": "/mnt", "remote": "/", "user": "10000", "group": "10000", **cfs} if cfs else {},
        wait_seconds=wait.get("seconds", 300),
        poll_seconds=wait.get("poll_seconds", 2),
    )


def _function(document: Mapping[str, Any], section: str, role: str, environment: Mapping[str, str]) -> Function:
    common, own = document.get("function", {}), document.get(section, {})
    # What an event function needs says nothing about a web function, which holds a connection for its whole time limit.
    shared = {key: common[key] for key in ("init_timeout", "cam_role") if key in common} if section == "web" else common
    defaults = WEB_DEFAULTS if section == "web" else {"memory": 128, "timeout": 3}
    merged = {"init_timeout": 65, "cam_role": "", **defaults, **shared, **own}
    written = {**common.get("variables", {}), **own.get("variables", {})}
    values = {
        name: REFERENCE.sub(lambda match: environment.get(match[1], match[0]), value) for name, value in written.items()
    }
    named = {name for value in written.values() for name in REFERENCE.findall(value)}
    return Function(
        role=role,
        name=merged.get("name", DEFAULTS[section]),
        memory=merged["memory"],
        timeout=merged["timeout"],
        init_timeout=merged["init_timeout"],
        cam_role=merged["cam_role"],
        variables=values,
        references={name: value for name, value in written.items() if REFERENCE.search(value)},
        unset=frozenset(named - set(environment)),
        web=Web(own.get("connections", 50), own.get("idle_timeout", 600)) if section == "web" else None,
    )


def _invalid(settings: Settings) -> Iterator[str]:
    host = settings.endpoint.removeprefix("http://").split(":")[0]
    if settings.endpoint.startswith("http://") and host not in LOOPBACK:
        yield f"endpoint is {settings.endpoint}: http is for a loopback address only"
    if settings.endpoint.startswith("https://"):
        yield "endpoint is a host name, without https://"
    functions = (*settings.three, settings.one, settings.web)
    names = [function.name for function in functions]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} is the name of two functions"
    for function in functions:
        yield from _invalid_function(function)
    if settings.vpc and set(settings.vpc) != {"id", "subnet"}:
        yield "[vpc] needs both id and subnet"
    if settings.cfs and not {"id", "mount_point"} <= set(settings.cfs):
        yield "[cfs] needs id and mount_point"
    if settings.cfs and not settings.vpc:
        yield "[cfs] needs [vpc]: a file system is mounted through its network"
    if not settings.path.startswith("/"):
        yield f"gateway.path is {settings.path!r}: it has to begin with /"


def _invalid_function(function: Function) -> Iterator[str]:
    if not NAME.fullmatch(function.name):
        yield f"{function.name!r} is no name of a function: 2 to 60 letters, digits, - and _, the first a letter"
    if function.memory != 64 and (function.memory % 128 or not 128 <= function.memory <= 3072):
        yield f"{function.name}: memory is {function.memory}; SCF has 64, or a multiple of 128 up to 3072"
    if not 1 <= function.timeout <= 900:
        yield f"{function.name}: timeout is {function.timeout}; SCF has 1 to 900 seconds"
    if function.web:
        yield from _invalid_web(function, function.web)
    for variable in function.variables:
        if variable == "WS_ROLE":
            yield f"{function.name}: WS_ROLE is set for you; take it out of the variables"
        elif not VARIABLE.fullmatch(variable):
            yield f"{function.name}: {variable!r} is no name of a variable: a letter, then letters, digits and _"
        elif variable.startswith(RESERVED):
            yield f"{function.name}: {variable} cannot be set; SCF keeps {', '.join(RESERVED)} for itself"


def _invalid_web(function: Function, web: Web) -> Iterator[str]:
    if not 1 <= web.connections <= 100:
        yield f"{function.name}: connections is {web.connections}; SCF has 1 to 100 for an instance"
    if not 10 <= web.idle_timeout <= 1800:
        yield f"{function.name}: idle_timeout is {web.idle_timeout}; SCF has 10 to 1800 seconds"
    elif web.idle_timeout >= function.timeout:
        yield (
            f"{function.name}: idle_timeout is {web.idle_timeout} and has to be below the time limit, timeout ="
            f" {function.timeout}, at which every connection ends"
        )
