#!/usr/bin/env -S python3 -S
"""A custom runtime that misbehaves in the one way that MISBEHAVE names, as the function that MISBEHAVE_ROLE names.

As the other functions it behaves, and so it does in what the way does not touch. The transfer function pushes every
text back to its sender.
"""

import json
import os
import sys
import time

from scf import ROLE, Push, Runtime, answer

# Less than the time-out of the test, and twice as long is more.
REST_SECONDS = 4

WAY = os.environ["MISBEHAVE"] if ROLE == os.environ.get("MISBEHAVE_ROLE", ROLE) else "not at all"


def main():
    runtime, push = Runtime(), Push()
    if WAY == "never ready":
        time.sleep(600)
    if WAY == "complains and exits":
        # As long as a sentence that names a path and what to do may be.
        print("cannot start: " + "a long explanation, " * 12 + "end of the reason", file=sys.stderr, flush=True)
        sys.exit(4)
    if WAY == "exits before ready":
        sys.exit(4)
    if WAY == "outcome before next":
        print("outcome:", runtime.response("{}"), flush=True)
    runtime.ready()
    if WAY == "ready twice":
        print("ready again:", runtime.ready(), flush=True)
    if WAY == "never asks":
        time.sleep(600)
    if WAY == "exits after ready":
        sys.exit(5)
    while True:
        body, _ = runtime.next()
        carry_out(runtime, push, json.loads(body))


def carry_out(runtime, push, event):
    if WAY == "complains in the middle":
        print("out of paper", file=sys.stderr, flush=True)
        sys.exit(6)
    if WAY == "exits in the middle":
        sys.exit(6)
    if WAY == "answers late":
        time.sleep(600)
    if WAY == "rests and takes its time":
        time.sleep(REST_SECONDS)
    if WAY == "calls next twice":
        again, _ = runtime.next()
        print("the same event:", json.loads(again) == event, flush=True)
    if WAY == "pushes rubbish":
        print("pushed:", push.post_bytes(b'{"websocket": rubbish'), flush=True)
    if WAY == "error":
        return runtime.error("it did not work out")
    if WAY == "quotes":
        return runtime.error("cannot use " + event["websocket"]["data"])
    if WAY == "rubbish":
        return runtime.response(b"\xff{not JSON")
    if WAY == "no decision":
        return runtime.response("{}")
    if WAY == "refuses":
        return runtime.response({"errNo": 7, "errMsg": "no"})
    if WAY == "answers too much":
        print("too much:", runtime.response(b"x" * (6 * 1024 * 1024 + 1)), flush=True)
    if WAY == "answers and exits":
        runtime.response(answer(event, push))
        sys.exit(0)
    status = runtime.response(answer(event, push))
    if WAY == "answers twice":
        print("outcomes:", status, runtime.error("never mind"), flush=True)
    if WAY == "rests and takes its time":
        time.sleep(REST_SECONDS)
    return status


main()
