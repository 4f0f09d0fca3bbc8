"""A stand-in for SCF's API: it keeps state, takes its time, refuses what SCF refuses and notes every mistake."""

import base64
import copy
import hashlib
import io
import json
import re
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .schema import Schema

NAMESPACES = {"default", "chat"}
DESCRIPTION = re.compile(r"[A-Za-z0-9 ,.\n]{0,1000}")
VARIABLE = re.compile(r"(?!SCF_|QCLOUD_|TENCENTCLOUD_)[A-Za-z][A-Za-z0-9_]*")
CONFIGURATION = (
    "Description", "MemorySize", "Timeout", "InitTimeout", "Environment", "VpcConfig", "CfsConfig", "Role",
    "ProtocolParams", "InstanceConcurrencyConfig",
)  # fmt: skip
LOOKS = ("GetFunction", "ListTriggers")


class Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message


@dataclass
class Fault:
    """Calls that are refused: the next `times` of `action` on functions whose name ends in `name`."""

    action: str
    code: str
    message: str
    name: str
    times: int


@dataclass
class Held:
    """A function: what GetFunction returns, and what comes of the change under way."""

    shown: dict[str, Any]
    code: str = ""  # the SHA-256 of the zip
    next_status: str = "Active"
    reasons: list[dict[str, str]] = field(default_factory=list)
    polls: int = 0  # how often GetFunction still shows the change as under way
    triggers: list[dict[str, Any]] = field(default_factory=list)
    nameless: int = 0  # how often ListTriggers still shows the URL's trigger without its addresses


