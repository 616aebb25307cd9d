"""Limits: of bodies, messages and queues."""

import time

import raw
from servers import Complaint, check
from session import ENGINE, Polling, Socket, ask, left, monitor, socket_io

MOST = 1_000_000  # bytes: SIO_MAX_PAYLOAD
MIB = 1 << 20


def bodies(server):
    session = Polling(server, ENGINE)
    session.post("4" + "x" * (MOST - 1))
    session.expect("4" + "x" * (MOST - 1))
    for length in (MOST + 1, 10 * MOST):
        session = Polling(server, ENGINE)
        got = session.try_post("4" + "x" * (length - 1))
        check(got.status == 413, f"{length} bytes are answered with {got.status}")
        check(got.headers.get("access-control-allow-origin") == "*", "413 without CORS")
        check(ask(server, session.target, "POST", "4x").status in (200, 400), "the session is neither alive nor gone")
    # An announced length alone is refused, or waits for its bytes.
    session = Polling(server, ENGINE)
    with raw.dial(server) as wire:
        wire.send(f"POST {session.target} HTTP/1.1\r\nHost: x\r\nContent-Length: {10**18}\r\n\r\n4x".encode())
        time.sleep(0.1)
    # Without a length, in chunks.
    session = Polling(server, ENGINE)
    with raw.dial(server) as wire:
        wire.send(f"POST {session.target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        try:
            for _ in range(20):
                wire.send(b"186a0\r\n" + b"4" + b"x" * 99_999 + b"\r\n")
            start, _ = wire.head("413")
            check(start.split()[1] == "413", f"chunks beyond the limit: {start}")
        except Complaint as e:
            check("ended" in str(e) or "reset" in str(e) or "sending" in str(e), str(e))
    Polling(server, ENGINE).alive()


def messages(server):
    socket = Socket(server, ENGINE)
    for text in ("4" + "x" * (MOST - 1), b"x" * MOST):
        socket.put(text)
        socket.expect(text)
    for octets in (raw.frame(raw.TEXT, b"4" + b"x" * MOST), raw.frame(raw.BINARY, announced=MOST + 1),
                   raw.frame(raw.BINARY, announced=(1 << 63) - 1),
                   raw.frame(raw.TEXT, b"4" + b"x" * (MOST // 2), fin=False) + raw.frame(0, b"x" * MOST)):
        socket = Socket(server, ENGINE)
        try:
            socket.send(octets)
            code, _ = socket.gone()
            check(code in (1009, None), f"closed with {code}, not 1009")
        except Complaint as e:
            check("sending" in str(e), str(e))
    watcher, socket = monitor(server), socket_io(server)
    socket.send(raw.frame(raw.BINARY, announced=MOST + 1))
    reason = left(watcher, socket.id)
    check(reason in ("transport error", "transport close"), f"the reason is {reason}")


def never_polls(server):
    """Pitfall 3: a session whose queue overflows ends, and its memory is given back; nothing is dropped in silence."""
    watcher, session = monitor(server), socket_io(server, Polling)
    before = server.memory()
    ended = False
    for _ in range(60):
        if session.try_post("\x1e".join(['42["blob",900000]'] * 10)).status == 400:
            ended = True
            break
        grown = server.memory() - before
        check(grown < 200 * MIB, f"{grown // MIB} MiB are queued for a session that never polls")
    check(ended, "540 MB were asked for, and the session still lives")
    reason = left(watcher, session.id)
    check(reason.startswith("transport"), f"the reason is {reason}")


def never_reads(server):
    """Pitfall 3 over WebSocket: a client that asks, and reads nothing."""
    watcher, socket = monitor(server), socket_io(server)
    before = server.memory()
    socket.socket.settimeout(1)
    try:
        for _ in range(60):
            socket.put(*['42["blob",900000]'] * 10)
            time.sleep(0.02)
            grown = server.memory() - before
            check(grown < 200 * MIB, f"{grown // MIB} MiB are queued for a client that reads nothing")
    except Complaint as e:
        check("sending" in str(e), str(e))
    watcher.alive()
    # It has ended by itself, or waits for the client without growing.
    socket.socket.close()
    left(watcher, socket.id)


CHECKS = {"bodies": bodies, "messages": messages}
# Those that look at the memory of the server.
ALONE_CHECKS = {"a client that never polls (pitfall 3)": never_polls,
                "a client that never reads (pitfall 3)": never_reads}
