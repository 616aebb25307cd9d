"""Checks that need a peer that violates the rules, or controls every octet: both ends of a connection on a bare socket.

Each check is a function that returns if the check passes and raises otherwise. SERVER_CHECKS and REQUEST_CHECKS get a
running echo server (a `limited` one has --max-message-size 4096), CLIENT_CHECKS play the server for `client --echo`.
"""

import base64
import contextlib
import hashlib
import os
import socket
import struct
import time
from pathlib import Path

PATIENCE = 15  # seconds for any single step
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Complaint(Exception):
    pass


def check(condition, complaint):
    if not condition:
        raise Complaint(complaint)


def accept_key(key):
    return base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()


def frame(opcode, payload=b"", fin=True, rsv=0, mask=True, announced=None):
    """A frame; `announced` is a payload length different from the true one."""
    length = len(payload) if announced is None else announced
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if length < 126:
        head += bytes([mask << 7 | length])
    elif length < 1 << 16:
        head += bytes([mask << 7 | 126]) + struct.pack("!H", length)
    else:
        head += bytes([mask << 7 | 127]) + struct.pack("!Q", length)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(octet ^ key[i % 4] for i, octet in enumerate(payload))


class Wire:
    """A socket, with data that was read from it and not used yet."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.settimeout(PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.keys = []  # the masking keys that occurred

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError as e:
            raise Complaint(f"sending failed: {e}") from None

    def send_slowly(self, octets):
        for at in range(len(octets)):
            self.send(octets[at:at + 1])

    def read(self, what):
        try:
            received = self.socket.recv(1 << 16)
        except TimeoutError:
            raise Complaint(f"timeout: nothing in place of {what}") from None
        except OSError as e:
            raise Complaint(f"{e} in place of {what}") from None
        self.buffer += received
        return received

    def take(self, count, what):
        while len(self.buffer) < count:
            check(self.read(what), f"the connection ended in place of {what}")
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def head(self, what):
        """A request or response: (start line, {lower-case name: [values]})."""
        while b"\r\n\r\n" not in self.buffer:
            check(self.read(what), f"the connection ended in place of {what}")
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        start, *lines = head.decode("latin-1").split("\r\n")
        fields = {}
        for line in lines:
            name, value = line.split(":", 1)
            fields.setdefault(name.lower(), []).append(value.strip())
        return start, fields

    def frame(self, what, masked):
        first, second = self.take(2, what)
        length = second & 127
        if length > 125:
            length = int.from_bytes(self.take(2 if length == 126 else 8, what))
        check(bool(second >> 7) == masked, f"{what}: the frame is {'not ' if masked else ''}masked")
        key = self.take(4, what) if masked else bytes(4)
        self.keys.append(key)
        payload = bytes(octet ^ key[i % 4] for i, octet in enumerate(self.take(length, what)))
        return first, payload

    def expect(self, opcode, payload, masked, what):
        """The next frame must be this one, whole."""
        first, got = self.frame(what, masked)
        check(first == 0x80 | opcode, f"{what}: the first octet of the frame is {first:#x}")
        check(got == payload, f"{what}: the payload is {got[:60]!r}")

    def closed(self, code, masked):
        """The next frame must be a Close with this code."""
        first, payload = self.frame(f"a Close with {code}", masked)
        check(first == 0x80 | CLOSE, f"not a Close frame but one that begins with {first:#x}")
        check(payload[:2] == struct.pack("!H", code), f"closed with {int.from_bytes(payload[:2])}, not {code}")

    def end(self):
        """The other side must end the TCP connection, and send nothing before that."""
        received = self.read("end of the TCP connection")
        check(not received, f"{len(received)} octets before the end")


# --- against an echo server ---


def request(server, method="GET", version="13", key="dGhlIHNhbXBsZSBub25jZQ==", extra=""):
    key = f"Sec-WebSocket-Key: {key}\r\n" if key is not None else ""
    return (f"{method} /chat HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nUpgrade: websocket\r\n"
            f"Connection: keep-alive, Upgrade\r\n{key}Sec-WebSocket-Version: {version}\r\n{extra}\r\n").encode()


def dial(server):
    return Wire(socket.create_connection((server.host, server.port), PATIENCE))


def opened(server, early=b"", extra="", slowly=False):
    wire = dial(server)
    (wire.send_slowly if slowly else wire.send)(request(server, extra=extra) + early)
    start, fields = wire.head("response")
    check(start.startswith("HTTP/1.1 101 "), f"the answer is {start}")
    check(fields.get("sec-websocket-accept") == ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="], "wrong Sec-WebSocket-Accept")
    wire.fields = fields
    return wire


def refused(server, status, **change):
    with dial(server) as wire:
        wire.send(request(server, **change))
        start, fields = wire.head("response")
        check(start.startswith(f"HTTP/1.1 {status} "), f"the answer is {start}")
        while wire.read("end of the refused connection"):
            pass
        return fields


def refuses_post(server):
    check("allow" in refused(server, 405, method="POST"), "405 without Allow")


def refuses_version(server):
    fields = refused(server, 426, version="12")
    check(fields.get("sec-websocket-version") == ["13"], f"Sec-WebSocket-Version: {fields.get('sec-websocket-version')}")


def refuses_key(server):
    for key in (None, "", "AAAA", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=!"):
        refused(server, 400, key=key)


def unknown_subprotocol(server):
    with opened(server, extra="Sec-WebSocket-Protocol: unheard-of\r\n") as wire:
        check("sec-websocket-protocol" not in wire.fields, f"chosen: {wire.fields.get('sec-websocket-protocol')}")


def frames_after_request(server):
    with opened(server, early=frame(TEXT, b"early") + frame(PING, b"too")) as wire:
        # In either order: a control frame may overtake a message.
        got = {wire.frame("answers to early frames", masked=False) for _ in range(2)}
        check(got == {(0x80 | TEXT, b"early"), (0x80 | PONG, b"too")}, f"early frames were answered with {got}")


def single_octets(server):
    with opened(server, slowly=True) as wire:
        wire.send_slowly(frame(TEXT, "aé€😀".encode(), fin=False))
        wire.send_slowly(frame(PING, b"ping"))
        wire.expect(PONG, b"ping", False, "pong")
        wire.send_slowly(frame(0, b"z" * 130))
        wire.expect(TEXT, "aé€😀".encode() + b"z" * 130, False, "echo")


def fails(server, octets, code):
    with opened(server) as wire:
        wire.send(octets)
        wire.closed(code, masked=False)
        wire.end()


def reserved_opcodes(server):
    for opcode in (3, 7, 11, 15):
        fails(server, frame(opcode, b"x"), 1002)


def reserved_bits(server):
    for rsv in (1, 2, 4):
        fails(server, frame(TEXT, b"x", rsv=rsv), 1002)


def unmasked(server):
    fails(server, frame(TEXT, b"x", mask=False), 1002)


def invalid_utf8_early(server):
    # The rest of the message never arrives, and is not needed.
    fails(server, frame(TEXT, b"\xce\xba\xff", announced=1000), 1007)


def announced_too_large(server):
    fails(server, frame(BINARY, b"", announced=4097), 1009)
    fails(server, frame(BINARY, b"", announced=(1 << 63) - 1), 1009)


def closes_tcp_first(server):
    with opened(server) as wire:
        wire.send(frame(CLOSE, struct.pack("!H", 1000) + b"bye"))
        wire.closed(1000, masked=False)
        wire.end()


def messages_before_close(server):
    texts = [b"one", b"two", b"three"]
    with opened(server) as wire:
        wire.send(b"".join(frame(TEXT, text) for text in texts) + frame(CLOSE, struct.pack("!H", 3001)))
        for text in texts:
            wire.expect(TEXT, text, False, "echo of a message in front of a Close")
        wire.closed(3001, masked=False)
        wire.end()


def cut_connections(server):
    for octets in (b"", b"GET / HT", request(server), request(server) + frame(TEXT, b"x", announced=50)):
        with dial(server) as wire:
            wire.send(octets)
    with opened(server, early=frame(TEXT, b"x")) as wire:
        wire.expect(TEXT, b"x", False, "echo for the next client")


def cpu_seconds(server):
    """User and system time that the server has used."""
    fields = Path(f"/proc/{server.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rests_while_closing(server):
    """A peer that has sent a Close and keeps its socket open must not cost CPU time (DRV-17)."""
    with opened(server) as wire:
        wire.send(frame(CLOSE, struct.pack("!H", 1000)))
        wire.closed(1000, masked=False)
        wire.end()
        before = cpu_seconds(server)
        time.sleep(1)
        used = cpu_seconds(server) - before
        check(used < 0.3, f"{used} s of CPU in a second of waiting")


def ends_with_the_stream(server):
    """A stream that ends before, while, or after its last message is answered: the answer arrives, and the end with it."""
    for pause in (0, 0.001, 0.02):
        with opened(server) as wire:
            wire.send(frame(TEXT, b"last"))
            time.sleep(pause)
            wire.socket.shutdown(socket.SHUT_WR)
            began = time.monotonic()
            wire.expect(TEXT, b"last", False, "echo of the last message")
            wire.end()
            elapsed = time.monotonic() - began
            check(elapsed < 1, f"it ended {elapsed:.1f} s after the stream")


def is_held(server, wire):
    """Whether the server still holds its socket of this connection. Looking sends nothing."""
    ends = [f"{port:04X}" for port in (wire.socket.getpeername()[1], wire.socket.getsockname()[1])]
    for line in Path(f"/proc/{server.child.pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if [field.split(":")[1] for field in fields[1:3]] == ends:
            return fields[9] != "0"  # the inode
    return False


def ends_failed_connections_in_time(server):
    """A failed connection is dropped after 5 s, even if its peer stays, and nothing else happens to the server meanwhile."""
    with opened(server) as wire:
        wire.send(frame(3))
        wire.closed(1002, masked=False)
        began = time.monotonic()
        elapsed = 0
        while is_held(server, wire):
            elapsed = time.monotonic() - began
            check(elapsed < 5.5, "its socket is still open after 5.5 s")
            time.sleep(0.05)
        check(elapsed > 4.5, f"it was dropped after {elapsed:.1f} s")


def leaves_silent_clients(server):
    """Clients that send nothing get 408 after 10 s, and are disconnected 2 s later, even if they stay (DRV-18)."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(dial(server)) for _ in range(50)]
        began = time.monotonic()
        for wire in wires:
            start, _ = wire.head("408")
            check(start.startswith("HTTP/1.1 408 "), f"the answer is {start}")
            wire.end()
        elapsed = time.monotonic() - began
        check(9.5 < elapsed < 12, f"408 after {elapsed:.1f} s")
        time.sleep(3)
        # A socket that is closed on the other side answers data with a reset.
        for wire in wires:
            wire.send(b"x")
        time.sleep(0.2)
        left = 0
        for wire in wires:
            try:
                wire.socket.recv(1)
                wire.socket.send(b"x")
            except ConnectionError:
                left += 1
        check(left == len(wires), f"{len(wires) - left} of {len(wires)} sockets are still open")


