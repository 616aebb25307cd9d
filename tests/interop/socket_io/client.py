"""Scenarios with PyPI's `python-socketio`, with threads or with asyncio.

usage: client.py threads|asyncio TRANSPORT list
       client.py threads|asyncio TRANSPORT SCENARIO... URL

TRANSPORT is polling, websocket or upgrade. Prints a line for each scenario, `ok NAME` or `FAIL NAME: why`. The scenario
`restart` is apart: the runner kills the server after `ready`, and starts it again after `lost`.
"""

import asyncio
import sys
import time

import socketio

PATIENCE = 5  # seconds for any single step


class Peer:
    """A client with its events in the order of their arrival. `call` hides whether it has threads or is asynchronous."""

    def __init__(self, kind, transport, **options):
        self.transports = {"upgrade": None}.get(transport, [transport])
        self.upgrades = transport == "upgrade"
        self.asynchronous = kind == "asyncio"
        self.events = asyncio.Queue()
        self.loop = asyncio.get_running_loop()
        options = {"reconnection": False, **options}
        self.client = (socketio.AsyncClient if self.asynchronous else socketio.Client)(**options)
        if not self.asynchronous:
            keep_in_order(self.client.eio)

    def listen(self, namespace="/"):
        def put(*event):
            self.loop.call_soon_threadsafe(self.events.put_nowait, event)

        if self.asynchronous:
            async def on_any(event, *arguments):
                put(event, *arguments)

            async def on_disconnect(reason):
                put("disconnect", reason)
        else:
            def on_any(event, *arguments):
                put(event, *arguments)

            def on_disconnect(reason):
                put("disconnect", reason)
        self.client.on("*", on_any, namespace=namespace)
        self.client.on("disconnect", on_disconnect, namespace=namespace)

    async def do(self, name, *arguments, **options):
        method = getattr(self.client, name)
        if self.asynchronous:
            return await asyncio.wait_for(method(*arguments, **options), 4 * PATIENCE)
        return await asyncio.wait_for(asyncio.to_thread(method, *arguments, **options), 4 * PATIENCE)

    async def connect(self, url, namespaces=("/",), **options):
        for namespace in namespaces:
            self.listen(namespace)
        await self.do("connect", url, transports=self.transports, namespaces=list(namespaces), wait_timeout=PATIENCE, **options)
        if self.upgrades:
            check(self.client.transport() == "websocket", f"the transport is {self.client.transport()}")

    async def emit(self, event, *arguments, namespace="/"):
        await self.do("emit", event, arguments, namespace=namespace)

    async def call(self, event, *arguments, namespace="/"):
        return await self.do("call", event, arguments, namespace=namespace, timeout=PATIENCE)

    async def take(self, patience=PATIENCE):
        return await asyncio.wait_for(self.events.get(), patience)

    async def expect(self, *wanted):
        got = await self.take()
        check(got == wanted, f"received {str(got)[:100]}, not {str(wanted)[:100]}")


def keep_in_order(eio):
    """Have each message handled before the next one is read.

    The library starts a thread for each message, so that messages, and the attachments of one, may overtake each other.
    """
    start = eio.start_background_task

    def start_in_order(target, *arguments, **options):
        task = start(target, *arguments, **options)
        if target == eio.handlers.get("message"):
            task.join()
        return task

    eio.start_background_task = start_in_order


def check(condition, complaint):
    if not condition:
        raise AssertionError(complaint)


