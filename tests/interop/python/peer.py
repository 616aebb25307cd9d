"""A foreign peer built with Python's `websockets`. It plays one scenario on one connection.

    peer.py client SCENARIO [--deflate] URL      connects to an echo server
    peer.py server SCENARIO [--deflate]          prints its URL, accepts one echo client

Exit status 0: passed; 1: failed, with the reason as the last line of standard error.
"""

import asyncio
import logging
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

PATIENCE = 15  # seconds for any single step; ten megabytes take a while on a busy machine


class Complaint(Exception):
    pass


def check(condition, complaint):
    if not condition:
        raise Complaint(complaint)


async def soon(awaitable, what):
    try:
        async with asyncio.timeout(PATIENCE):
            return await awaitable
    except TimeoutError:
        raise Complaint(f"timeout: nothing in place of {what}") from None
    except ConnectionClosed as e:
        raise Complaint(f"closed ({e}) in place of {what}") from None


class Peer:
    """One connection, of either role."""

    def __init__(self, connection):
        self.connection = connection

    async def send(self, message, **options):
        await soon(self.connection.send(message, **options), "room to send")

    async def expect(self, wanted):
        """The next message must be this one, and of the same kind."""
        kind = "text" if isinstance(wanted, str) else "binary"
        got = await soon(self.connection.recv(), f"{kind} message of length {len(wanted)}")
        check(type(got) is type(wanted), f"a {kind} message came back as the other kind")
        check(got == wanted, f"sent length {len(wanted)}, but another message of length {len(got)} came back")

    async def echo(self, message):
        # At the same time, because the other side need not read all of a large message before it begins to answer.
        await asyncio.gather(self.send(message), self.expect(message))

    async def fragments(self, octets, size, text, ping=None):
        async def cut():
            yield b""
            for at in range(0, len(octets), size):
                if ping:
                    await self.ping(ping(at))
                yield octets[at:at + size]
            # The library adds an empty last fragment.

        wanted = octets.decode() if text else octets
        await asyncio.gather(self.send(cut(), text=text), self.expect(wanted))

    async def ping(self, payload):
        # The library compares the payloads.
        await soon(await self.connection.ping(payload), f"pong for a ping with {len(payload)} octets, with the same ones")

    async def ended(self, code, clean=True):
        """The connection must end with this code in the other side's Close frame."""
        await soon(self.connection.wait_closed(), "end of the connection")
        protocol = self.connection.protocol
        check(protocol.close_rcvd is not None, "the connection ended without a Close frame")
        check(protocol.close_code == code, f"closed with {protocol.close_code}, not {code}")
        check(protocol.close_sent is not None or not clean, "not closed cleanly")

    async def close(self, code=1000, reason=""):
        await self.connection.close(code, reason)
        await self.ended(code)


MIXED = "aé€😀"  # characters of one to four octets
CUTS = [1, 2, 3, 7, 64, 125, 126, 127, 1000, 1999]


def octets(length):
    return bytes((i * 31 + (i >> 8)) & 0xFF for i in range(length))


# The scenarios of both an echo server and `client --echo`. The peer drives; the other side answers.


async def text_and_binary(peer):
    for length in (1, 125, 126, 127, 65535, 65536, 100_000):
        await peer.echo("x" * length)
        await peer.echo(octets(length))
    await peer.close()


async def empty_messages(peer):
    for message in ("", b"", "", "x", b""):
        await peer.echo(message)
    await peer.close()


async def utf8(peer):
    edges = ["\0", "\u007f\u0080", "\u07ff\u0800", "\ud7ff\ue000", "\uffff\U00010000", "\U0010ffff", "\ufeff"]
    for text in ("😀", "👩‍👩‍👧‍👦 𝄞 𐍈", MIXED * 100, *edges):
        await peer.echo(text)
    await peer.close()


async def fragmented_text(peer):
    for size in CUTS:
        await peer.fragments((MIXED * 200).encode(), size, text=True)
    await peer.close()


async def fragmented_binary(peer):
    for size in CUTS:
        await peer.fragments(octets(2000), size, text=False)
    await peer.fragments(octets(1 << 20), 1 << 16, text=False)
    await peer.close()


