"""Engine.IO sessions by hand: bare HTTP requests, long-polling and WebSocket."""

import http.client
import json
import time

import servers  # sets the path for the next one
import raw
from servers import check

PATH = "/socket.io/"
ENGINE = "/engine.io/"
PATIENCE = 5  # seconds for any single step
SEPARATOR = "\x1e"


class Ended(servers.Complaint):
    """The server has ended the connection; `code` is that of its Close, or None."""

    def __init__(self, code):
        super().__init__(f"the connection has ended, close code {code}")
        self.code = code


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def packets(self):
        check(self.status == 200, f"the poll was answered with {self.status}: {self.body[:80]!r}")
        return self.text.split(SEPARATOR)


class Request:
    """A request whose answer may be read later, or never."""

    def __init__(self, server, target, method="GET", body=None, headers=(), patience=PATIENCE):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=patience)
        body = body.encode() if isinstance(body, str) else body
        try:
            self.connection.request(method, target, body, dict(headers))
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered before the body was sent

    def answer(self):
        try:
            return Answer(self.connection.getresponse())
        except TimeoutError:
            raise servers.Complaint("timeout: the request is not answered") from None
        except (http.client.HTTPException, ConnectionError) as e:
            raise servers.Complaint(f"no answer: {type(e).__name__}: {e}") from None
        finally:
            self.connection.close()

    def drop(self):
        self.connection.sock.close()
        self.connection.close()


def ask(server, target, *arguments, **options):
    return Request(server, target, *arguments, **options).answer()


def refused(server, target, *arguments, statuses=(400,), **options):
    """The request has to be answered with such a status."""
    got = ask(server, target, *arguments, **options)
    check(got.status in statuses, f"{target}: answered with {got.status}, not {' or '.join(map(str, statuses))}")
    return got


class Polling:
    """A session over long-polling."""

    def __init__(self, server, path=PATH):
        self.server, self.path = server, path
        first = ask(server, f"{path}?EIO=4&transport=polling")
        self.first = first
        packet, *self.waiting = first.packets
        check(packet[:1] == "0", f"the open packet is {packet[:60]!r}")
        self.open = json.loads(packet[1:])
        self.sid = self.open["sid"]
        self.target = f"{path}?EIO=4&transport=polling&sid={self.sid}"

    def begin_poll(self, patience=PATIENCE):
        return Request(self.server, self.target, patience=patience)

    def poll(self, patience=PATIENCE):
        """The packets of the next poll."""
        return self.begin_poll(patience).answer().packets

    def try_post(self, body, **options):
        return ask(self.server, self.target, "POST", body, {"Content-Type": "text/plain;charset=UTF-8"}, **options)

    def post(self, *packets):
        got = self.try_post(SEPARATOR.join(packets))
        check((got.status, got.body) == (200, b"ok"), f"the POST was answered with {got.status} {got.body[:60]!r}")

    def packet(self, patience=PATIENCE):
        """The next packet; pings are answered, noops are skipped."""
        deadline = time.monotonic() + patience
        while True:
            while not self.waiting:
                check(time.monotonic() < deadline, "timeout: no packet in time")
                self.waiting = self.poll(patience)
            packet = self.waiting.pop(0)
            if packet == "2":
                self.post("3")
            elif packet != "6":
                return packet

    def expect(self, *wanted):
        for packet in wanted:
            got = self.packet()
            check(got == packet, f"received {got[:90]!r}, not {packet[:90]!r}")

    def gone(self):
        """The session has to have ended."""
        refused(self.server, self.target)
        refused(self.server, self.target, "POST", "4x")

    def alive(self):
        """The session has to work."""
        if self.path == ENGINE:
            self.post("4are you there")
            self.expect("4are you there")
        else:
            self.post('42["message","are you there"]')
            until(self, '42["message-back","are you there"]')


def masked(opcode, payload):
    """A frame of a client. Long ones have a masking key of zeros, which takes no time."""
    if len(payload) < 1 << 16:
        return raw.frame(opcode, payload)
    return bytes([0x80 | opcode, 0xff]) + len(payload).to_bytes(8) + bytes(4) + payload


