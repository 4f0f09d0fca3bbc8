"""What SCF should hold for a function, and how that differs from what it holds.

SCF's GetFunction returns no digest of the code, and the one of GetFunctionAddress is of the archive as SCF stores it.
So our own is kept in the description, which also marks a function as ours: tags can only be set by CreateFunction, and
environment variables would be seen by the program.
"""

import re
from dataclasses import dataclass
from typing import Any

from .package import Package
from .settings import Function, Settings

DEPLOYED, ADOPTED = "Deployed", "Adopted"
# SCF allows letters, digits, spaces, commas and full stops.
MARK = re.compile(rf"({DEPLOYED}|{ADOPTED}) by make deploy of scf websocket\. Code sha256 ([0-9a-f]{{64}})\.")

# The program is `bootstrap` whatever this says, but SCF checks its form.
HANDLER = "index.main_handler"

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Mark:
    """What the description of a function of ours says."""

    adopted: bool  # it was there before us, so that `make destroy` leaves it
    digest: str


def mark(current: Parameters) -> Mark | None:
    found = MARK.search(current.get("Description") or "")
    return Mark(found[1] == ADOPTED, found[2]) if found else None


def identity(function: Function, settings: Settings) -> Parameters:
    return {"FunctionName": function.name, "Namespace": settings.namespace}


def get(function: Function, settings: Settings) -> Parameters:
    return {**identity(function, settings), "ShowCode": "FALSE"}


def create(function: Function, settings: Settings, package: Package) -> Parameters:
    return {
        **identity(function, settings),
        "Runtime": "CustomRuntime",
        "Type": kind(function),
        **({"ProtocolType": "WS"} if function.web else {}),
        **_code(function, package),
        **configuration(function, settings, package, {}),
    }


def update_code(function: Function, settings: Settings, package: Package) -> Parameters:
    return {**identity(function, settings), **_code(function, package)}


def kind(function: Function) -> str:
    return "HTTP" if function.web else "Event"


def _code(function: Function, package: Package) -> Parameters:
    """A web function has no handler: SCF starts its scf_bootstrap."""
    return {**({} if function.web else {"Handler": HANDLER}), "Code": {"ZipFile": package.base64}}


def update_configuration(function: Function, settings: Settings, package: Package, current: Parameters) -> Parameters:
    return {**identity(function, settings), **configuration(function, settings, package, current)}


def configuration(function: Function, settings: Settings, package: Package, current: Parameters) -> Parameters:
    """The parameters that CreateFunction and UpdateFunctionConfiguration have in common."""
    verb = ADOPTED if _was_there_before(current) else DEPLOYED
    parameters: Parameters = {
        "Description": f"{verb} by make deploy of scf websocket. Code sha256 {package.digest}.",
        "MemorySize": function.memory,
        "Timeout": function.timeout,
        "InitTimeout": function.init_timeout,
        "Environment": {"Variables": _variables(function, current)},
    }
    if function.cam_role:
        parameters["Role"] = function.cam_role
    if function.web:
        parameters["ProtocolParams"] = {"WSParams": {"IdleTimeOut": function.web.idle_timeout}}
        parameters["InstanceConcurrencyConfig"] = {
            "DynamicEnabled": "FALSE",
            "MaxConcurrency": function.web.connections,
            "Type": "Request-Based",
        }
    if settings.vpc:
        parameters["VpcConfig"] = {"VpcId": settings.vpc["id"], "SubnetId": settings.vpc["subnet"]}
    if settings.cfs:
        parameters["CfsConfig"] = {"CfsInsList": [_mount(settings.cfs)]}
    return parameters


def _was_there_before(current: Parameters) -> bool:
    if not current:
        return False
    marked = mark(current)
    return marked is None or marked.adopted


def _variables(function: Function, current: Parameters) -> list[dict[str, str]]:
    """UpdateFunctionConfiguration replaces all variables, so those that were set by hand go along with ours."""
    merged = {**variables(current), **function.variables, "WS_ROLE": function.role}
    return [{"Key": key, "Value": value} for key, value in sorted(merged.items()) if value]


def _mount(cfs: dict[str, str]) -> dict[str, str]:
    return {
        "UserId": cfs["user"],
        "UserGroupId": cfs["group"],
        "CfsId": cfs["id"],
        "MountInsId": cfs["mount_point"],
        "LocalMountDir": cfs["local"],
        "RemoteMountDir": cfs["remote"],
    }


def variables(current: Parameters) -> dict[str, str]:
    listed = (current.get("Environment") or {}).get("Variables") or []
    return {variable["Key"]: variable["Value"] for variable in listed}


def differences(current: Parameters, wanted: Parameters) -> list[str]:
    """What UpdateFunctionConfiguration would change, in words that show no variable's value."""
    found = []
    for key in ("MemorySize", "Timeout", "InitTimeout", "Role"):
        # A value that SCF does not return cannot be compared.
        if key in wanted and current.get(key) is not None and current[key] != wanted[key]:
            found.append(f"{key} {current[key] or 'none'} -> {wanted[key]}")
    for key in ("VpcConfig", "CfsConfig", "ProtocolParams", "InstanceConcurrencyConfig"):
        if key in wanted and not _contains(current.get(key), wanted[key]):
            found.append(key)
    before, after = variables(current), variables(wanted)
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    if changed:
        found.append(f"Environment ({', '.join(changed)})")
    if current.get("Description") != wanted["Description"]:
        found.append("Description")
    return found


def _contains(current: Any, wanted: Any) -> bool:
    """Whether what SCF returned agrees with what is wanted; it returns more keys than were sent."""
    if isinstance(wanted, dict):
        return isinstance(current, dict) and all(_contains(current.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(current, list) and len(current) == len(wanted) and all(map(_contains, current, wanted))
    return bool(current == wanted)
