#!/usr/bin/env -S python3 -S
"""Looks the headers of `next` up in both letter cases, and fails without them."""

import json

from scf import Push, Runtime, answer

HEADERS = ["Request_Id", "request_id", "Memory_Limit_In_Mb", "memory_limit_in_mb", "TIME_LIMIT_IN_MS", "time_limit_in_ms"]


def main():
    runtime, push = Runtime(), Push()
    runtime.ready()
    while True:
        event, headers = runtime.next()
        missing = [name for name in HEADERS if not headers[name]]
        if missing:
            raise SystemExit(f"next has no {missing}")
        runtime.response(answer(json.loads(event), push))


main()
