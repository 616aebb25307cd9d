"""Upgrades from long-polling to WebSocket by hand, in every order of what may happen meanwhile."""

import time

from servers import Complaint, check
from session import ENGINE, PATH, Ended, Polling, Socket, ask, joined, nobody_is_left, refused, socket_io, until


def probing(session, path=None):
    """A WebSocket connection that has probed a session."""
    socket = Socket(session.server, path or session.path, session.sid)
    socket.put("2probe")
    socket.expect("3probe")
    return socket


def upgraded(server, path=PATH):
    session = Polling(server, path)
    if path == PATH:
        session.id = joined(session)
    socket = probing(session)
    socket.put("5")
    socket.sid = session.sid
    return session, socket


def plain(server):
    session, socket = upgraded(server)
    socket.alive()
    for body in (None, "4x"):
        refused(server, session.target, "POST" if body else "GET", body)
    socket.alive()
    session, socket = upgraded(server, ENGINE)
    socket.put("4x", b"y")
    socket.expect("4x", b"y")


def second_socket(server):
    """A second connection, while the first one probes or after it has upgraded, is refused; the session goes on."""
    session, socket = upgraded(server)
    try:
        Socket(server, PATH, session.sid).gone()
    except Complaint as e:
        check("timeout" not in str(e), str(e))
    socket.alive()
    session = socket_io(server, Polling)
    first = probing(session)
    try:
        second = Socket(server, PATH, session.sid)
        second.put("2probe")
        second.gone()
    except Complaint as e:
        check("timeout" not in str(e), str(e))
    first.put("5")
    first.alive()


def noops(server):
    """Pitfall 1: every poll during a probe is answered with a noop, and no noop is sent over WebSocket."""
    session = socket_io(server, Polling)
    poll = session.begin_poll()
    time.sleep(0.05)
    socket = probing(session)
    packets = poll.answer().packets
    check(packets == ["6"], f"the waiting poll was answered with {packets}")
    for number in range(3):
        began = time.monotonic()
        packets = session.poll()
        check(packets == ["6"], f"poll {number + 1} during the probe was answered with {packets}")
        check(time.monotonic() - began < 0.3, f"a poll during the probe took {time.monotonic() - began:.1f} s")
    socket.put("5")
    before = len(socket.buffer)
    socket.alive()
    check(before == 0 or b"6" not in socket.buffer, "a noop over WebSocket")


def nothing_is_lost(server):
    """Pitfall 2: messages from before, during and after an upgrade arrive once and in order, over either transport."""
    for pause in (0, 0.01, 0.1):
        session = socket_io(server, Polling)
        session.post('42["burst",5]')
        socket = Socket(server, PATH, session.sid)
        session.post('42["message","a"]')
        socket.put("2probe")
        socket.expect("3probe")
        time.sleep(pause)
        session.post('42["message","b"]')
        got = session.poll() if pause else []
        session.post('42["message","c"]', '451-["message",{"_placeholder":true,"num":0}]', "bAQID")
        socket.put("5", '42["message","d"]')
        got += [*until(socket, '42["message-back","d"]'), '42["message-back","d"]']
        wanted = [*(f'42["n",{n}]' for n in range(5)), *(f'42["message-back","{c}"]' for c in "abc"),
                  '451-["message-back",{"_placeholder":true,"num":0}]', b"\1\2\3", '42["message-back","d"]']
        got = [packet for packet in got if packet != "6"]
        check(got == wanted, f"received {got}")


def poll_in_flight(server):
    """The last poll may still wait when the upgrade is done: it is answered."""
    for _ in range(5):
        session = socket_io(server, Polling)
        socket = Socket(server, PATH, session.sid)
        poll = session.begin_poll()
        time.sleep(0.02)
        socket.put("2probe", "5")
        socket.expect("3probe")
        packets = poll.answer().packets
        check(packets in (["6"], ["1"]), f"the last poll was answered with {packets}")
        socket.alive()


def probe_that_stops(server):
    """Pitfall 2: a probe that does not go on is ended in time, and polling lives."""
    for after in ("nothing", "probe"):
        session = socket_io(server, Polling)
        session.post('42["later",300,"meanwhile"]')
        began = time.monotonic()
        socket = Socket(server, PATH, session.sid)
        if after == "probe":
            socket.put("2probe")
            socket.expect("3probe")
        code, before = socket.gone(3)
        check(0.5 < time.monotonic() - began < 1.5, f"the probe ended after {time.monotonic() - began:.1f} s, not 0.7 s")
        check(before == [], f"received {before} over the probe")
        session.expect('42["later","meanwhile"]')
        session.alive()
        # Nor is a second attempt prevented by the first one.
        socket = probing(session)
        socket.put("5")
        socket.alive()


def probe_that_drops(server):
    """Pitfall 2: a probe that is lost at any moment leaves polling alive."""
    for packets in ((), ("2probe",)):
        for _ in range(3):
            session = socket_io(server, Polling)
            poll = session.begin_poll()
            socket = Socket(server, PATH, session.sid)
            socket.put(*packets)
            if packets:
                socket.expect("3probe")
            socket.socket.close()
            session.post('42["message","x"]')
            got = poll.answer().packets
            session.waiting = [packet for packet in got if packet != "6"]
            session.expect('42["message-back","x"]')
            session.alive()


def wrong_probes(server):
    """What is no probe ends the connection, not the session."""
    for packets in (("2x",), ("4hello",), (b"\1\2",), ("2probe", "4early"), ("2probe", b"x"), ("abc",), ("1",), ("3probe",),
                    ("2probe", "2x")):
        session = socket_io(server, Polling)
        socket = Socket(server, PATH, session.sid)
        socket.put(*packets)
        try:
            socket.gone(2)
        except Complaint as e:
            raise Complaint(f"{packets}: {e}") from None
        try:
            session.alive()
        except Complaint as e:
            raise Complaint(f"{packets}: the session: {e}") from None


def closed_while_upgrading(server):
    """Pitfall 7: who is kicked while it upgrades gets what was sent before, and then the end."""
    session = socket_io(server, Polling)
    socket = probing(session)
    session.post('42["message","last words"]', '42["kick",true]')
    got = []
    try:
        socket.put("5")
        while True:
            got.append(socket.packet())
    except Ended:
        pass
    except Complaint as e:
        check("timeout" not in str(e), f"{e}; over WebSocket {got}")
    # Over polling, if it was ended before the upgrade.
    while (answer := ask(server, session.target)).status == 200:
        got += answer.packets
    got = [packet for packet in got if packet not in ("6", "1")]
    check(got == ['42["message-back","last words"]', "41"], f"received {got}")
    session.gone()


def closed_by_client_while_upgrading(server):
    session = socket_io(server, Polling)
    socket = probing(session)
    session.post("1")
    socket.gone(3)
    session.gone()


def many(server):
    """Nothing that counts remains of upgrades that follow one another."""
    for _ in range(100):
        _, socket = upgraded(server)
        socket.finish()
    nobody_is_left(server)


CHECKS = {
    "upgrade": plain, "second connection": second_socket, "polls are answered with a noop (pitfall 1)": noops,
    "nothing is lost or out of order (pitfall 2)": nothing_is_lost, "poll in flight": poll_in_flight,
    "probe that stops (pitfall 2)": probe_that_stops, "probe that drops (pitfall 2)": probe_that_drops,
    "wrong probes": wrong_probes, "closed while upgrading (pitfall 7)": closed_while_upgrading,
    "closed by the client while upgrading": closed_by_client_while_upgrading,
}
# On a server of its own, since it counts sockets.
ALONE_CHECKS = {"100 upgrades leave nothing behind": many}