SERVER_CHECKS = {
    "refuses POST with 405": refuses_post,
    "refuses version 12 with 426": refuses_version,
    "refuses bad keys with 400": refuses_key,
    "unknown subprotocol": unknown_subprotocol,
    "frames after the request": frames_after_request,
    "single octets": single_octets,
    "reserved opcodes": reserved_opcodes,
    "reserved bits": reserved_bits,
    "unmasked frame": unmasked,
    "invalid UTF-8, noticed early": invalid_utf8_early,
    "closes TCP first": closes_tcp_first,
    "messages before a close": messages_before_close,
    "cut connections": cut_connections,
    "rests while closing": rests_while_closing,
    "ends with the stream": ends_with_the_stream,
}
# For a server that gets no notice of some of its writes: the deadlines after them must hold, too.
UNNOTICED_CHECKS = {"ends failed connections in time": ends_failed_connections_in_time}
# Only if this library reads the requests, and not another HTTP library.
REQUEST_CHECKS = {"leaves silent clients": leaves_silent_clients}
LIMITED_SERVER_CHECKS = {"announced size beyond the limit": announced_too_large}


def stops_with_silent_peers(server):
    """The server must end, although one peer never sends a request and another never answers its Close."""
    with dial(server), dial(server) as half, opened(server, early=frame(TEXT, b"x")) as wire:
        half.send(b"GET / HT")
        wire.expect(TEXT, b"x", False, "echo")
        complaint = server.stop()
        check(not complaint, complaint)
        wire.closed(1001, masked=False)


