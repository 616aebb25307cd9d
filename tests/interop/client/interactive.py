"""Checks of the client on a terminal. Each gets the tools, and raises if something is wrong."""

import contextlib
import re
import tempfile
import time
from pathlib import Path

import fronts
import peers
import raw
from terminal import Terminal
from raw import check

PASTE, PASTE_END, UP, CTRL_C, CTRL_D = "\x1b[200~", "\x1b[201~", "\x1b[A", "\x03", "\x04"
CONNECTED = r"Connected to ws://127\.0\.0\.1:\d+/ \(no subprotocol, no compression\)\n"
HOSTILE = "".join(map(chr, range(32))) + "\x7f\x80\x9b2J\x1b]0;forged\x07\x1b[2J\x1b[31m\u202etxt\n> forged"


def marks(tools):
    with tools.echo() as server, Terminal([*tools.client, server.url]) as terminal:
        terminal.expect(CONNECTED)
        terminal.settled()
        terminal.enter("hello")
        terminal.expect(r"< hello\n")
        terminal.settled()
        terminal.type(CTRL_D)
        terminal.expect(r"Connection closed: 1000 \(OK\), by this side\n")
        terminal.ended(0)
        check("\x1b[36m<\x1b[0m hello" in terminal.raw, "the mark of received messages has no colour")
        check("\x1b[32m>\x1b[0m " in terminal.raw, "the prompt has no colour")


def no_color(tools):
    with tools.echo() as server, Terminal([*tools.client, server.url], NO_COLOR="1") as terminal:
        terminal.expect(CONNECTED)
        terminal.enter("hello")
        terminal.expect(r"< hello\n")
        terminal.settled()
        terminal.type(CTRL_C)
        terminal.ended(0)
        check(not re.search(r"\x1b\[[0-9;]*m", terminal.raw), "there are colours")


def dumb_terminal(tools):
    with tools.echo() as server, Terminal([*tools.client, server.url], TERM="dumb") as terminal:
        terminal.expect(CONNECTED)
        terminal.enter("hello")
        terminal.expect(r"< hello\n")
        terminal.enter("/close")
        terminal.expect(r"Connection closed: 1000 \(OK\)")
        terminal.ended(0)
        check("\x1b" not in terminal.raw, "there are escape sequences")


def commands(tools):
    with tempfile.NamedTemporaryFile() as file, tools.echo() as server, Terminal([*tools.client, server.url]) as terminal:
        Path(file.name).write_bytes(bytes(range(256)) + b"rest")
        terminal.expect(CONNECTED)
        terminal.enter("/help")
        terminal.expect(r"/ping \[TEXT\]")
        terminal.enter("/ping are you there")
        terminal.expect(r'pong "are you there" after [\d.]+')
        terminal.enter("/ping")
        terminal.expect(r"pong after [\d.]+")
        terminal.enter("/nonsense")
        terminal.expect(r"unknown command /nonsense: see /help, or write //nonsense to send the line\n")
        terminal.enter("//nonsense")
        terminal.expect(r"< /nonsense\n")
        terminal.enter("/close 1005")
        terminal.expect(r"a close code is 1000 to 1003")
        terminal.enter("/binary /no/such/file")
        terminal.expect(r"/no/such/file: No such file")
        terminal.enter(f"/binary {file.name}")
        terminal.expect(r"< binary message, 260 bytes\n  0000  00 01 02 03 .*\n")
        terminal.expect(r"  00f0  f0 .*\n  … 4 more bytes\n")
        terminal.enter("/close 1001 bye")
        terminal.expect(r'Connection closed: 1001 \(going away\) "bye", by this side')
        terminal.ended(0)


def paste(tools):
    with peers.Served(peers.expects("one\n/close\nthree", "typed", "ahead")) as server, Terminal([*tools.client, server.url]) as terminal:
        terminal.expect(CONNECTED)
        terminal.settled()
        terminal.type(f"{PASTE}one\r\n/close\r\nthree\r\n{PASTE_END}")
        # Without a pause, as from a terminal that does not mark what is pasted.
        terminal.enter("\rtyped\rahead")
        terminal.expect("ahead\n")
        terminal.settled()
        terminal.type(CTRL_D)
        terminal.ended(0)


