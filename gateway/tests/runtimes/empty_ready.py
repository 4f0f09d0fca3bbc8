#!/usr/bin/env -S python3 -S
"""Sends `ready` without a body, and fails when its answer has none."""

import json

from scf import Push, Runtime, answer


def main():
    runtime, push = Runtime(), Push()
    status, body, _ = runtime.call("POST", "/init/ready", b"")
    if status != 200 or not body:
        raise SystemExit(f"ready was answered with {status} and {body!r}")
    while True:
        event, _ = runtime.next()
        runtime.response(answer(json.loads(event), push))


main()
