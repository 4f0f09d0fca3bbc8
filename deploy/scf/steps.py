"""The steps of a deployment, of its removal and of a look at it. Each can be run again at any time."""

import time
from typing import Callable

from . import functions, url
from .functions import Parameters
from .package import LARGEST_UPDATE, Package
from .settings import Function, Settings
from .tccli import CallFailed, Tccli

WORKING = ("Creating", "Updating", "Publishing", "Deleting")


class StepFailed(Exception):
    """A step that cannot be taken although every call went well; the text says why and what to do."""


class Steps:
    def __init__(self, tccli: Tccli, settings: Settings, say: Callable[[str], None]) -> None:
        self.tccli = tccli
        self.settings = settings
        self.say = say
        self.done: list[str] = []

    def deploy(self, function: Function, package: Package, adopt: bool) -> None:
        current = self._settled(function)
        if current is None:
            return self._create(function, package)
        if functions.mark(current) is None and not adopt:
            raise StepFailed(
                f"there is a function {function.name} already that `make deploy` did not make (its description lacks our"
                f" mark).\n  what to do  give ours another name in deploy.toml, or let this one be taken over: ADOPT=1"
            )
        kind = functions.kind(function)
        if (current.get("Runtime"), current.get("Type") or "Event") != ("CustomRuntime", kind):
            raise StepFailed(
                f"the function {function.name} has the runtime {current.get('Runtime')}, type {current.get('Type')}, which"
                f" cannot be changed to CustomRuntime, {kind}.\n  what to do  give ours another name in deploy.toml"
            )
        if current["Status"] == "CreateFailed":
            self._say(function, f"its creation failed earlier{_reasons(current)}: deleted and made anew")
            self._delete(function)
            return self._create(function, package)
        return self._update(function, package, current)

    def _create(self, function: Function, package: Package) -> None:
        wanted = functions.create(function, self.settings, package)
        self._change("CreateFunction", function, wanted)
        self._compare(function, self._wait_active(function), wanted)

    def _update(self, function: Function, package: Package, current: Parameters) -> None:
        # After a failed update nothing is known to have arrived, so both are sent.
        failed = current["Status"] != "Active"
        marked = functions.mark(current)
        wanted = functions.update_configuration(function, self.settings, package, current)
        if failed or marked is None or marked.digest != package.digest:
            if len(package.content) > LARGEST_UPDATE:
                raise StepFailed(
                    f"{function.name}: SCF replaces code of {LARGEST_UPDATE:,} bytes at most, and {package.path.name} has"
                    f" {len(package.content):,}.\n  what to do  `make destroy`, then `make deploy`"
                )
            self._change("UpdateFunctionCode", function, functions.update_code(function, self.settings, package))
            self._wait_active(function)
        # The digest is part of the configuration and thus recorded after the code is there.
        changes = functions.differences(current, wanted)
        if failed or changes:
            self._change("UpdateFunctionConfiguration", function, wanted, ", ".join(changes))
            self._compare(function, self._wait_active(function), wanted)
        else:
            self._say(function, "unchanged")

    def give_url(self, function: Function) -> tuple[str, str] | None:
        """The addresses of a web function, `wss://` and `https://`, which are made unless they are there already; `None`
        if SCF does not name them in time."""
        if self._trigger(function) is None:
            self._change("CreateTrigger", function, url.create(function, self.settings))
            self._wait_active(function)
        deadline = time.monotonic() + self.settings.wait_seconds
        while time.monotonic() < deadline:
            trigger = self._trigger(function)
            if trigger and (found := url.addresses(trigger)):
                return found
            time.sleep(self.settings.poll_seconds)
        return None

    def _trigger(self, function: Function) -> Parameters | None:
        return url.ours(self.tccli.call("ListTriggers", url.listing(function, self.settings)))

    def destroy(self, function: Function) -> None:
        current = self._settled(function)
        if current is None:
            return self._say(function, "not there")
        marked = functions.mark(current)
        if marked is None:
            return self._say(function, "left: `make deploy` did not make it")
        if marked.adopted:
            return self._say(function, "left: it was there before `make deploy` took it over with ADOPT=1")
        return self._delete(function)

    def status(self, function: Function, package: Package | None) -> None:
        current = self._get(function)
        if current is None:
            return self._say(function, "not deployed")
        marked = functions.mark(current)
        if marked is None:
            return self._say(function, f"{current['Status']}; not made by `make deploy`")
        code = f"code {marked.digest[:12]}"
        if package:
            code += f" ({'the same as' if marked.digest == package.digest else 'not that of'} {package.path.name})"
        return self._say(
            function,
            f"{current['Status']}{_reasons(current)}; {current['MemorySize']} MB, {current['Timeout']} s, {code},"
            f" changed {current.get('ModTime')}{self._url_of(function)}",
        )

    def _url_of(self, function: Function) -> str:
        trigger = self._trigger(function) if function.web else None
        found = url.addresses(trigger) if trigger else None
        return f", {found[0]}/" if found else ""

    def _delete(self, function: Function) -> None:
        if function.web and self._trigger(function):
            self._change("DeleteTrigger", function, url.delete(function, self.settings))
            self._settled(function)
        self._change("DeleteFunction", function, functions.identity(function, self.settings))
        deadline = time.monotonic() + self.settings.wait_seconds
        while current := self._get(function):
            if current["Status"] == "DeleteFailed":
                raise StepFailed(
                    f"{function.name} could not be deleted{_reasons(current)}.\n  what to do  run it again"
                )
            self._pause(function, current["Status"], deadline)

    def _get(self, function: Function) -> Parameters | None:
        try:
            return self.tccli.call("GetFunction", functions.get(function, self.settings))
        except CallFailed as failure:
            if failure.not_found:
                return None
            raise

    def _settled(self, function: Function) -> Parameters | None:
        """The function as it is once nothing is under way any more: SCF refuses changes until then."""
        deadline = time.monotonic() + self.settings.wait_seconds
        while (current := self._get(function)) and current["Status"] in WORKING:
            self._pause(function, current["Status"], deadline)
        return current

    def _compare(self, function: Function, current: Parameters, wanted: Parameters) -> None:
        """tccli leaves out what it does not know, in silence; then SCF has not what was asked for."""
        missing = functions.differences(current, wanted)
        if missing:
            self._say(
                function,
                f"warning: SCF did not take over {', '.join(missing)}; tccli may be too old: pip install -U tccli",
            )

    def _wait_active(self, function: Function) -> Parameters:
        current = self._settled(function)
        if current is None:
            raise StepFailed(f"{function.name} was deleted meanwhile.\n  what to do  run it again")
        if current["Status"] != "Active":
            raise StepFailed(
                f"{function.name} is {current['Status']}{_reasons(current)}.\n  what to do  correct what the reason names"
                " (settings are in deploy.toml), then run it again: it takes up from here"
            )
        return current

    def _pause(self, function: Function, status: str, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise StepFailed(
                f"{function.name} is still {status} after {self.settings.wait_seconds:g} s.\n"
                "  what to do  look at it with `make deploy-status`, then run it again; or raise wait.seconds in deploy.toml"
            )
        time.sleep(self.settings.poll_seconds)

    def _change(self, action: str, function: Function, parameters: Parameters, what: str = "") -> None:
        answer = self.tccli.call(action, parameters)
        self._say(function, f"{action} {what}".rstrip() + f" (request id {answer.get('RequestId')})")
        self.done.append(f"{action} {function.name}")

    def _say(self, function: Function, text: str) -> None:
        self.say(f"{function.name}: {text}")


def _reasons(current: Parameters) -> str:
    listed = current.get("StatusReasons") or []
    texts = [f"{reason.get('ErrorCode')}: {reason.get('ErrorMessage')}" for reason in listed]
    if not texts and current.get("StatusDesc"):
        texts = [current["StatusDesc"]]
    return f" ({'; '.join(texts)})" if texts else ""
