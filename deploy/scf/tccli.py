"""Calls SCF through tccli, the vendor's command line, which keeps the credentials and signs."""

import json
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable

from . import hints
from .functions import Parameters
from .settings import Settings

ERROR = re.compile(r"\[TencentCloudSDKException\] code:(\S*) message:(.*) requestId:(\S*)", re.DOTALL)

# One call, an upload of 50 MB included.
CALL_SECONDS = 600
ATTEMPTS = 6


class CallFailed(Exception):
    """A call that was refused or never arrived."""

    def __init__(self, action: str, code: str, message: str, request_id: str) -> None:
        super().__init__(f"{action} failed: {code}: {message}")
        self.action = action
        self.code = code
        self.message = message
        self.request_id = request_id

    def __str__(self) -> str:
        lines = [
            f"{self.action} failed: {self.code}",
            f"  message     {self.message}",
            f"  request id  {self.request_id or 'none: the call did not reach SCF'}",
            f"  what to do  {hints.remedy(self.code)}",
        ]
        return "\n".join(lines)

    @property
    def not_found(self) -> bool:
        return self.code in ("ResourceNotFound.Function", "ResourceNotFound.FunctionName")

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed a moment later, and cannot have been carried out already."""
        if self.code.startswith(("RequestLimitExceeded", "FailedOperation.FunctionStatusError")):
            return True
        return self.action == "GetFunction" and self.code.startswith(("InternalError", "ClientNetworkError"))


def command(program: str, action: str, settings: Settings, parameters: str) -> list[str]:
    """The command line. Parameters go in a file: the zip is too long for an argument, and secrets would be seen by `ps`."""
    return [
        program, "scf", action,
        "--region", settings.region,
        "--endpoint", settings.endpoint,
        "--language", "en-US",
        "--output", "json",
        "--timeout", str(CALL_SECONDS // 2),
        "--cli-input-json", f"file://{parameters}",
    ]  # fmt: skip


class Tccli:
    def __init__(self, program: Path, settings: Settings, say: Callable[[str], None]) -> None:
        self.program = program
        self.settings = settings
        self.say = say

    def call(self, action: str, parameters: Parameters) -> Parameters:
        """The `Response`. A call that is throttled is repeated, less and less often."""
        for attempt in range(ATTEMPTS):
            try:
                return self._once(action, parameters)
            except CallFailed as failure:
                if not failure.may_pass or attempt == ATTEMPTS - 1:
                    raise
                pause = self.settings.poll_seconds * 2**attempt
                self.say(f"{action}: {failure.code}; again in {pause:g} s")
                time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, action: str, parameters: Parameters) -> Parameters:
        # Without a name, mode 600: nothing has to remove it, however this process ends.
        with tempfile.TemporaryFile("w", encoding="ascii") as file:
            json.dump(parameters, file)
            file.seek(0)
            try:
                done = subprocess.run(
                    command(str(self.program), action, self.settings, f"/dev/fd/{file.fileno()}"),
                    stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=CALL_SECONDS,
                    pass_fds=(file.fileno(),),
                )  # fmt: skip
            except subprocess.TimeoutExpired as error:
                raise CallFailed(action, "ClientTimeout", f"no answer for {CALL_SECONDS} s", "") from error
            except OSError as error:
                raise CallFailed(action, "NoTccli", f"{self.program}: {error.strerror}", "") from error
        if done.returncode != 0:
            raise _failure(action, done.stderr)
        if done.stderr.strip():
            # Among others, that an action is deprecated.
            self.say(f"{action}: tccli warns: {' '.join(done.stderr.split())}")
        try:
            answer: Parameters = json.loads(done.stdout)
            return answer
        except ValueError as error:
            raise CallFailed(action, "UnreadableAnswer", f"tccli printed {done.stdout[:200]!r}", "") from error


def _failure(action: str, stderr: str) -> CallFailed:
    found = ERROR.search(stderr)
    if found:
        code, message, request_id = found.groups()
        return CallFailed(action, code, message.strip(), "" if request_id == "None" else request_id)
    text = " ".join(stderr.split())
    if "secretId is invalid" in text or "secretKey is invalid" in text:
        return CallFailed(action, "NoCredentials", "tccli has no credentials", "")
    return CallFailed(action, "TccliFailed", text or "tccli said nothing", "")
