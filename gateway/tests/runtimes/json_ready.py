#!/usr/bin/env -S python3 -S
"""Sends a JSON document with `ready`, and declares all of its bodies as JSON."""

import json

from scf import Push, Runtime, answer


class JsonRuntime(Runtime):
    def call(self, method, path, body=None):
        self._line.request(method, "/runtime" + path, body, {"Content-Type": "application/json"})
        response = self._line.getresponse()
        return response.status, response.read(), response.headers


def main():
    runtime, push = JsonRuntime(), Push()
    if runtime.ready(json.dumps({"msg": "ready"}).encode()) != 200:
        raise SystemExit("ready was refused")
    while True:
        event, _ = runtime.next()
        runtime.response(answer(json.loads(event), push))


main()