async def pings_between_fragments(peer):
    for size in (100, 333, 1000):
        await peer.fragments((MIXED * 200).encode(), size, text=True, ping=lambda at: b"at %d" % at)
        await peer.fragments(octets(2000), size, text=False, ping=lambda at: octets(at % 126))
    await peer.close()


async def pings_answered(peer):
    for length in (0, 1, 2, 124, 125):
        await peer.ping(octets(length))
    await peer.echo("and messages still arrive")
    await peer.close()


async def many_pings(peer):
    """Only the latest of several pings must be answered (RFC 6455, section 5.5.3)."""
    pongs = [await peer.connection.ping(b"ping %d" % i) for i in range(1000)]
    await peer.send("after them")
    await soon(pongs[-1], "pong for the last ping")
    await peer.expect("after them")
    await peer.close()


async def unsolicited_pongs(peer):
    await peer.connection.pong("nobody asked")
    await peer.connection.pong()
    await peer.echo("and messages still arrive")
    await peer.ping(b"so do pings")
    await peer.close()


async def large_text(peer):
    await peer.echo(MIXED * (1 << 20))
    await peer.close()


async def large_binary(peer):
    await peer.echo(octets(1 << 20) * 10)
    await peer.close()


async def pipelined(peer):
    texts = [f"{i} {'.' * (i % 200)}" for i in range(10_000)]

    async def send_all():
        for text in texts:
            await peer.send(text)

    async def expect_all():
        for text in texts:
            await peer.expect(text)

    await asyncio.gather(send_all(), expect_all())
    await peer.close()


def closing(*arguments):
    return lambda peer: peer.close(*arguments)


async def close_without_status(peer):
    # The library has no public way to omit the status.
    try:
        async with peer.connection.send_context():
            peer.connection.protocol.send_close()
    except ConnectionClosed:
        pass
    await peer.ended(1005)


async def invalid_utf8(peer):
    await peer.send(b"\xce\xba\xff", text=True)
    await peer.ended(1007, clean=False)


SCENARIOS = {
    "text and binary": text_and_binary,
    "empty messages": empty_messages,
    "UTF-8 beyond the BMP": utf8,
    "fragmented text": fragmented_text,
    "fragmented binary": fragmented_binary,
    "pings between fragments": pings_between_fragments,
    "pings answered": pings_answered,
    "many pings": many_pings,
    "unsolicited pongs": unsolicited_pongs,
    "10 MiB text": large_text,
    "10 MiB binary": large_binary,
    "pipelined messages": pipelined,
    "close 1000": closing(1000, "done"),
    "close 1001": closing(1001),
    "close 3000": closing(3000),
    "close 4999 with a long reason": closing(4999, "😀" * 30 + "..."),  # 123 octets, the longest possible
    "close without status": close_without_status,
    "invalid UTF-8": invalid_utf8,
}

# Against an echo server.


async def one_echo(peer):
    await peer.echo("x")
    await peer.close()


async def subprotocol_chosen(peer):
    chosen = peer.connection.subprotocol
    check(chosen == "superchat", f"the server chose '{chosen}', not 'superchat'")
    await one_echo(peer)


async def at_the_limit(peer):  # the server has --max-message-size 4096
    await peer.echo(octets(4096))
    await peer.fragments(octets(4096), 1000, text=False)
    await peer.close()


async def beyond_the_limit(peer):
    await peer.send(octets(4097))
    await peer.ended(1009, clean=False)


async def fragments_beyond_the_limit(peer):
    try:
        await peer.connection.send([octets(3000), octets(3000)])
    except ConnectionClosed:
        pass  # the answer may arrive before the library's empty last fragment is sent
    await peer.ended(1009, clean=False)


async def shutdown(peer):
    await peer.echo("x")
    print("ready", flush=True)  # the program that started this peer and the server now shuts the server down
    await peer.ended(1001)


