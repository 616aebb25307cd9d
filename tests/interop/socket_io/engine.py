"""Engine.IO with bare requests and frames: handshake, long-polling and WebSocket."""

import time

import raw
from servers import Complaint, check
from session import ENGINE, PATH, Polling, Socket, ask, left, monitor, refused, socket_io

PATHS = (PATH, ENGINE)
KEYS = {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}


def open_packet(server):
    for path in PATHS:
        for session, upgrades in ((Polling(server, path), ["websocket"]), (Socket(server, path), [])):
            check(set(session.open) == KEYS, f"keys of the open packet: {sorted(session.open)}")
            check(session.open["upgrades"] == upgrades, f"upgrades: {session.open['upgrades']}")
            check(session.open["maxPayload"] == 1000000, f"maxPayload: {session.open['maxPayload']}")


def session_ids(server):
    """Pitfall 4: the session id is secret, and no socket id leads to it."""
    sids = {Polling(server).sid for _ in range(50)}
    check(len(sids) == 50 and min(map(len, sids)) >= 20, "session ids repeat, or are shorter than 20 characters")
    # Ids that count up share long prefixes.
    check(len({sid[:8] for sid in sids}) == 50, "session ids share prefixes")
    for transport in (Polling, Socket):
        session = socket_io(server, transport)
        check(session.id != session.sid, "the socket has the id of the session")
        refused(server, f"{PATH}?EIO=4&transport=polling&sid={session.id}")
        session.alive()


def bad_queries(server):
    for path in PATHS:
        for query in ("transport=polling", "EIO=abc&transport=polling", "EIO=3&transport=polling", "EIO=5&transport=polling",
                      "EIO=&transport=polling", "EIO=4", "EIO=4&transport=abc", "EIO=4&transport=", "EIO=4&transport=websocket", "",
                      "EIO=4&transport=polling&sid=unheard-of", "EIO=4&transport=websocket&sid=unheard-of"):
            got = refused(server, f"{path}?{query}")
            check(got.headers.get("access-control-allow-origin") == "*", f"{query}: refused without CORS")
            check(got.body, f"{query}: refused without a word")


def bad_methods(server):
    for path in PATHS:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            refused(server, f"{path}?EIO=4&transport=polling", method, "", statuses=(400, 405))
    session = Polling(server, ENGINE)
    refused(server, session.target, "PUT", "4x", statuses=(400, 405, 500))


def bad_handshakes(server):
    """WebSocket handshakes that are refused with an answer."""
    head = "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s\r\n"
    good = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    target = f"{PATH}?EIO=4&transport=websocket"
    for target_, fields in ((f"{PATH}?EIO=3&transport=websocket", good), (f"{PATH}?transport=websocket", good),
                            (f"{PATH}?EIO=4&transport=abc", good), (f"{PATH}?EIO=4", good),
                            (f"{target}&sid=unheard-of", good), ("/nowhere/?EIO=4&transport=websocket", good),
                            (target, good.replace("13", "12")), (target, "Sec-WebSocket-Version: 13\r\n"),
                            (target, good.replace("dGhl", "!!"))):
        with raw.dial(server) as wire:
            wire.send((head % (target_, fields)).encode())
            start, _ = wire.head("refusal")
            if start.split()[1] == "101":  # then it has to end at once
                while wire.read("end of the refused connection"):
                    pass
            else:
                check(start.split()[1][0] == "4", f"{target_} {fields!r}: the answer is {start}")


def paths(server):
    page = ask(server, "/")
    check(page.status == 200, f"/ is answered with {page.status}")
    check(page.headers.get("content-type", "").startswith("text/html"), f"content-type: {page.headers.get('content-type')}")
    check(page.body.startswith(b"<!doctype html>"), f"the page begins with {page.body[:30]!r}")
    for path in ("/nowhere", "/socket.iox/", "/favicon.ico"):
        refused(server, path, statuses=(404,))


def cors(server):
    origin = {"Origin": "http://elsewhere.example"}
    for path in PATHS:
        session = Polling(server, path)
        answers = {"handshake": ask(server, f"{path}?EIO=4&transport=polling", headers=origin),
                   "POST": ask(server, session.target, "POST", "3", origin),
                   "unknown session": ask(server, f"{path}?EIO=4&transport=polling&sid=x", headers=origin),
                   "wrong method": ask(server, f"{path}?EIO=4&transport=polling", "PUT", "", origin),
                   "bad body": ask(server, session.target, "POST", "x", origin)}
        asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        for target in (path, f"{path}?EIO=4&transport=polling", session.target):
            preflight = answers[f"preflight of {target}"] = ask(server, target, "OPTIONS", headers=asked)
            check(preflight.status in (200, 204), f"preflight answered with {preflight.status}")
            methods = preflight.headers.get("access-control-allow-methods", "")
            check("POST" in methods or methods == "*", f"allowed methods: {methods!r}")
            fields = preflight.headers.get("access-control-allow-headers", "")
            check("content-type" in fields.lower() or fields == "*", f"allowed headers: {fields!r}")
        for what, got in answers.items():
            allowed = got.headers.get("access-control-allow-origin")
            check(allowed == "*", f"{what}: Access-Control-Allow-Origin is {allowed}")
        Socket(server, path, headers="Origin: http://elsewhere.example\r\n")


