"""Servers for the client, each with one connection at a time: bare sockets that can send anything."""

import contextlib
import random
import struct
import threading

import raw


class Served:
    """A listener whose connections are served by a function, in a thread. What it raises is raised at the end."""

    def __init__(self, *plays, port=0):
        self.listener = raw.socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"ws://{self.host}"
        self.error = None
        self.thread = threading.Thread(target=self._serve, args=(plays,), daemon=True)
        self.thread.start()

    def _serve(self, plays):
        try:
            for play in plays:
                play(self.listener)
        except (raw.Complaint, OSError) as e:
            self.error = e
        finally:
            self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            return
        self.thread.join(raw.PATIENCE)
        if self.error:
            raise raw.Complaint(f"the server: {self.error}")
        raw.check(not self.thread.is_alive(), "the server still waits")


def lasting_port():
    """A free port that the system does not give to others while a server restarts."""
    while True:
        port = random.randrange(20_000, 30_000)  # below the ephemeral ports of Linux
        with contextlib.suppress(OSError), raw.socket.create_server(("127.0.0.1", port)):
            return port


def text(payload):
    return raw.server_frame(raw.TEXT, payload.encode())


def close(code, reason=""):
    return raw.server_frame(raw.CLOSE, struct.pack("!H", code) + reason.encode())


def sends(*frames, code=1000, reason=""):
    """Sends frames, then closes, and expects the answer."""
    def play(listener):
        with raw.accept(listener) as wire:
            wire.send(b"".join(frames) + close(code, reason))
            wire.closed(code, masked=True)
    return play


def expects(*payloads, code=1000, reason=""):
    """Expects text messages, and then a Close, which it answers."""
    def play(listener):
        with raw.accept(listener) as wire:
            for payload in payloads:
                wire.expect(raw.TEXT, payload.encode(), True, f"the message {payload!r}")
            wire.expect(raw.CLOSE, struct.pack("!H", code) + reason.encode(), True, "the client's Close")
            wire.send(close(code, reason))
    return play


def vanishes(*frames):
    """Sends frames, and cuts the connection."""
    def play(listener):
        with raw.accept(listener) as wire:
            wire.send(b"".join(frames))
    return play


def refuses(response):
    def play(listener):
        connection, _ = listener.accept()
        with raw.Wire(connection) as wire:
            wire.head("request")
            wire.send(response)
            with contextlib.suppress(raw.Complaint):
                wire.end()
    return play