class StandIn:
    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.held: dict[tuple[str, str], Held] = {}
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []  # the same, for a test to clear
        self.violations: list[str] = []
        self.faults: list[Fault] = []
        self.outcomes: dict[str, tuple[str, str]] = {}  # the status and reason in which a function's change ends
        self.polls = 0  # how many calls of GetFunction see a change under way
        self.ignored: set[str] = set()  # parameters that arrive and change nothing
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def refuse(self, action: str, code: str, message: str, name: str = "", times: int = 1) -> None:
        self.faults.append(Fault(action, code, message, name, times))

    def names(self, *but: str) -> list[str]:
        """The actions called so far, without those that only look."""
        return [action for action, _ in self.calls if action not in (*LOOKS, *but)]

    def answer(self, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.received.append((action, copy.deepcopy(parameters)))
            self.calls.append((action, parameters))
            request_id = f"request-{len(self.received)}"
            try:
                self._check(action, parameters)
                self._refuse_if_planned(action, parameters)
                answer = {**getattr(self, f"_{action}")(parameters), "RequestId": request_id}
                self.violations += self.schema.check_answer(action, answer)
                return answer
            except Refused as refused:
                return {"Error": {"Code": refused.code, "Message": refused.message}, "RequestId": request_id}

    def _check(self, action: str, parameters: dict[str, Any]) -> None:
        wrong = self.schema.check_call(action, parameters)
        self.violations += wrong
        if wrong:
            raise Refused("InvalidParameter", "; ".join(wrong))

    def _refuse_if_planned(self, action: str, parameters: dict[str, Any]) -> None:
        for fault in self.faults:
            if fault.action == action and fault.times and parameters["FunctionName"].endswith(fault.name):
                fault.times -= 1
                raise Refused(fault.code, fault.message)

    def _find(self, parameters: dict[str, Any]) -> Held:
        namespace = parameters.get("Namespace", "default")
        if namespace not in NAMESPACES:
            raise Refused("ResourceNotFound.Namespace", f"namespace {namespace} not found")
        held = self.held.get((namespace, parameters["FunctionName"]))
        if held is None:
            raise Refused("ResourceNotFound.Function", f"function {parameters['FunctionName']} not found")
        return held

    def _GetFunction(self, parameters: dict[str, Any]) -> dict[str, Any]:
        held = self._find(parameters)
        shown = json.loads(json.dumps(held.shown))
        if held.polls:
            held.polls -= 1
        elif held.shown["Status"] == "Deleting":
            del self.held[held.shown["Namespace"], held.shown["FunctionName"]]
            raise Refused("ResourceNotFound.Function", "deleted")
        elif held.shown["Status"] != held.next_status:
            held.shown |= {"Status": held.next_status, "StatusReasons": held.reasons}
            shown = json.loads(json.dumps(held.shown))
        return shown

    def _CreateFunction(self, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            self._find(parameters)
        except Refused as refused:
            if refused.code != "ResourceNotFound.Function":
                raise
        else:
            raise Refused("ResourceInUse.Function", "the function exists already")
        self._validate(parameters)
        is_web = parameters.get("Type") == "HTTP"
        if is_web != ("ProtocolType" in parameters) or is_web == ("Handler" in parameters):
            raise Refused("InvalidParameterValue.Type", "ProtocolType is for HTTP functions, Handler for the others")
        held = Held(
            {
                "FunctionName": parameters["FunctionName"],
                "Namespace": parameters.get("Namespace", "default"),
                "Runtime": parameters.get("Runtime", "Python2.7"),
                "Type": parameters.get("Type", "Event"),
                "Handler": parameters.get("Handler", ""),
                "ProtocolType": parameters.get("ProtocolType", ""),
                "ModTime": "2026-11-24 12:00:00",
                "MemorySize": 128,
                "Timeout": 3,
                "InitTimeout": 65,
                "Description": "",
                "Role": "",
                "Environment": {"Variables": []},
                "VpcConfig": {"VpcId": "", "SubnetId": ""},
                "CfsConfig": {"CfsInsList": []},
                "Triggers": [],
                "StatusReasons": [],
                "StatusDesc": "",
            }
        )
        self.held[held.shown["Namespace"], held.shown["FunctionName"]] = held
        self._configure(held, parameters)
        held.code = _digest(parameters["Code"], is_web)
        self._begin(held, "Creating")
        return {}

    def _UpdateFunctionCode(self, parameters: dict[str, Any]) -> dict[str, Any]:
        held = self._changeable(parameters)
        held.code = _digest(parameters["Code"], held.shown["Type"] == "HTTP")
        self._begin(held, "Updating")
        return {}

    def _UpdateFunctionConfiguration(self, parameters: dict[str, Any]) -> dict[str, Any]:
        held = self._changeable(parameters)
        self._validate(parameters)
        self._configure(held, parameters)
        self._begin(held, "Updating")
        return {}

    def _DeleteFunction(self, parameters: dict[str, Any]) -> dict[str, Any]:
        held = self._find(parameters)
        if held.triggers:
            raise Refused("FailedOperation.DeleteFunction", "a trigger is bound")
        self._begin(held, "Deleting")
        return {}

    def _CreateTrigger(self, parameters: dict[str, Any]) -> dict[str, Any]:
        held = self._changeable(parameters)
        if held.shown["Type"] != "HTTP" or parameters["Type"] != "http":
            raise Refused("InvalidParameterValue.Type", "a URL is for an HTTP function")
        net = json.loads(parameters["TriggerDesc"])["NetConfig"]
        if net["EnableExtranet"]:
            host = "1250000000-abcdefghij.ap-shanghai.tencentscf.com"
            net |= {"ExtranetUrl": f"https://{host}", "WssExtranetUrl": f"wss://{host}"}
        described = {**json.loads(parameters["TriggerDesc"]), "NetConfig": net}
        shown = {key: parameters[key] for key in ("TriggerName", "Type", "Qualifier")}
        held.triggers.append({**shown, "Enable": 1, "TriggerDesc": json.dumps(described)})
        self._begin(held, "Updating")
        return {"TriggerInfo": {"TriggerName": parameters["TriggerName"], "Type": "http"}}

    def _ListTriggers(self, parameters: dict[str, Any]) -> dict[str, Any]:
        held = self._find(parameters)
        shown = copy.deepcopy(held.triggers)
        if held.nameless and shown:
            held.nameless -= 1
            shown[0]["TriggerDesc"] = json.dumps({"AuthType": "NONE", "NetConfig": {"EnableExtranet": True}})
        return {"TotalCount": len(shown), "Triggers": shown}

    def _DeleteTrigger(self, parameters: dict[str, Any]) -> dict[str, Any]:
        held = self._changeable(parameters)
        wanted = [parameters[key] for key in ("TriggerName", "Type", "Qualifier")]
        left = [each for each in held.triggers if [each[key] for key in ("TriggerName", "Type", "Qualifier")] != wanted]
        if len(left) == len(held.triggers):
            raise Refused("ResourceNotFound.Trigger", "no such trigger")
        held.triggers = left
        self._begin(held, "Updating")
        return {}

    def _changeable(self, parameters: dict[str, Any]) -> Held:
        held = self._find(parameters)
        if held.shown["Status"] not in ("Active", "UpdateFailed"):
            raise Refused("FailedOperation.FunctionStatusError", f"the function is {held.shown['Status']}")
        return held

    def _begin(self, held: Held, status: str) -> None:
        held.shown["Status"] = status
        held.polls = self.polls
        ends, reason = self.outcomes.pop(held.shown["FunctionName"], ("Active", ""))
        held.next_status = ends
        held.reasons = [{"ErrorCode": f"InvalidParameterValue.{ends}", "ErrorMessage": reason}] if reason else []

    def _configure(self, held: Held, parameters: dict[str, Any]) -> None:
        held.shown |= {key: parameters[key] for key in CONFIGURATION if key in parameters and key not in self.ignored}
        for mount in held.shown["CfsConfig"]["CfsInsList"]:
            mount |= {"IpAddress": "10.0.0.9", "MountVpcId": "vpc-1", "MountSubnetId": "subnet-1"}

    def _validate(self, parameters: dict[str, Any]) -> None:
        if not 1 <= parameters.get("InstanceConcurrencyConfig", {}).get("MaxConcurrency", 1) <= 100:
            raise Refused("InvalidParameterValue.InstanceConcurrencyConfig", "MaxConcurrency")
        if not 1 <= parameters.get("ProtocolParams", {}).get("WSParams", {}).get("IdleTimeOut", 15) <= 1800:
            raise Refused("InvalidParameterValue.WSParams", "IdleTimeOut")
        if not DESCRIPTION.fullmatch(parameters.get("Description", "")):
            raise Refused("InvalidParameterValue.Description", "characters that a description cannot have")
        memory = parameters.get("MemorySize", 128)
        if memory != 64 and (memory % 128 or not 128 <= memory <= 3072):
            raise Refused("InvalidParameterValue.MemorySize", f"MemorySize {memory}")
        for variable in parameters.get("Environment", {}).get("Variables", []):
            if not VARIABLE.fullmatch(variable["Key"]) or not variable["Value"]:
                raise Refused("InvalidParameterValue.EnvironmentVariables", variable["Key"])


def _digest(code: dict[str, Any], is_web: bool) -> str:
    starts = "scf_bootstrap" if is_web else "bootstrap"
    try:
        content = base64.b64decode(code["ZipFile"], validate=True)
        mode = zipfile.ZipFile(io.BytesIO(content)).getinfo(starts).external_attr >> 16
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise Refused("InvalidParameterValue.ZipFile", str(error)) from error
    if not mode & 0o111:
        raise Refused("InvalidParameterValue.ZipFile", f"{starts} is not executable")
    return hashlib.sha256(content).hexdigest()


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            for header, expected in (
                ("X-TC-Version", "2018-04-16"),
                ("X-TC-Region", "ap-shanghai"),
                ("X-TC-Language", "en-US"),
            ):
                if self.headers[header] != expected:
                    stand_in.violations.append(f"{header} is {self.headers[header]} and not {expected}")
            if "Credential=AKIDtest/" not in self.headers["Authorization"]:
                stand_in.violations.append(f"Authorization: {self.headers['Authorization']}")
            answer = json.dumps({"Response": stand_in.answer(self.headers["X-TC-Action"], body)}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: Any) -> None:
            """The test reports what matters."""

    return Handler
