"""An echo peer built with Python's `websockets`.

    websockets_echo.py server         prints its URL, echoes
    websockets_echo.py client URL...  connects to each in turn, echoes; with compression if the URL ends in ?deflate
"""

import asyncio
import logging
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, WebSocketException

LIMIT = 64 << 20


async def echo(connection):
    """Answer until the connection ends. The text `close CODE REASON` requests a Close."""
    try:
        async for message in connection:
            if isinstance(message, str) and message.startswith("close "):
                _, code, reason = message.split(" ", 2)
                await connection.close(int(code), reason)
            else:
                await connection.send(message)
    except ConnectionClosed:
        pass


async def server():
    async with serve(echo, "127.0.0.1", 0, max_size=LIMIT) as listener:
        print("listening on ws://%s:%d" % listener.sockets[0].getsockname(), flush=True)
        await listener.serve_forever()


async def client(urls):
    for url in urls:
        try:
            async with connect(url, proxy=None, compression="deflate" if url.endswith("?deflate") else None,
                               max_size=LIMIT) as connection:
                await echo(connection)
        except (OSError, WebSocketException) as e:
            print(f"{url}: {e!r}", file=sys.stderr)


logging.disable()
asyncio.run(server() if sys.argv[1] == "server" else client(sys.argv[2:]))
