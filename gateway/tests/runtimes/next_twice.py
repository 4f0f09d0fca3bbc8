#!/usr/bin/env -S python3 -S
"""Asks `next` twice for each event, on two connections, before it answers."""

import json

from scf import Push, Runtime, answer


def main():
    push = Push()
    Runtime().ready()
    while True:
        first, second = Runtime(), Runtime()
        given_up, _ = first.next()
        event, _ = second.next()
        if event != given_up:
            raise SystemExit("the second `next` returned another event")
        second.response(answer(json.loads(event), push))


main()
