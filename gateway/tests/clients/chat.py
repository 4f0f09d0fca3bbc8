"""A client of Python's `websockets`: chat.py URI, which prints what it saw.

Connects with two sub-protocols, sends a text and bytes, expects both back, and closes.
"""

import asyncio
import sys

import websockets


async def main(uri):
    async with websockets.connect(uri, subprotocols=["chat", "binary"]) as client:
        print("sub-protocol", client.subprotocol)
        for frame in ("hello 你好", bytes(range(256))):
            await client.send(frame)
            echo = await asyncio.wait_for(client.recv(), 10)
            print("same" if echo == frame else f"sent {frame!r}, received {echo!r}")
    print("closed", client.close_code)


asyncio.run(main(sys.argv[1]))