def history(tools):
    with peers.Served(peers.expects("first", "second", "first")) as server, Terminal([*tools.client, server.url]) as terminal:
        terminal.expect(CONNECTED)
        for line in ("first", "second"):
            terminal.enter(line)
            terminal.expect(f"{line}\n")
        terminal.settled()
        terminal.enter(UP + UP)
        terminal.expect(r"first\r*\n")
        terminal.settled()
        terminal.type(CTRL_D)
        terminal.ended(0)


def while_typing(tools):
    """A message that arrives appears above the line that is being typed, which stays."""
    def play(listener):
        with raw.accept(listener) as wire:
            wire.expect(raw.TEXT, b"go", True, "the first message")
            time.sleep(0.5)
            wire.send(peers.text("news"))
            wire.expect(raw.TEXT, b"half done", True, "the line")
            wire.send(peers.close(1000))
            wire.closed(1000, masked=True)
    with peers.Served(play) as server, Terminal([*tools.client, server.url]) as terminal:
        terminal.expect(CONNECTED)
        terminal.type("go\rhalf")
        terminal.expect(r"< news\n> half")
        terminal.enter(" done")
        terminal.expect(r"Connection closed: 1000 \(OK\), by the server")
        terminal.ended(0)


def closed_by_command(tools):
    with peers.Served(peers.expects(code=4000, reason="see you")) as server, Terminal([*tools.client, server.host]) as terminal:
        terminal.expect(CONNECTED)
        terminal.enter("/close 4000 see you")
        terminal.expect(r'Connection closed: 4000 \(private use\) "see you", by this side')
        terminal.ended(0)


def closed_by_server(tools):
    """At the prompt, with the last message and the Close in one packet."""
    play = peers.sends(peers.text("last words"), code=1008, reason="no\x1b[2Jmore")
    with peers.Served(play) as server, Terminal([*tools.client, server.url]) as terminal:
        terminal.expect(CONNECTED)
        terminal.expect(r"< last words\n")
        terminal.expect(r'Connection closed: 1008 \(policy violation\) "no\\x1b\[2Jmore", by the server')
        terminal.ended(0)
        check("\x1b[2J" not in terminal.raw, "an escape sequence of the peer reached the terminal")


def gone(tools):
    with peers.Served(peers.vanishes(peers.text("x"))) as server, Terminal([*tools.client, server.url]) as terminal:
        terminal.expect(CONNECTED)
        terminal.expect(r"Connection lost: 1006 \(no Close was received\)")
        terminal.ended(1)


def violation(tools):
    def play(listener):
        with raw.accept(listener) as wire:
            wire.send(raw.server_frame(3, b"x"))
            wire.closed(1002, masked=True)
    with peers.Served(play) as server, Terminal([*tools.client, server.url]) as terminal:
        terminal.expect(CONNECTED)
        terminal.expect(r"Connection closed: 1002 \(protocol error\).*, by this side: invalid frame header")
        terminal.ended(1)


def hostile(tools):
    """Nothing that a peer sends controls the terminal, or looks like what the program prints."""
    frames = [peers.text(HOSTILE), raw.server_frame(raw.BINARY, HOSTILE.encode()), peers.text("long" * 100_000),
              raw.server_frame(raw.PING, b"\x1b[2J")]

    def play(listener):
        with raw.accept(listener) as wire:
            wire.send(b"".join(frames))
            wire.expect(raw.PONG, b"\x1b[2J", True, "pong")
            wire.send(peers.close(1000))
            wire.closed(1000, masked=True)
    with peers.Served(play) as server, Terminal([*tools.client, "--verbose", server.url]) as terminal:
        terminal.expect(r"\\x1b\]0;forged\\x07\\x1b\[2J\\x1b\[31m\\u\{202e\}txt\n  > forged\n")
        terminal.expect(r"< binary message, \d+ bytes\n  0000  00 01 02")
        terminal.expect(r"… \d+ more bytes\n")
        terminal.expect(r'ping received "\\x1b\[2J"')
        terminal.ended(0)
        for sequence in ("\x1b]0", "\x1b[2J", "\x1b[31m\u202e", "\u202e", "\x9b", "\x07", "\x80", "\x7f"):
            check(sequence not in terminal.raw, f"{sequence!r} reached the terminal")
        check(len(terminal.raw) < 100_000, f"{len(terminal.raw)} characters were written")


