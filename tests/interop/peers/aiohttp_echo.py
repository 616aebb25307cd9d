"""An echo peer built with aiohttp.

    aiohttp_echo.py server         prints its URL, echoes
    aiohttp_echo.py client URL...  connects to each in turn, echoes; with compression if the URL ends in ?deflate
"""

import asyncio
import sys

import aiohttp
from aiohttp import web


async def echo(connection):
    """Answer until the connection ends. The text `close CODE REASON` requests a Close."""
    async for message in connection:
        if message.type == aiohttp.WSMsgType.BINARY:
            await connection.send_bytes(message.data)
        elif message.type == aiohttp.WSMsgType.TEXT and message.data.startswith("close "):
            _, code, reason = message.data.split(" ", 2)
            await connection.close(code=int(code), message=reason.encode())
        elif message.type == aiohttp.WSMsgType.TEXT:
            await connection.send_str(message.data)


async def accept(request):
    connection = web.WebSocketResponse(compress=True, max_msg_size=0)
    await connection.prepare(request)
    await echo(connection)
    return connection


async def server():
    application = web.Application()
    application.router.add_get("/{path:.*}", accept)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print("listening on ws://%s:%d" % runner.addresses[0], flush=True)
    await asyncio.Event().wait()


async def client(urls):
    async with aiohttp.ClientSession() as session:
        for url in urls:
            try:
                async with session.ws_connect(url, compress=15 * url.endswith("?deflate"), max_msg_size=0) as connection:
                    await echo(connection)
            except aiohttp.ClientError as e:
                print(f"{url}: {e!r}", file=sys.stderr)


asyncio.run(server() if sys.argv[1] == "server" else client(sys.argv[2:]))