def echo(server):
    """Messages of plain Engine.IO come back as they are."""
    texts = ["", "hello", "é€😀", "4", "x" * 100_000, "line\nbreak\0"]
    session = Polling(server, ENGINE)
    session.post(*("4" + text for text in texts))
    session.expect(*("4" + text for text in texts))
    session.post("4hello", "bAQIDBA==", "b", "4end")
    session.expect("4hello", "bAQIDBA==", "b", "4end")
    socket = Socket(server, ENGINE)
    for text in texts:
        socket.put("4" + text)
        socket.expect("4" + text)
    for blob in (b"", b"\x04", bytes(range(256)) * 300):
        socket.put(blob)
        socket.expect(blob)


def fragments(server):
    """Fragmented messages, with a Ping between, and cut at each byte."""
    socket = Socket(server, ENGINE)
    socket.send(raw.frame(raw.TEXT, b"4hel", fin=False) + raw.frame(raw.PING, b"p") + raw.frame(0, b"lo"))
    first = socket.frame("a pong", masked=False)
    check(first == (0x80 | raw.PONG, b"p"), f"the Ping was answered with {first}")
    socket.expect("4hello")
    socket.send_slowly(raw.frame(raw.TEXT, "4é😀".encode()))
    socket.expect("4é😀")


# Bodies that are no payload: "ends" if the session has to end, "lives" if not; "either" where nobody says.
BODIES = {
    "no packet": ("", "either"), "unknown type": ("abc", "ends"), "type 7": ("7", "ends"), "type 9": ("9x", "ends"),
    "empty packet at the end": ("4a\x1e", "either"), "empty packet in front": ("\x1e4a", "either"),
    "only separators": ("\x1e\x1e\x1e", "either"), "bad base64": ("b!!!", "either"), "base64 cut short": ("bAQI", "either"),
    "ping of the client": ("2", "ends"), "probe over polling": ("2probe", "ends"), "open": ('0{"sid":"x"}', "either"),
    "upgrade over polling": ("5", "either"), "noop": ("6", "lives"), "pong unasked": ("3", "lives"),
    "NUL": ("\0", "ends"), "valid, then invalid": ("4a\x1ex", "ends"),
}


def malformed_bodies(server):
    """Pitfall 8: each body is answered, and the session has ended or works."""
    for what, (body, fate) in BODIES.items():
        session = Polling(server, ENGINE)
        got = session.try_post(body)
        check(got.status in (200, 400), f"{what}: answered with {got.status}")
        after = ask(server, session.target, "POST", "4x")
        ended = after.status == 400
        check(ended or after.status == 200, f"{what}: then {after.status}")
        check(fate == "either" or ended == (fate == "ends"), f"{what}: the session {'ended' if ended else 'lives'}")
        if not ended:
            # Whatever the first body was, the message after it comes back.
            deadline = time.monotonic() + 5
            while session.packet() != "4x":
                check(time.monotonic() < deadline, f"{what}: the session lives but does not work")
    not_utf8 = Polling(server, ENGINE)
    check(not_utf8.try_post(b"4\xff\xfe").status in (200, 400), "invalid UTF-8 is not answered")


def wrong_type_of_post(server):
    """Pitfall 8: `application/octet-stream` is refused, and the request is released."""
    session = Polling(server, ENGINE)
    refused(server, session.target, "POST", b"\x04x", {"Content-Type": "application/octet-stream"}, statuses=(400, 415))
    session.gone()


def two_polls(server):
    """Pitfall 8: two polls at once are refused, and end the session."""
    session = Polling(server, ENGINE)
    first = session.begin_poll()
    time.sleep(0.1)
    refused(server, session.target, statuses=(400, 500))
    packets = first.answer().packets
    check(packets == ["1"], f"the first poll was answered with {packets}")
    session.gone()


def two_posts(server):
    """Pitfall 8: two POST requests at once are refused, and end the session."""
    session = Polling(server, ENGINE)
    with raw.dial(server) as slow:
        slow.send(f"POST {session.target} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4he".encode())
        time.sleep(0.1)
        check(session.try_post("4x").status in (400, 500), "a second POST was taken")
    session.gone()


def dropped_poll(server):
    """Pitfall 8: a dropped poll is noticed, and ends the session."""
    watcher, session = monitor(server), socket_io(server, Polling)
    poll = session.begin_poll()
    time.sleep(0.1)
    poll.drop()
    reason = left(watcher, session.id)
    check(reason in ("transport error", "transport close"), f"the reason is {reason}")
    session.gone()


