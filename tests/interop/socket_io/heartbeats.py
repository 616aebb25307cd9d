"""Heartbeats and what else ends with time, on a server with the short intervals of servers.FAST."""

import time
from concurrent.futures import ThreadPoolExecutor

import raw
from servers import Complaint, check
from session import ENGINE, Ended, Polling, Socket, ask, joined, left, monitor, socket_io

INTERVAL, TIMEOUT = 0.3, 0.2  # of servers.FAST


def heartbeat_on_websocket(server):
    """Pitfall 9: one ping for each interval, whatever pongs come."""
    socket = Socket(server, ENGINE)
    socket.put(*["3"] * 50)
    began = time.monotonic()
    for number in range(1, 6):
        check(socket.message() == "2", "no ping")
        elapsed = time.monotonic() - began
        check(number * INTERVAL - 0.05 < elapsed < number * (INTERVAL + 0.15), f"ping {number} after {elapsed:.2f} s")
        socket.put("3", "3", "3")


def heartbeat_on_polling(server):
    session = Polling(server, ENGINE)
    session.post(*["3"] * 14)
    began = time.monotonic()
    for number in range(1, 5):
        check(session.poll() == ["2"], "no ping")
        elapsed = time.monotonic() - began
        check(number * INTERVAL - 0.05 < elapsed < number * (INTERVAL + 0.15), f"ping {number} after {elapsed:.2f} s")
        session.post("3")


def ping_timeout(server):
    watcher, socket, session = monitor(server), socket_io(server), socket_io(server, Polling)
    began = time.monotonic()
    for each in (socket, session):
        reason = left(watcher, each.id)
        check(reason == "ping timeout", f"the reason is {reason}")
    elapsed = time.monotonic() - began
    check(INTERVAL + TIMEOUT - 0.1 < elapsed < INTERVAL + TIMEOUT + 0.3, f"ended after {elapsed:.2f} s of silence")
    _, before = socket.gone()
    check(set(before) <= {"2"}, f"received {before}")
    session.gone()


def half_a_post(server):
    """Pitfall 8: a POST that never completes is released when its session ends."""
    session = Polling(server, ENGINE)
    with raw.dial(server) as wire:
        wire.send(f"POST {session.target} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4he".encode())
        wire.socket.settimeout(3)
        try:
            start, _ = wire.head("an answer, or the end")
            check(start.split()[1] in ("400", "408"), f"the answer is {start}")
        except Complaint as e:
            check("timeout" not in str(e), str(e))
    session.gone()


def connect_timeout(server):
    """A session that joins no namespace ends, a refusal is not joining, and leaving is not the end."""
    def lifetime(socket):
        began = time.monotonic()
        try:
            while time.monotonic() - began < 3:
                socket.packet()
        except Ended:
            pass
        return time.monotonic() - began

    idle, denied, stays = Socket(server), Socket(server), socket_io(server)
    with ThreadPoolExecutor() as pool:
        lifetimes = pool.map(lifetime, (idle, denied))
        denied.put("40/admin,")
        stays.put("41")
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            check(stays.message() == "2", "something else than a ping")
            stays.put("3")
        for seconds in lifetimes:
            check(0.8 < seconds < 1.8, f"ended after {seconds:.2f} s, not 1 s")
    joined(stays)
    stays.alive()


def polling_connect_timeout(server):
    session = Polling(server)
    began = time.monotonic()
    while time.monotonic() - began < 3:
        got = ask(server, session.target)
        if got.status == 400 or got.body == b"1":
            check(time.monotonic() - began > 0.8, "ended early")
            return
        if got.body == b"2":
            session.try_post("3")
    raise Complaint("the session still lives after 3 s")


CHECKS = {
    "heartbeat over WebSocket (pitfall 9)": heartbeat_on_websocket, "heartbeat over polling (pitfall 9)": heartbeat_on_polling,
    "ping timeout": ping_timeout, "half a POST (pitfall 8)": half_a_post, "connect timeout": connect_timeout,
    "connect timeout over polling": polling_connect_timeout,
}