# --- against `client --echo` ---


def listen():
    return socket.create_server(("127.0.0.1", 0))


def accept(listener, early=b"", key=accept_key, slowly=False):
    listener.settimeout(PATIENCE)
    try:
        wire = Wire(listener.accept()[0])
    except TimeoutError:
        raise Complaint("the client did not connect") from None
    wire.start, wire.fields = wire.head("request")
    asked = wire.fields.get("sec-websocket-key", [""])[0]
    response = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {key(asked)}\r\n\r\n").encode() + early
    (wire.send_slowly if slowly else wire.send)(response)
    return wire


def server_frame(*arguments, **options):
    return frame(*arguments, mask=False, **options)


def end_well(wire):
    wire.send(server_frame(CLOSE, struct.pack("!H", 1000)))
    wire.closed(1000, masked=True)


def good_request(listener):
    with accept(listener) as wire:
        host, port = listener.getsockname()
        check(wire.start == "GET /some/path?query=1 HTTP/1.1", f"the request is {wire.start}")
        for name, value in {"host": f"{host}:{port}", "upgrade": "websocket", "connection": "upgrade",
                            "sec-websocket-version": "13"}.items():
            got = wire.fields.get(name, [])
            check([v.lower() for v in got] == [value], f"{name}: {got}")
        keys = wire.fields.get("sec-websocket-key", [])
        check(len(keys) == 1 and len(base64.b64decode(keys[0], validate=True)) == 16, f"sec-websocket-key: {keys}")
        end_well(wire)


