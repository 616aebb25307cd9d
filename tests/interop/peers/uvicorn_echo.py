"""An echo server built with uvicorn, with the WebSocket implementation that the command line names.

    uvicorn_echo.py websockets|websockets-sansio|wsproto server    prints its URL, echoes
"""

import asyncio
import sys

import uvicorn


async def echo(scope, receive, send):
    """Answer until the connection ends. The text `close CODE REASON` requests a Close."""
    if scope["type"] != "websocket":
        return
    while (event := await receive())["type"] != "websocket.disconnect":
        text = event.get("text")
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif text is not None and text.startswith("close "):
            _, code, reason = text.split(" ", 2)
            await send({"type": "websocket.close", "code": int(code), "reason": reason})
            return
        elif text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": event["bytes"]})


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print("listening on ws://%s:%d" % self.servers[0].sockets[0].getsockname(), flush=True)


asyncio.run(Server(uvicorn.Config(echo, host="127.0.0.1", port=0, ws=sys.argv[1], ws_max_size=64 << 20,
                                  lifespan="off", log_level="error")).serve())
