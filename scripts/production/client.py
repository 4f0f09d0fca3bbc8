"""A client over wss://. `client.py` sends a frame and waits for its echo. `client.py stay FILE` does so repeatedly, reconnects when it
is closed, and writes every close and every failed handshake to the file."""

import asyncio
import ssl
import sys

import websockets

URL = "wss://chat.example.com/websocket"


def trusted() -> ssl.SSLContext:
    return ssl.create_default_context(cafile="/etc/letsencrypt/live/chat.example.com/fullchain.pem")


async def ask(client: websockets.WebSocketClientProtocol) -> None:
    await client.send("hello")
    said = await asyncio.wait_for(client.recv(), 10)
    assert said == "hello", said


async def once() -> None:
    async with websockets.connect(URL, ssl=trusted()) as client:
        await ask(client)


async def stay(path: str) -> None:
    with open(path, "a", buffering=1) as file:
        while True:
            try:
                async with websockets.connect(URL, ssl=trusted()) as client:
                    print("open", file=file)
                    while True:
                        await ask(client)
                        await asyncio.sleep(0.05)
            except websockets.ConnectionClosed as closed:
                print("closed", closed.code, file=file)
            except Exception as error:
                print("failed", repr(error), file=file)
                await asyncio.sleep(0.05)


asyncio.run(stay(sys.argv[2]) if len(sys.argv) > 1 else once())
