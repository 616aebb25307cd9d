"""A client of the example `embedded`, with Python's `websockets`: fills the server, sees the next client refused, and sees every
connection that fits served. Usage: embedded.py URL

Prints `ready` when the server may be ended, and ends when it has closed the last connection.
"""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

LIMIT = 512  # bytes of the largest message that the server accepts by default
ENOUGH = 64  # connections that fit in no heap of 64 KiB


def expect(what, got, expected):
    if got != expected:
        sys.exit(f"{what}: {got!r} instead of {expected!r}")


async def code_of_close(client):
    """The code with which the server closes."""
    try:
        sys.exit(f"{await asyncio.wait_for(client.recv(), 10)!r} instead of a Close")
    except ConnectionClosed as e:
        return e.rcvd and e.rcvd.code


async def fill(url):
    clients = []
    while len(clients) < ENOUGH:
        try:
            # Every other one offers compression, which the server declines.
            clients.append(await connect(url, compression="deflate" if len(clients) % 2 else None))
        except InvalidStatus as e:
            expect("the status of the refusal", e.response.status_code, 503)
            return clients
    sys.exit(f"{ENOUGH} clients were accepted")


async def run(url):
    clients = await fill(url)
    if len(clients) < 4:
        sys.exit(f"only {len(clients)} clients were accepted")
    for client in clients:
        for message in ("text", b"binary", "", "ü" * (LIMIT // 2), bytes(LIMIT)):
            await client.send(message)
            expect("the echo", await asyncio.wait_for(client.recv(), 10), message)
        await client.send(["in ", "three ", "fragments"])
        expect("the echo", await asyncio.wait_for(client.recv(), 10), "in three fragments")
        await asyncio.wait_for(await client.ping(), 10)
    first, second, *others = clients
    await first.send(bytes(LIMIT + 1))
    expect("the code for a message that is too big", await code_of_close(first), 1009)
    await second.close()
    expect("the code of the client's own Close", second.close_code, 1000)
    # Two places are free again.
    for _ in range(100):
        try:
            others.append(await connect(url))
            break
        except InvalidStatus:
            await asyncio.sleep(0.05)
    print("ready", flush=True)
    for client in others:
        expect("the code at the end of the server", await code_of_close(client), 1001)


asyncio.run(run(sys.argv[1]))
