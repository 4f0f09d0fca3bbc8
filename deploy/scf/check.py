"""Asks the bootstrap itself whether it would start with the variables that a function gets."""

import subprocess
from pathlib import Path

from .settings import Function, SettingsError

CHECK_SECONDS = 30


def would_start(program: Path, function: Function) -> None:
    """Raises `SettingsError` with the program's own sentence unless `program --check` succeeds."""
    variables = {name: value for name, value in function.variables.items() if value}
    try:
        done = subprocess.run(
            [program.resolve(), "--check"],
            env={**variables, "WS_ROLE": function.role},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=CHECK_SECONDS,
        )  # fmt: skip
    except OSError as error:
        raise SettingsError(f"{program}: {error.strerror}; `make` builds it") from error
    except subprocess.TimeoutExpired as error:
        raise SettingsError(f"{program} --check does not end with the variables of {function.name}") from error
    if done.returncode != 0:
        sentence = (done.stdout + done.stderr).strip().removeprefix("ERROR ")
        raise SettingsError(f"the function {function.name} would not start: {sentence}")