def refusal(tools):
    body = "\r\n".join([*(f"line {n}" for n in range(30)), "\x1b[2Jx"]).encode()
    response = (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"\x80door\"\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body)) + body
    with peers.Served(peers.refuses(response)) as server, Terminal([*tools.client, server.url]) as terminal:
        terminal.expect(r"the server refused: 401 Unauthorized\n  WWW-Authenticate: Basic realm=.*\n  line 0\n  line 1\n")
        terminal.expect(r"  line 19\n  …\n")
        terminal.ended(1)
        check("line 20" not in terminal.text, "the body is not bounded")


def reconnects(tools):
    with peers.Served(peers.vanishes(peers.text("one")), port=peers.lasting_port()) as first:
        with Terminal([*tools.client, "--reconnect", first.url]) as terminal:
            terminal.expect(r"< one\n")
            terminal.expect(r"Connection lost: 1006")
            terminal.expect(r"Connecting again in [\d.]+ s; press Enter to connect now")
            terminal.enter("typed meanwhile")
            terminal.expect("it will be sent when there is a connection")
            with peers.Served(peers.expects("typed meanwhile", code=1000), port=first.port):
                terminal.enter("")
                terminal.expect(CONNECTED)
                terminal.settled()
                terminal.type(CTRL_D)
                terminal.expect(r"Connection closed: 1000 \(OK\), by this side")
                terminal.ended(0)


def gives_up(tools):
    """A refusal that cannot pass ends the program, and so does a clean close."""
    for play, status, said in ((peers.refuses(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), 1, "401 Unauthorized"),
                               (peers.sends(code=1000), 0, r"1000 \(OK\), by the server")):
        with peers.Served(play) as server, Terminal([*tools.client, "--reconnect", server.url]) as terminal:
            terminal.expect(said)
            terminal.ended(status)


def ended_while_waiting(tools):
    with Terminal([*tools.client, "--reconnect", f"127.0.0.1:{fronts.free_port()}"]) as terminal:
        terminal.expect("cannot connect: Connection refused")
        terminal.expect("Connecting again in")
        terminal.child.terminate()
        terminal.ended(1)


def listens(tools):
    with Terminal([*tools.client, "--listen", "0", "--subprotocol", "chat"]) as server:
        url = server.expect(r"listening on (ws://127\.0\.0\.1:\d+)")[1]
        server.enter("too early")
        server.expect("not sent: nobody is connected")
        with contextlib.ExitStack() as stack:
            one = stack.enter_context(Terminal([*tools.client, "--subprotocol", "chat", url]))
            one.expect(r"\(subprotocol chat, no compression\)")
            server.expect(r"1: Connected to 127\.0\.0\.1:\d+ \(subprotocol chat, no compression\)")
            two = stack.enter_context(Terminal([*tools.client, url]))
            two.expect("no subprotocol")
            server.expect(r"2: Connected to ")
            one.enter("from one")
            server.expect("<1 from one\n")
            two.enter("from two")
            server.expect("<2 from two\n")
            server.enter("to all")
            one.expect("< to all\n")
            two.expect("< to all\n")
            server.enter("/ping")
            server.expect(r"[12]: pong after")
            two.settled()
            two.type(CTRL_D)
            server.expect(r"2: Connection closed: 1000 \(OK\), by the client")
            two.ended(0)
            server.enter("/close 4001 closing time")
            one.expect(r'Connection closed: 4001 \(private use\) "closing time", by the server')
            one.ended(0)
        server.ended(0)


CHECKS = {
    "prompt, marks and colours": marks,
    "NO_COLOR": no_color,
    "a dumb terminal": dumb_terminal,
    "commands": commands,
    "pasted lines are one message": paste,
    "history": history,
    "messages appear above the line": while_typing,
    "close by command": closed_by_command,
    "close by the server": closed_by_server,
    "the server is gone": gone,
    "a violation of the server": violation,
    "hostile bytes": hostile,
    "refusal with a body": refusal,
    "--reconnect after a restart": reconnects,
    "--reconnect gives up": gives_up,
    "ended while waiting": ended_while_waiting,
    "--listen": listens,
}