def frames_after_response(listener):
    with accept(listener, early=server_frame(TEXT, b"early")) as wire:
        wire.expect(TEXT, b"early", True, "echo of an early message")
        end_well(wire)


def client_single_octets(listener):
    with accept(listener, slowly=True) as wire:
        wire.send_slowly(server_frame(TEXT, "aé€😀".encode(), fin=False))
        wire.send_slowly(server_frame(PING, b"ping"))
        wire.expect(PONG, b"ping", True, "pong")
        wire.send_slowly(server_frame(0, b"z" * 130))
        wire.expect(TEXT, "aé€😀".encode() + b"z" * 130, True, "echo")
        end_well(wire)


def masking_keys(listener):
    with accept(listener) as wire:
        for _ in range(8):
            wire.send(server_frame(TEXT, b"x"))
            wire.expect(TEXT, b"x", True, "echo")
        end_well(wire)
        check(len(set(wire.keys)) == len(wire.keys), "a masking key was used twice")


def client_fails(octets, code):
    def play(listener):
        with accept(listener) as wire:
            wire.send(octets)
            wire.closed(code, masked=True)
    return play


def wrong_accept(listener):
    with accept(listener, key=lambda asked: accept_key(asked + "x")) as wire:
        wire.end()


def cut_short(listener):
    with accept(listener) as wire:
        wire.send(server_frame(TEXT, b"x"))
        wire.expect(TEXT, b"x", True, "echo")


def answers_late(listener):
    """The client must wait for the server to close TCP, and then end at once."""
    with accept(listener) as wire:
        end_well(wire)
        wire.socket.settimeout(0.3)
        try:
            early = wire.socket.recv(1) == b""
        except TimeoutError:
            early = False
        check(not early, "the client closed TCP before the server")


# With whether the client ends with status 0.
CLIENT_CHECKS = {
    "the request": (good_request, True),
    "frames after the response": (frames_after_response, True),
    "single octets": (client_single_octets, True),
    "masking keys differ": (masking_keys, True),
    "waits for the server to close TCP": (answers_late, True),
    "reserved opcode": (client_fails(server_frame(3, b"x"), 1002), False),
    "reserved bit": (client_fails(server_frame(TEXT, b"x", rsv=4), 1002), False),
    "masked frame": (client_fails(frame(TEXT, b"x"), 1002), False),
    "invalid UTF-8, noticed early": (client_fails(server_frame(TEXT, b"\xce\xba\xff", announced=1000), 1007), False),
    "wrong Sec-WebSocket-Accept": (wrong_accept, False),
    "connection cut": (cut_short, False),
}