CLIENTS = {  # with the options of the connection
    "extra headers": (one_echo, {
        "additional_headers": {"X-Extra": "one, two", "Authorization": "Bearer of=a+token", "Cookie": "a=b; c=d"},
        "user_agent_header": "somebody", "origin": "https://example.com"}),
    "subprotocol": (subprotocol_chosen, {"subprotocols": ["unheard-of", "superchat", "echo"]}),
    "at the size limit": (at_the_limit, {}),
    "beyond the size limit": (beyond_the_limit, {}),
    "fragments beyond the size limit": (fragments_beyond_the_limit, {}),
    "shutdown": (shutdown, {}),
}

# Against the example `client`.


async def headers(peer):
    got = peer.connection.request.headers
    one, two = got.get("X-One"), got.get("X-Two")
    check((one, two) == ("1", 'a, "b": c'), f"the headers arrived as '{one}' and '{two}'")
    await one_echo(peer)


async def subprotocol_offered(peer):
    offered = peer.connection.request.headers.get_all("Sec-WebSocket-Protocol")
    check(",".join(offered).replace(" ", "") == "unheard-of,superchat,echo", f"offered: {offered}")
    await one_echo(peer)


async def never_offered(peer):
    await soon(peer.connection.wait_closed(), "end of the connection")
    check(peer.connection.protocol.close_rcvd is None or peer.connection.close_code != 1000, "the client took it")


async def stdin_lines(peer):
    try:
        while True:
            line = await peer.connection.recv()
            check(isinstance(line, str), "a line arrived as a binary message")
            await peer.connection.send(f"got {line}")
    except ConnectionClosed:
        pass
    await peer.ended(1000)


async def stdin_ends(peer):
    for line in ("one", "two 😀", "three"):
        await peer.expect(line)
    await peer.ended(1000)


async def connection_cut(peer):
    await peer.echo("x")
    peer.connection.transport.abort()


SERVERS = {
    "headers": headers,
    "subprotocol": subprotocol_offered,
    "subprotocol never offered": never_offered,
    "stdin lines": stdin_lines,
    "stdin ends at once": stdin_ends,
    "connection cut": connection_cut,
}


def check_deflate(connection, deflate):
    negotiated = bool(connection.protocol.extensions)
    check(negotiated == deflate, f"permessage-deflate was {'' if negotiated else 'not '}negotiated")


async def client(scenario, deflate, url):
    play, options = CLIENTS.get(scenario) or (SCENARIOS[scenario], {})
    async with connect(url, proxy=None, **COMMON, **options) as connection:
        check_deflate(connection, deflate)
        await play(Peer(connection))


async def server(scenario, deflate):
    done = asyncio.get_running_loop().create_future()
    arrived = asyncio.Event()

    async def handler(connection):
        arrived.set()
        try:
            if scenario != "subprotocol never offered":
                check_deflate(connection, deflate)
            await (SERVERS.get(scenario) or SCENARIOS[scenario])(Peer(connection))
            done.set_result(None)
        except Exception as e:
            done.set_exception(e)

    def select(connection, offered):
        return "superchat" if "superchat" in offered else None

    async def request(connection, _):
        if scenario == "refused":
            arrived.set()
            asyncio.get_running_loop().call_later(0.5, done.set_result, None)  # once the answer has been sent
            return connection.respond(403, "not you\n")

    async def response(connection, _, answer):
        if scenario == "subprotocol never offered":
            answer.headers["Sec-WebSocket-Protocol"] = "unheard-of"

    async with serve(handler, "127.0.0.1", 0, process_request=request, process_response=response,
                     select_subprotocol=select, **COMMON) as listener:
        host, port = listener.sockets[0].getsockname()
        print(f"listening on ws://{host}:{port}", flush=True)
        await soon(arrived.wait(), "connection")
        await done  # each step has its own time limit


role, scenario, *rest = sys.argv[1:]
deflate = "--deflate" in rest
# No limits and no pings by the library itself: only the scenario acts.
COMMON = {"compression": "deflate" if deflate else None, "max_size": None, "ping_interval": None,
          "open_timeout": PATIENCE, "close_timeout": PATIENCE}
logging.disable()
try:
    asyncio.run(client(scenario, deflate, rest[-1]) if role == "client" else server(scenario, deflate))
except Complaint as e:
    sys.exit(str(e))
except Exception as e:
    sys.exit(f"{type(e).__name__}: {e}")