def dropped_post(server):
    session = Polling(server, ENGINE)
    with raw.dial(server) as wire:
        wire.send(f"POST {session.target} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4he".encode())
        time.sleep(0.1)
    time.sleep(0.2)
    session.gone()


def closed_by_polling(server):
    for _ in range(5):
        session = Polling(server, ENGINE)
        poll = session.begin_poll()
        time.sleep(0.02)
        session.post("1")
        packets = poll.answer().packets
        check(packets in (["6"], ["1"]), f"the open poll was answered with {packets}")
        session.gone()


def closed_by_websocket(server):
    watcher, socket = monitor(server), socket_io(server)
    socket.finish()
    refused(server, f"{PATH}?EIO=4&transport=polling&sid={socket.sid}")
    reason = left(watcher, socket.id)
    check(reason == "transport close", f"the reason is {reason}")


def close_packet_on_websocket(server):
    watcher, socket = monitor(server), socket_io(server)
    socket.put("1")
    _, before = socket.gone()
    check(before == [], f"received {before} after a close")
    refused(server, f"{PATH}?EIO=4&transport=polling&sid={socket.sid}")
    reason = left(watcher, socket.id)
    check(reason == "transport close", f"the reason is {reason}")


def malformed_frames(server):
    """Frames and packets that end a session over WebSocket at once."""
    cases = {"unknown type": raw.frame(raw.TEXT, b"abc"), "empty text": raw.frame(raw.TEXT, b""),
             "ping of the client": raw.frame(raw.TEXT, b"2"), "invalid UTF-8": raw.frame(raw.TEXT, b"4\xff"),
             "reserved opcode": raw.frame(3, b"x"), "reserved bit": raw.frame(raw.TEXT, b"4x", rsv=2),
             "not masked": raw.frame(raw.TEXT, b"4x", mask=False), "long ping": raw.frame(raw.PING, b"x" * 126),
             "continuation of nothing": raw.frame(0, b"x")}
    for what, octets in cases.items():
        socket = Socket(server, ENGINE)
        socket.send(octets)
        try:
            socket.gone(2)
        except Complaint as e:
            raise Complaint(f"{what}: {e}") from None
        refused(server, f"{ENGINE}?EIO=4&transport=polling&sid={socket.sid}")


def poll_is_capped(server):
    """Pitfall 10: client libraries refuse more than 16 packets in one poll."""
    session = socket_io(server, Polling)
    session.post('42["burst",200]')
    got = []
    while len(got) < 200:
        packets = session.poll()
        check(len(packets) <= 16, f"{len(packets)} packets in one poll")
        got += packets
    check(got == [f'42["n",{n}]' for n in range(200)], "packets are lost or out of order")


def requests_in_a_row(server):
    """Two requests at once on one connection of HTTP, and garbage that is no HTTP."""
    session = Polling(server, ENGINE)
    with raw.dial(server) as wire:
        head = f"POST {session.target} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n4"
        wire.send(f"{head}a{head}b".encode())
        for _ in range(2):
            start, _ = wire.head("answer")
            check(start.split()[1] == "200", f"the answer is {start}")
            check(wire.take(2, "ok") == b"ok", "no ok")
    session.expect("4a", "4b")
    for garbage in (b"\0\1\2\3\r\n\r\n", b"GET\r\n\r\n", b"GET /socket.io/ HTTP/9.9\r\n\r\n", b"G" * 100_000,
                    b"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                    b"GET /socket.io/?%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"EIO=4&" * 20_000),
                    b"GET /socket.io/?EIO=%zz&transport=%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n"):
        with raw.dial(server) as wire:
            try:
                wire.send(garbage)
                start, _ = wire.head("answer")
                check(start.split()[1][0] == "4", f"{garbage[:30]!r} is answered with {start}")
            except Complaint as e:
                check("ended" in str(e) or "reset" in str(e) or "sending" in str(e), f"{garbage[:30]!r}: {e}")
    session.alive()


CHECKS = {
    "open packet": open_packet, "session ids (pitfall 4)": session_ids, "bad queries": bad_queries, "bad methods": bad_methods,
    "bad WebSocket handshakes": bad_handshakes, "paths": paths, "CORS": cors, "echo": echo, "fragments": fragments,
    "malformed bodies (pitfall 8)": malformed_bodies, "POST of the wrong type (pitfall 8)": wrong_type_of_post,
    "two polls at once (pitfall 8)": two_polls, "two POSTs at once (pitfall 8)": two_posts,
    "dropped poll (pitfall 8)": dropped_poll, "dropped POST": dropped_post, "closed by polling": closed_by_polling,
    "closed by WebSocket": closed_by_websocket, "close packet over WebSocket": close_packet_on_websocket,
    "malformed frames": malformed_frames,
    "at most 16 packets in a poll (pitfall 10)": poll_is_capped, "requests in a row, and garbage": requests_in_a_row,
}