class Scenarios:
    """Each gets a function that makes connected peers."""

    def __init__(self, kind, transport, url):
        self.kind, self.transport, self.url = kind, transport, url
        self.peers = []

    async def main(self, **options):
        peer = Peer(self.kind, self.transport, **options)
        self.peers.append(peer)
        await peer.connect(self.url)
        await peer.expect("auth", {})
        return peer

    async def connect(self):
        peer = await self.main()
        check(await peer.call("whoami") == peer.client.get_sid(), "another id")
        check(peer.client.get_sid() != peer.client.eio.sid, "the socket has the id of the session")

    async def auth(self):
        peer = Peer(self.kind, self.transport)
        self.peers.append(peer)
        await peer.connect(self.url, auth={"token": "é", "list": [1, None]})
        await peer.expect("auth", {"token": "é", "list": [1, None]})

    async def message(self):
        peer = await self.main()
        for values in ((), (None,), (1, -1.5, 2**53), ("", "é€😀"), ({"a": [{"b": []}]}, True), ("x" * 100_000,),
                       (b"",), (b"\0\xff",), ({"x": [b"1", {"y": b""}]}, "z"), tuple(bytes([n]) for n in range(10))):
            await peer.emit("message", *values)
            await peer.expect("message-back", *values)
            answer = await peer.call("message-with-ack", *values)
            wanted = values if len(values) > 1 else values[0] if values else None
            check(answer == wanted, f"acknowledged with {str(answer)[:100]}")

    async def in_order(self):
        """Pitfall 10: more than 16 packets wait for one poll."""
        peer = await self.main()
        await peer.emit("burst", 500)
        for number in range(500):
            await peer.expect("n", number)
        for number in range(100):
            await peer.emit("message", number, b"x" * (number % 3))
        for number in range(100):
            await peer.expect("message-back", number, b"x" * (number % 3))

    async def questions(self):
        peer = await self.main()
        if peer.asynchronous:
            async def question(*arguments):
                return arguments
        else:
            def question(*arguments):
                return arguments
        peer.client.on("question", question)
        await peer.emit("ask", 1, {"a": b"2"})
        await peer.expect("answer", 1, {"a": b"2"})

    async def rooms(self):
        a, b = await self.main(), await self.main()
        for peer in (a, b):
            check(await peer.call("join", f"python {self.kind} {self.transport}") == "ok", "not joined")
        await a.emit("to-room", f"python {self.kind} {self.transport}", b"x")
        await b.expect("room", f"python {self.kind} {self.transport}", b"x")
        await a.emit("private", b.client.get_sid(), 1)
        await b.expect("private", a.client.get_sid(), 1)

    async def namespaces(self):
        peer = Peer(self.kind, self.transport)
        self.peers.append(peer)
        await peer.connect(self.url, ("/", "/custom"))
        for _ in range(2):
            await peer.expect("auth", {})
        await peer.emit("message", 1, b"x", namespace="/custom")
        await peer.expect("message-back", 1, b"x")
        check(peer.client.get_sid("/") != peer.client.get_sid("/custom"), "one id in two namespaces")

    async def refusals(self):
        for namespace, auth, message in (("/admin", {"token": "guess"}, "not authorized"),
                                         ("/unheard-of", None, "Invalid namespace")):
            peer = Peer(self.kind, self.transport)
            self.peers.append(peer)
            errors = []
            if peer.asynchronous:
                async def refused(data):
                    errors.append(data)
            else:
                def refused(data):
                    errors.append(data)
            peer.client.on("connect_error", refused, namespace=namespace)
            try:
                await peer.connect(self.url, (namespace,), auth=auth)
            except socketio.exceptions.ConnectionError:
                pass
            else:
                raise AssertionError(f"{namespace}: connected")
            await asyncio.sleep(0.1)
            said = [data.get("message") if isinstance(data, dict) else data for data in errors]
            check(message in said, f"{namespace}: the errors are {errors}")
        peer = Peer(self.kind, self.transport)
        self.peers.append(peer)
        await peer.connect(self.url, ("/admin",), auth={"token": "secret"})
        check(isinstance(await peer.call("count", namespace="/admin"), int), "no count")

    async def kick(self):
        for close in (False, True):
            peer = await self.main()
            await peer.emit("kick", close)
            name, reason = await peer.take()
            check((name, reason) == ("disconnect", "server disconnect"), f"{name} {reason}")

    async def restart(self):
        peer = await self.main(reconnection=True, reconnection_delay=0.2, reconnection_delay_max=0.5)
        first = peer.client.get_sid()
        print("ready", flush=True)
        name, *_ = await peer.take(15)
        check(name == "disconnect", f"{name} in place of disconnect")
        print("lost", flush=True)
        check(await peer.take(20) == ("auth", {}), "no auth after the restart")
        deadline = time.monotonic() + PATIENCE
        while not peer.client.get_sid():
            check(time.monotonic() < deadline, "not connected again")
            await asyncio.sleep(0.05)
        check(peer.client.get_sid() != first, "the id is that of before")
        for number in range(10):
            await peer.emit("message", number)
        for number in range(10):
            await peer.expect("message-back", number)

    async def play(self, name):
        try:
            await getattr(self, name)()
            print(f"ok {name}", flush=True)
        except (AssertionError, asyncio.TimeoutError, ValueError, socketio.exceptions.SocketIOError) as e:
            print(f"FAIL {name}: {type(e).__name__}: {' '.join(str(e).split())[:400]}", flush=True)
        for peer in self.peers:
            await peer.do("disconnect")
        self.peers = []


NAMES = ("connect", "auth", "message", "in_order", "questions", "rooms", "namespaces", "refusals", "kick")


async def run(kind, transport, *names):
    *names, url = names
    if url == "list":
        print(*NAMES)
        return
    scenarios = Scenarios(kind, transport, url)
    if names == ["restart"]:
        try:
            await scenarios.restart()
        except (AssertionError, asyncio.TimeoutError, socketio.exceptions.SocketIOError) as e:
            sys.exit(f"{type(e).__name__}: {e}")
        finally:
            await scenarios.peers[0].do("disconnect")
        return
    for name in names:
        await scenarios.play(name)


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
