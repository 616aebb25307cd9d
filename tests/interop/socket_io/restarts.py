"""The end of the server: orderly, and killed and started again."""

import time
from contextlib import ExitStack

import examples
import raw
import servers
from servers import Complaint, check
from session import ENGINE, PATH, Polling, Socket, refused, socket_io

PATIENCE = 40  # seconds for a client to play its scenario


def orderly(command):
    """SIGTERM ends the server within 8 s, whatever its clients do, and closes the connections of those that listen."""
    with servers.Server(command) as server, ExitStack() as stack:
        stack.enter_context(raw.dial(server))  # says nothing
        stack.enter_context(raw.dial(server)).send(b"GET / HT")
        half = stack.enter_context(raw.dial(server))
        half.send(f"POST {Polling(server).target} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n4".encode())
        listening, deaf, engine = socket_io(server), socket_io(server), Socket(server, ENGINE)
        poll = socket_io(server, Polling).begin_poll()
        stack.callback(deaf.socket.close)
        deaf.put(*['42["blob",900000]'] * 20)
        probed = Polling(server)
        probe = Socket(server, PATH, probed.sid)
        probe.put("2probe")
        probe.expect("3probe")
        time.sleep(0.2)
        server.stop()
        for each in (listening, engine, probe):
            each.gone()
        try:
            poll.answer()
        except Complaint as e:
            check("timeout" not in str(e), f"the open poll: {e}")


def idle(command):
    with servers.Server(command) as server:
        began = time.monotonic()
        server.stop()
        check(time.monotonic() - began < 3, f"an idle server ended after {time.monotonic() - began:.1f} s")


def port_in_use(command):
    """A port in use is one plain sentence, and status 1."""
    with servers.Server(command) as server:
        with examples.Process(command, env={**servers.os.environ, "SIO_PORT": str(server.port)}) as second:
            status = second.wait(5)
            check(status == 1, f"the second server ended with status {status}")
            check(len(second.stderr) == 1, f"{len(second.stderr)} lines on standard error")


def at_once(command):
    """Pitfall 12: after SIGKILL it starts again on the same port, though its connections linger."""
    with servers.Server(command) as server:
        sessions = [socket_io(server) for _ in range(20)]
        polling = socket_io(server, Polling)
        server.kill()
        for session in sessions:
            session.gone()
        with server.again() as second:
            refused(second, polling.target)
            fresh = socket_io(second)
            check(fresh.id not in {session.id for session in sessions}, "an id came back")
            second.stop()
    with servers.Server(command) as server:
        sessions = [socket_io(server) for _ in range(20)]
        server.stop()
        # It closed these connections first, so that its port is in TIME_WAIT now.
        for session in sessions:
            session.gone()
        with server.again() as second:
            socket_io(second)
            second.stop()


def bad_settings(command):
    """A setting that is no number is one plain sentence."""
    for name, value in (("SIO_PORT", "x"), ("SIO_PORT", "99999"), ("SIO_PING_INTERVAL", "-1"), ("SIO_MAX_PAYLOAD", "1.5")):
        with examples.Process(command, env={**servers.os.environ, "SIO_PORT": str(servers.unused_port()), name: value}) as process:
            status = process.wait(3)
            check(status in (1, 2), f"{name}={value}: status {status}")
            check(len(process.stderr) == 1 and name in process.stderr[0], f"{name}={value}: {process.stderr}")


def all_settings(command):
    """What is set is what clients are told, and what holds; without settings, the defaults are those of the reference."""
    for settings, wanted in (({}, (25000, 20000, 1000000)),
                             ({"PING_INTERVAL": 400, "PING_TIMEOUT": 300, "MAX_PAYLOAD": 5000}, (400, 300, 5000))):
        with servers.Server(command, settings) as server:
            for session in (Polling(server), Socket(server), Polling(server, ENGINE), Socket(server, ENGINE)):
                told = tuple(session.open[name] for name in ("pingInterval", "pingTimeout", "maxPayload"))
                check(told == wanted, f"{settings}: clients are told {told}")
            most = wanted[2]
            session, socket = Polling(server, ENGINE), Socket(server, ENGINE)
            session.post("4" + "x" * (most - 1))
            session.expect("4" + "x" * (most - 1))
            check(session.try_post("4" + "x" * most).status == 413, f"{settings}: {most + 1} bytes are taken over polling")
            socket.put("4" + "x" * (most - 1))
            socket.expect("4" + "x" * (most - 1))
            socket.put("4" + "x" * most)
            code, _ = socket.gone()
            check(code in (1009, None), f"{settings}: closed with {code}, not 1009")
            server.stop()


def comes_back(client):
    """Pitfall 12: a client library sees the server killed and started again, with what it sent meanwhile in order."""
    def play(command):
        with servers.Server(command) as server:
            with examples.Process([*client, "restart", server.url]) as process:
                check(process.line(PATIENCE) == "ready", f"the client was not ready: {process.stderr[-1:]}")
                server.kill()
                check(process.line(PATIENCE) == "lost", f"the client noticed nothing: {process.stderr[-1:]}")
                with server.again() as second:
                    status = process.wait(PATIENCE)
                    check(status is not None, f"the client did not come back in {PATIENCE} s")
                    check(status == 0, process.stderr[-1] if process.stderr else f"the client ended with status {status}")
                    second.stop()
    return play


CHECKS = {"orderly shutdown with all kinds of clients": orderly, "shutdown when idle": idle, "port in use": port_in_use,
          "started again on the same port (pitfall 12)": at_once, "settings": all_settings,
          "bad settings": bad_settings}
