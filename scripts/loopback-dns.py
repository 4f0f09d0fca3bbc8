#!/usr/bin/env python3
"""A name server that knows every name, and each at 127.0.0.1: loopback-dns.py ADDRESS"""

import socket
import struct
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
print("ready", flush=True)
while True:
    query, client = server.recvfrom(512)
    end = query.index(b"\0", 12) + 5
    question, kind = query[12:end], query[end - 4 : end - 2]
    is_a = kind == b"\0\1"
    header = query[:2] + struct.pack(">HHHHH", 0x8180, 1, int(is_a), 0, 0)
    answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([127, 0, 0, 1])
    server.sendto(header + question + (answer if is_a else b""), client)
