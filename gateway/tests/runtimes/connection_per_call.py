#!/usr/bin/env -S python3 -S
"""Opens a connection for each call, writes HTTP/1.0 on it and reads to its end, as a shell script would."""

import json
import os
import socket

from scf import Push, answer, encoded

ADDRESS = (os.environ["SCF_RUNTIME_API"], int(os.environ["SCF_RUNTIME_API_PORT"]))


def call(method, path, body=b""):
    with socket.create_connection(ADDRESS) as connection:
        head = f"{method} /runtime{path} HTTP/1.0\r\nHost: {ADDRESS[0]}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        with connection.makefile("rb") as answered:
            head, _, body = answered.read().partition(b"\r\n\r\n")
    if b" 200 " not in head.splitlines()[0]:
        raise SystemExit(f"{method} {path} was answered with {head!r}")
    return body


def main():
    call("POST", "/init/ready", b" ")
    while True:
        event = json.loads(call("GET", "/invocation/next"))
        call("POST", "/invocation/response", encoded(answer(event, Push())))


main()
