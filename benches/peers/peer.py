"""The register function on Python: a bootstrap's loop over a `requests` session."""

import json
import os

import requests

BASE = f"http://{os.environ['SCF_RUNTIME_API']}:{os.environ['SCF_RUNTIME_API_PORT']}/runtime"


def register(event):
    if "requestContext" not in event:
        return {"errNo": 101, "errMsg": "not found request context"}
    if "websocket" not in event:
        return {"errNo": 102, "errMsg": "not found websocket"}
    offer = event["websocket"]
    accepted = {"action": "connecting", "secConnectionID": offer["secConnectionID"]}
    if "secWebSocketProtocol" in offer:
        accepted["secWebSocketProtocol"] = offer["secWebSocketProtocol"]
    if "secWebSocketExtensions" in offer:
        accepted["secWebSocketExtensions"] = ""
    return {"errNo": 0, "errMsg": "ok", "websocket": accepted}


session = requests.Session()
session.post(f"{BASE}/init/ready", data=" ")
while True:
    event = session.get(f"{BASE}/invocation/next").json()
    session.post(f"{BASE}/invocation/response", data=json.dumps(register(event)))
