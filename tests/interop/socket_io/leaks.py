"""Sessions that break in every way: what has an answer gets it, and nothing of them is left in the server."""

import collections
import json
import socket
import struct
import time

import raw
from servers import Complaint, check
from session import PATH, Ended, Polling, Socket, ask, joined, refused, socket_io

MOST = 1_000_000  # bytes: SIO_MAX_PAYLOAD
MIB = 1 << 20
WARM_UP, ALL = 20, 10_000  # sessions in each way, sessions in all ways
HELD = 100  # connections that are kept until the server ends them
GROWN = 16 * MIB  # of memory, after all
PATIENCE = 10  # seconds for the last deadlines to pass
HOLDER = '{"_placeholder":true,"num":0}'


def reset(connection):
    """Ends a TCP connection with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def post(session, head, body=b""):
    """A connection with a POST that is complete as far as this goes."""
    wire = raw.dial(session.server)
    wire.send(f"POST {session.target} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body)
    return wire


def answered(wire, status):
    start, _ = wire.head(f"status {status}")
    check(start.split()[1] == str(status), f"the answer is {start}, not {status}")
    wire.socket.close()


# --- over polling ---


def never_comes_back(server):
    Polling(server)


def poll_is_dropped(server):
    Polling(server).begin_poll().drop()


def poll_is_reset(server):
    reset(socket_io(server, Polling).begin_poll().connection.sock)


def poll_is_cut(server):
    with raw.dial(server) as wire:
        wire.send(f"GET {Polling(server).target} HTTP/1.1\r\nHos".encode())


def two_polls(server):
    session = Polling(server)
    first = session.begin_poll()
    # Either of them may arrive first.
    second = session.begin_poll()
    statuses = sorted(request.answer().status for request in (first, second))
    check(statuses == [200, 400], f"two polls at once are answered with {statuses}")


def two_posts(server):
    session = Polling(server)
    with post(session, "Content-Length: 9\r\n", b"4") as first, post(session, "Content-Length: 9\r\n", b"4") as second:
        answered(second, 400)
        answered(first, 400)


def post_is_cut(server):
    post(Polling(server), "Content-Length: 9\r\n", b"4").socket.close()


def post_is_reset(server):
    reset(post(socket_io(server, Polling), "Content-Length: 9\r\n", b"4").socket)


def post_has_no_end(server):
    """It is answered when the session ends."""
    return post(Polling(server), "Content-Length: 9\r\n", b"4")


def head_of_post_is_cut(server):
    post(Polling(server), "Content-Len").socket.close()


def post_of_wrong_type(server):
    answered(post(Polling(server), "Content-Type: application/octet-stream\r\nContent-Length: 2\r\n", b"4x"), 400)


def post_is_too_long(server):
    answered(post(Polling(server), f"Content-Length: {MOST + 1}\r\n", b"4"), 413)


def chunks_are_too_long(server):
    chunk = b"%x\r\n4%s\r\n" % (MOST + 1, b"x" * MOST)
    answered(post(Polling(server), "Transfer-Encoding: chunked\r\n", chunk), 413)


def chunks_are_invalid(server):
    with post(Polling(server), "Transfer-Encoding: chunked\r\n", b"zz\r\n") as wire:
        answered(wire, 400)


def posted(*bodies):
    """POST requests, of which the last one is refused."""
    def play(server):
        session = socket_io(server, Polling)
        *before, last = (session.try_post(body).status for body in bodies)
        check(set(before) <= {200}, f"{bodies}: answered with {before}")
        check(last == 400 or session.try_post("4").status == 400, f"{bodies}: the session lives")
    return play


def goes_away(server):
    session = socket_io(server, Polling)
    session.post('42["join","room"]', '42["later",600000]', '42["ask"]')
    session.post("1")
    session.gone()


def kicked_and_never_polls(server):
    socket_io(server, Polling).post('42["kick",true]')


# --- upgrades ---


def probe_is_dropped(server):
    Socket(server, PATH, Polling(server).sid).socket.close()


def probe_is_dropped_in_the_middle(server):
    probe = Socket(server, PATH, socket_io(server, Polling).sid)
    probe.put("2probe")
    probe.socket.close()


def probe_is_reset(server):
    probe = Socket(server, PATH, Polling(server).sid)
    probe.put("2probe")
    probe.expect("3probe")
    reset(probe.socket)


def probe_is_wrong(server):
    probe = Socket(server, PATH, Polling(server).sid)
    probe.put("4x")
    probe.gone()


def probe_stops(server):
    probe = Socket(server, PATH, Polling(server).sid)
    probe.put("2probe")
    return probe


def second_probe(server):
    session = Polling(server)
    first = Socket(server, PATH, session.sid)
    first.put("2probe")
    code, _ = Socket(server, PATH, session.sid).gone()
    check(code in (1000, 1008, None), f"a second probe is closed with {code}")
    first.socket.close()


def lost_after_the_upgrade(server):
    probe = Socket(server, PATH, socket_io(server, Polling).sid)
    probe.put("2probe", "5", '42["ask"]')
    reset(probe.socket)


def poll_and_probe_are_lost(server):
    session = Polling(server)
    poll = session.begin_poll()
    probe = Socket(server, PATH, session.sid)
    probe.put("2probe")
    reset(probe.socket)
    poll.drop()


# --- over WebSocket ---


def handshake(server, fields, end="\r\n"):
    wire = raw.dial(server)
    wire.send(f"GET {PATH}?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n{fields}{end}".encode())
    return wire


def handshake_is_cut(server):
    handshake(server, "Upgrade: websocket\r\nConnec", "").socket.close()


def handshake_is_reset(server):
    reset(handshake(server, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                            "Sec-WebSocket-Version: 13\r\n").socket)


def handshake_without_key(server):
    answered(handshake(server, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"), 400)


def handshake_for_nobody(server):
    try:
        Socket(server, PATH, "A" * 20)
    except Complaint as e:
        check("answered with 400" in str(e), str(e))
    else:
        raise Complaint("a WebSocket of a session that does not exist is accepted")


def socket_is_closed(server):
    Socket(server).socket.close()


def socket_is_reset(server):
    session = socket_io(server)
    session.put('42["join","room"]', '42["later",600000]', '42["ask"]')
    reset(session.socket)


def never_joins(server):
    return Socket(server)


def never_answers(server):
    """It sends no pong, and reads nothing."""
    return socket_io(server)


def attachments_are_missing(server):
    session = socket_io(server)
    session.put(f'453-["message",{HOLDER}]', b"x")
    session.socket.close()


def frame_is_cut(server):
    session = socket_io(server)
    session.send(raw.frame(raw.TEXT, b"4hel", announced=100))
    session.socket.close()


def close_is_not_awaited(server):
    session = socket_io(server)
    session.send(raw.frame(raw.CLOSE, b"\x03\xe8"))
    reset(session.socket)


def full_of_blobs(server):
    session = socket_io(server)
    session.put(*['42["blob",300000]'] * 3)
    reset(session.socket)


def kicked_and_never_reads(server):
    session = socket_io(server)
    session.put('42["kick",true]')
    return session


def framed(octets, *codes):
    """Frames that end the session, with one of these codes."""
    def play(server):
        session = socket_io(server)
        session.send(octets)
        code, _ = session.gone()
        check(code in codes, f"{octets[:20]!r}: closed with {code}, not {' or '.join(map(str, codes))}")
        session.socket.close()
    return play


def text(packet):
    return raw.frame(raw.TEXT, packet.encode())


WAYS = {
    "never comes back": never_comes_back, "poll is dropped": poll_is_dropped, "poll is reset": poll_is_reset,
    "poll is cut": poll_is_cut, "two polls": two_polls, "two POSTs": two_posts, "POST is cut": post_is_cut,
    "POST is reset": post_is_reset, "POST has no end": post_has_no_end, "head of a POST is cut": head_of_post_is_cut,
    "POST of the wrong type": post_of_wrong_type, "POST is too long": post_is_too_long,
    "chunks are too long": chunks_are_too_long, "chunks are invalid": chunks_are_invalid,
    "no packet is posted": posted("x"), "bad base64 is posted": posted("b!!!"), "no UTF-8 is posted": posted(b"4\xff"),
    "no packet of Socket.IO is posted": posted("42{}"), "text in place of an attachment is posted": posted(
        f'451-["message",{HOLDER}]', '42["message"]'),
    "goes away": goes_away, "kicked and never polls": kicked_and_never_polls,
    "probe is dropped": probe_is_dropped, "probe is dropped in the middle": probe_is_dropped_in_the_middle,
    "probe is reset": probe_is_reset, "probe is wrong": probe_is_wrong, "probe stops": probe_stops, "second probe": second_probe,
    "lost after the upgrade": lost_after_the_upgrade, "poll and probe are lost": poll_and_probe_are_lost,
    "handshake is cut": handshake_is_cut, "handshake is reset": handshake_is_reset,
    "handshake without a key": handshake_without_key, "handshake for nobody": handshake_for_nobody,
    "WebSocket is closed": socket_is_closed, "WebSocket is reset": socket_is_reset, "never joins": never_joins,
    "never answers": never_answers, "attachments are missing": attachments_are_missing, "frame is cut": frame_is_cut,
    "Close is not awaited": close_is_not_awaited, "full of blobs": full_of_blobs,
    "kicked and never reads": kicked_and_never_reads,
    "no packet": framed(text("x"), 1000), "no packet of Socket.IO": framed(text("42{}"), 1000),
    "where it has not joined": framed(text('42/custom,["message"]'), 1000),
    "placeholder of nothing": framed(text('451-["message",{"_placeholder":true,"num":9}]') + raw.frame(raw.BINARY, b"x"), 1000),
    "reserved opcode": framed(raw.frame(3, b"x"), 1002), "frame without a mask": framed(raw.frame(raw.TEXT, b"4x", mask=False), 1002),
    "invalid UTF-8": framed(raw.frame(raw.TEXT, b"4\xff"), 1007),
    "message is too long": framed(raw.frame(raw.BINARY, announced=MOST + 1), 1009),
}


class Breaking:
    """Breaks sessions, and keeps the connections that the server has to end."""

    def __init__(self, server):
        self.server = server
        self.held = collections.deque()

    def round(self):
        """One session for each way to break."""
        for what, play in WAYS.items():
            try:
                if kept := play(self.server):
                    self.held.append((what, kept))
            except Complaint as e:
                raise Complaint(f"{what}: {e}") from None
            if len(self.held) > HELD:
                self.await_end()

    def await_end(self):
        """The oldest connection that is held has to end."""
        what, wire = self.held.popleft()
        try:
            while wire.read("the end"):
                pass
        except Complaint as e:
            check("timeout" not in str(e), f"{what}: {e}")
        wire.socket.close()

    def finish(self):
        while self.held:
            self.await_end()


def counts(server):
    """What the server says that exists, with the connection that asks."""
    admin = Socket(server)
    joined(admin, "/admin", {"token": "secret"})
    admin.put('42/admin,1["counts"]')
    answer = admin.packet()
    admin.finish()
    check(answer.startswith("43/admin,1["), f"the counts are {answer}")
    return json.loads(answer[len("43/admin,1"):])[0]


def existing(server):
    """What exists in the server, and the descriptors that it has open."""
    existing = counts(server)
    time.sleep(0.2)  # until the connection that has asked is gone
    return {**existing, "descriptors": server.descriptors()}


def settles(server, before):
    """When the last deadline has passed, there has to be what was there before."""
    deadline = time.monotonic() + PATIENCE
    while (now := existing(server)) != before:
        check(time.monotonic() < deadline, f"{now} is left, {before} was there before")


def broken_sessions(server):
    """Whatever breaks, the server's own counts, its descriptors and its memory are soon what they were."""
    nobody = existing(server)
    check(nobody["sessions"] == 1, f"{nobody} exists before any session")
    breaking = Breaking(server)
    for _ in range(WARM_UP):
        breaking.round()
    breaking.finish()
    settles(server, nobody)
    memory = server.memory()
    for _ in range(-(-ALL // len(WAYS))):
        breaking.round()
    breaking.finish()
    settles(server, nobody)
    grown = server.memory() - memory
    check(grown < GROWN, f"{grown / MIB:.1f} MiB more after {ALL} broken sessions")
    # And it works.
    socket_io(server).alive()
    refused(server, f"{PATH}?EIO=4&transport=polling&sid={'A' * 20}")


CHECKS = {f"10,000 sessions that break in {len(WAYS)} ways leave nothing behind": broken_sessions}
