"""A client of Python's `websockets` with its permessage-deflate: deflate.py URI SEED, which prints what it saw.

Offers what the seed says, sends messages of any size and kind, whole or in fragments, with pings in between, and expects
each of them back.
"""

import asyncio
import random
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

WORDS = ["hello", "{", "}", '"user":"ann",', "meeting", "at", "noon", "你好", "0.25,", "\n", "price"]


def text(dice):
    return " ".join(dice.choice(WORDS) for _ in range(int(dice.expovariate(1 / 2000))))


def binary(dice):
    noise = dice.randbytes(dice.choice([0, 1, 125, 126, 511, 512, 513, 5000, 65536, 200000]))
    return noise if dice.random() < 0.5 else noise[:50] * (len(noise) // 50 + 1)


def pieces(dice, message):
    cuts = sorted(dice.randrange(len(message) + 1) for _ in range(dice.randrange(1, 5)))
    bounds = [0, *cuts, len(message)]
    return [message[begin:end] for begin, end in zip(bounds, bounds[1:])]


async def exchange(client, dice):
    message = text(dice) if dice.random() < 0.5 else binary(dice)
    parts = pieces(dice, message) if dice.random() < 0.4 else None
    # `websockets` sends no empty fragment first if there is no part.
    await client.send(parts if parts else message)
    if dice.random() < 0.2:
        await client.ping(dice.randbytes(5))
    echo = await asyncio.wait_for(client.recv(), 30)
    if echo != message:
        raise SystemExit(f"sent {message[:80]!r} ({len(message)}), received {echo[:80]!r} ({len(echo)})")


async def main(uri, seed):
    dice = random.Random(seed)
    server_bits = dice.choice([None, 8, 9, 12, 15])
    offer = ClientPerMessageDeflateFactory(
        server_no_context_takeover=dice.random() < 0.5,
        client_no_context_takeover=dice.random() < 0.5,
        server_max_window_bits=server_bits,
        client_max_window_bits=dice.choice([None, True, 9, 15]),
        compress_settings={"level": dice.randrange(10), "memLevel": dice.randrange(1, 10)},
    )
    async with websockets.connect(uri, extensions=[offer], compression=None, max_size=None) as client:
        # The gateway's compressor has no window of 256 bytes.
        if bool(client.extensions) != (server_bits != 8):
            raise SystemExit(f"{offer.__dict__} came to {client.extensions}")
        for _ in range(25):
            await exchange(client, dice)
    print("same", client.close_code)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
