"""An echo peer built with tornado.

    tornado_echo.py server         prints its URL, echoes
    tornado_echo.py client URL...  connects to each in turn, echoes; with compression if the URL ends in ?deflate
"""

import asyncio
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

LIMIT = 64 << 20


async def answer(connection, message):
    """Echo, or close if the text is `close CODE REASON`."""
    if isinstance(message, str) and message.startswith("close "):
        _, code, reason = message.split(" ", 2)
        connection.close(int(code), reason)
    else:
        await connection.write_message(message, binary=isinstance(message, bytes))


class Echo(WebSocketHandler):
    def get_compression_options(self):
        return {}

    async def on_message(self, message):
        await answer(self, message)


async def server():
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(Application([(".*", Echo)], websocket_max_message_size=LIMIT)).add_sockets(sockets)
    print("listening on ws://%s:%d" % sockets[0].getsockname(), flush=True)
    await asyncio.Event().wait()


async def client(urls):
    for url in urls:
        try:
            connection = await websocket_connect(url, compression_options={} if url.endswith("?deflate") else None,
                                                 max_message_size=LIMIT)
        except Exception as e:  # the library raises many kinds
            print(f"{url}: {e!r}", file=sys.stderr)
            continue
        while (message := await connection.read_message()) is not None:
            await answer(connection, message)
        connection.close()


asyncio.run(server() if sys.argv[1] == "server" else client(sys.argv[2:]))