class Socket(raw.Wire):
    """A WebSocket connection: a session of its own, or the upgrade of another."""

    def __init__(self, server, path=PATH, sid=None, headers=""):
        super().__init__(raw.socket.create_connection((server.host, server.port), PATIENCE))
        self.server = server
        self.socket.settimeout(PATIENCE)
        query = f"EIO=4&transport=websocket{f'&sid={sid}' if sid else ''}"
        self.send((f"GET {path}?{query} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nUpgrade: websocket\r\n"
                   f"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                   f"{headers}\r\n").encode())
        start, self.fields = self.head("response")
        self.status = int(start.split()[1])
        if self.status != 101:
            raise servers.Complaint(f"the handshake was answered with {self.status}")
        if not sid:
            packet = self.packet()
            check(packet[:1] == "0", f"the open packet is {packet[:60]!r}")
            self.open = json.loads(packet[1:])
            self.sid = self.open["sid"]

    def put(self, *packets):
        """Send packets, text or binary, in one write."""
        self.send(b"".join(masked(raw.TEXT, packet.encode()) if isinstance(packet, str) else masked(raw.BINARY, packet)
                           for packet in packets))

    def message(self):
        """The next message as text or bytes; pings of WebSocket are answered."""
        parts, kind = b"", None
        while True:
            try:
                first, payload = self.frame("a frame", masked=False)
            except servers.Complaint as e:
                if "timeout" in str(e):
                    raise
                raise Ended(None) from None
            opcode = first & 15
            if opcode == raw.CLOSE:
                self.send(raw.frame(raw.CLOSE, payload))
                raise Ended(int.from_bytes(payload[:2]) if payload else 1005)
            if opcode == raw.PING:
                self.send(raw.frame(raw.PONG, payload))
            if opcode in (raw.PING, raw.PONG):
                continue
            kind = opcode or kind
            parts += payload
            if first & 128:
                return parts.decode() if kind == raw.TEXT else parts

    def packet(self):
        """The next packet; pings of Engine.IO are answered."""
        while (packet := self.message()) == "2":
            self.put("3")
        check(packet != "6", "a noop was sent over WebSocket")
        return packet

    def expect(self, *wanted):
        for packet in wanted:
            got = self.packet()
            check(got == packet, f"received {got[:90]!r}, not {packet[:90]!r}")

    def alive(self):
        self.put('42["message","are you there"]')
        until(self, '42["message-back","are you there"]')

    def finish(self):
        """Close with a closing handshake."""
        self.send(raw.frame(raw.CLOSE, b"\x03\xe8"))
        code, _ = self.gone()
        check(code == 1000, f"the Close was answered with {code}")
        self.socket.close()

    def gone(self, patience=PATIENCE):
        """The server has to end the connection; returns its close code and what it sent before."""
        self.socket.settimeout(patience)
        before = []
        try:
            while True:
                before.append(self.message())
        except Ended as end:
            return end.code, before


def until(session, wanted, most=10000):
    """Take packets until this one; return those before it."""
    before = []
    while (packet := session.packet()) != wanted:
        before.append(packet)
        check(len(before) < most, f"{most} packets, and none of them is {wanted[:60]!r}")
    return before


def joined(session, namespace="/", auth=None):
    """Join a namespace; return the id of the socket in it."""
    prefix = "" if namespace == "/" else f"{namespace},"
    give(session, f"40{prefix}{json.dumps(auth) if auth is not None else ''}")
    packet = session.packet()
    check(packet.startswith(f"40{prefix}{{"), f"the CONNECT was answered with {packet[:90]!r}")
    if namespace in ("/", "/custom"):
        hello = session.packet()
        check(hello.startswith(f'42{prefix}["auth",'), f"{hello[:90]!r} in place of auth")
    return json.loads(packet[2 + len(prefix):])["sid"]


def give(session, *packets):
    (session.post if isinstance(session, Polling) else session.put)(*packets)


def socket_io(server, transport=Socket):
    """A session that has joined the main namespace; its `id` is that of the socket."""
    session = transport(server)
    session.id = joined(session)
    return session


def monitor(server):
    """A socket that receives which other ones end, and why."""
    watcher = socket_io(server)
    watcher.reasons = {}
    watcher.put('421["monitor"]')
    watcher.expect('431["ok"]')
    return watcher


def left(watcher, socket_id):
    """The reason for which a socket ended, as a monitor receives it."""
    while socket_id not in watcher.reasons:
        packet = watcher.packet()
        if packet.startswith('42["left",'):
            _, who, reason = json.loads(packet[2:])[:3]
            watcher.reasons[who] = reason
    return watcher.reasons[socket_id]


def nobody_is_left(server):
    """The server has to count no socket in the main namespace, soon."""
    admin = Socket(server)
    joined(admin, "/admin", {"token": "secret"})
    deadline = time.monotonic() + 2
    while True:
        admin.put('42/admin,1["count"]')
        answer = admin.packet()
        if answer == "43/admin,1[0]":
            return
        check(time.monotonic() < deadline, f"sockets that have ended still count: {answer}")
        time.sleep(0.02)
