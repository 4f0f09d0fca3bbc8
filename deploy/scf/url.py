"""The URL of a web function, which SCF makes with a trigger of the type http."""

import json

from .functions import Parameters, identity
from .settings import Function, Settings

TRIGGER = "url"


def listing(function: Function, settings: Settings) -> Parameters:
    return identity(function, settings)


def create(function: Function, settings: Settings) -> Parameters:
    open_to_all = {"AuthType": "NONE", "NetConfig": {"EnableIntranet": False, "EnableExtranet": True}}
    return {**_trigger(function, settings), "TriggerDesc": json.dumps(open_to_all)}


def delete(function: Function, settings: Settings) -> Parameters:
    return _trigger(function, settings)


def _trigger(function: Function, settings: Settings) -> Parameters:
    return {**identity(function, settings), "TriggerName": TRIGGER, "Type": "http", "Qualifier": settings.qualifier}


def ours(answer: Parameters) -> Parameters | None:
    """Our trigger among those that ListTriggers returns."""
    triggers = answer.get("Triggers") or []
    return next((each for each in triggers if (each["Type"], each["TriggerName"]) == ("http", TRIGGER)), None)


def addresses(trigger: Parameters) -> tuple[str, str] | None:
    """`wss://` and `https://`, as soon as SCF has given them. Where it names only one of them, the host is the same."""
    try:
        net = json.loads(trigger.get("TriggerDesc") or "{}").get("NetConfig") or {}
    except ValueError:
        return None
    https, wss = (net.get(key, "").rstrip("/") for key in ("ExtranetUrl", "WssExtranetUrl"))
    if not https and not wss:
        return None
    host = (https or wss).split("://", 1)[-1]
    return wss or f"wss://{host}", https or f"https://{host}"
