#!/usr/bin/env -S python3 -S
"""Register, transfer and cleanup functions that do as they are told.

A text frame is pushed back to its sender, and so is a binary one. The text frames `close me`, `fail`, `crash`,
`status`, `linger` (leaves a process behind), `sleep MS`, `push CONNECTION TEXT` and `say LINE` do what they say. `hold`
waits until the test releases it, and `drop TEXT` does nothing. A path that contains `refuse` is refused, one that
contains `errno-NUMBER` with that number and a text that names a store, one that contains `protocol-NAME` is answered with
that sub-protocol, and one that contains `hold` waits.

RECORD names a file that gets a JSON line an event. WRAP=1 wraps the answers as integration responses, WRAP=base64 with
their bodies in Base64. INIT_MS delays `ready`, CLEANUP_MS a cleanup, which ends with a line in the file that CLEANED names.
SHOW_VARIABLES=1 prints the variables.
"""

import base64
import json
import os
import subprocess
import sys
import time

from scf import ROLE, Push, Runtime, accepted

STATUS = 200


def main():
    global STATUS
    runtime, push = Runtime(), Push()
    time.sleep(int(os.environ.get("INIT_MS", "0")) / 1000)
    print(f"{ROLE} starts", flush=True)
    if "SHOW_VARIABLES" in os.environ:
        for name, value in os.environ.items():
            print(f"variable {name}={value}", flush=True)
    runtime.ready()
    while True:
        body, headers = runtime.next()
        event = json.loads(body)
        record(event, headers)
        STATUS = 200
        try:
            answer = ROLES[ROLE](event, push)
        except Refusal as refusal:
            runtime.error(str(refusal))
        else:
            runtime.response(wrapped(answer))


class Refusal(Exception):
    pass


def register(event, push):
    path = event["requestContext"]["path"]
    if "greet" in path:
        greeted = push.send(event["websocket"]["secConnectionID"], "text", "welcome")
        if greeted["errNo"] != 0:
            raise Refusal(greeted["errMsg"])
    if "hold" in path:
        hold()
    if "refuse" in path:
        return {"errNo": 103, "errMsg": "not today"}
    if "errno-" in path:
        return {"errNo": int(path.split("errno-")[1]), "errMsg": "redis://10.0.0.7:6379 is away"}
    answer = accepted(event)
    if "protocol-" in path:
        answer["websocket"]["secWebSocketProtocol"] = path.split("protocol-")[1]
    return answer


def transfer(event, push):
    frame = event["websocket"]
    if frame["dataType"] == "text" and command(frame["secConnectionID"], frame["data"], push):
        return event
    answer = push.send(frame["secConnectionID"], frame["dataType"], frame["data"])
    if answer["errNo"] != 0:
        print("push:", answer["errMsg"], file=sys.stderr, flush=True)
    return event if len(frame["data"]) < 1000 else "ok"


def command(connection, text, push):
    global STATUS
    word, _, rest = text.partition(" ")
    if text == "close me":
        push.close(connection)
    elif text == "fail":
        raise Refusal("told to fail")
    elif text == "crash":
        sys.exit(3)
    elif text == "status":
        STATUS = 500
    elif text == "linger":
        child = subprocess.Popen(["sleep", "600"])
        push.send(connection, "text", str(child.pid))
    elif word == "sleep":
        time.sleep(int(rest) / 1000)
        push.send(connection, "text", text)
    elif text == "hold":
        hold()
    elif word == "drop":
        pass
    elif word == "say":
        print(rest, flush=True)
    elif word == "push":
        other, _, data = rest.partition(" ")
        push.send(connection, "text", json.dumps(push.send(other, "text", data)))
    else:
        return False
    return True


def hold():
    released = os.environ["RECORD"] + ".released"
    for _ in range(3000):
        if os.path.exists(released):
            return
        time.sleep(0.01)
    raise Refusal("never released")


def cleanup(event, push):
    time.sleep(int(os.environ.get("CLEANUP_MS", "0")) / 1000)
    if "CLEANED" in os.environ:
        with open(os.environ["CLEANED"], "a") as file:
            print("cleaned", file=file)
    return event


ROLES = {"register": register, "transfer": transfer, "cleanup": cleanup}


def wrapped(answer):
    how = os.environ.get("WRAP")
    if not how:
        return answer
    body = answer if isinstance(answer, str) else json.dumps(answer)
    if how == "base64":
        body = base64.b64encode(body.encode()).decode()
    return {"isBase64Encoded": how == "base64", "statusCode": STATUS, "headers": {}, "body": body}


def record(event, headers):
    if "RECORD" not in os.environ:
        return
    shown = {**event, "websocket": {**event["websocket"]}}
    if "data" in shown["websocket"]:
        shown["websocket"]["data"] = shown["websocket"]["data"][:200]
    line = {
        "role": ROLE,
        "pid": os.getpid(),
        "event": shown,
        "headers": {name: headers[name] for name in ("request_id", "memory_limit_in_mb", "time_limit_in_ms")},
        "environment": dict(os.environ) if ROLE == "register" else None,
    }
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps(line) + "\n")


main()
