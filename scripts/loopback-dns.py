#!/usr/bin/env python3
"""A name server for tests that resolves every name to 127.0.0.1: loopback-dns.py ADDRESS

The first label determines the answer to all queries except A: SERVFAIL for `servfail`, REFUSED for `refused`, none for
`silent`, and an empty answer for any other label.
"""

import socket
import struct
import sys

IPV4 = b"\0\1"
RCODES = {b"servfail": 2, b"refused": 5}

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
print("ready", flush=True)
while True:
    query, client = server.recvfrom(512)
    end = query.index(b"\0", 12) + 5
    question, kind = query[12:end], query[end - 4 : end - 2]
    label = question[1 : 1 + question[0]]
    answer, rcode = b"", 0
    if kind == IPV4:
        answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([127, 0, 0, 1])
    elif label == b"silent":
        continue
    else:
        rcode = RCODES.get(label, 0)
    header = query[:2] + struct.pack(">HHHHH", 0x8180 | rcode, 1, int(kind == IPV4), 0, 0)
    server.sendto(header + question + answer, client)
