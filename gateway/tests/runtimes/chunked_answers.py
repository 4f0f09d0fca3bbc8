#!/usr/bin/env -S python3 -S
"""Sends its bodies in chunks, without announcing their length."""

import json

from scf import Push, Runtime, answer, encoded


class ChunkedRuntime(Runtime):
    def response(self, outcome):
        body = encoded(outcome)
        middle = len(body) // 2
        # http.client sends what it cannot measure in chunks.
        return self.call("POST", "/invocation/response", iter([body[:middle], body[middle:]]))[0]


def main():
    runtime, push = ChunkedRuntime(), Push()
    runtime.call("POST", "/init/ready", iter([b" "]))
    while True:
        event, _ = runtime.next()
        if runtime.response(answer(json.loads(event), push)) != 200:
            raise SystemExit("the answer was refused")


main()
