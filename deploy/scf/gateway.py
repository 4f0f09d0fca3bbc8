"""The section of gateway.toml that calls the functions."""

import json

from .settings import ROLES, Function, Settings


def section(chosen: tuple[Function, ...], settings: Settings) -> str:
    by_role = dict(zip(ROLES, chosen if len(chosen) == len(ROLES) else chosen * len(ROLES)))
    lines = [
        "[scf]",
        f"region = {_string(settings.region)}",
        "",
        "[[api]]",
        f"path = {_string(settings.path)}",
        *(
            f"{role} = {_string(f'scf:{settings.namespace}/{function.name}:{settings.qualifier}')}"
            for role, function in by_role.items()
        ),
        f"function_timeout_seconds = {max(function.timeout for function in chosen)}",
    ]
    return "\n".join(lines)


def _string(text: str) -> str:
    """TOML's basic strings are JSON's, as far as these values go."""
    return json.dumps(text, ensure_ascii=False)
