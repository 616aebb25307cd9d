"""Checks of the client in pipes. Each gets the tools, and raises if something is wrong."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import examples
import fronts
import peers
import raw
from certificate import Certificate
from raw import check

PATIENCE = 15


def run(command, stdin=b"", status=0):
    """Run to the end. Returns what was written to standard output and to standard error."""
    try:
        done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise raw.Complaint(f"{command[-1]}: it still ran after {PATIENCE} s") from None
    errors = done.stderr.decode(errors="replace")
    check(done.returncode == status, f"status {done.returncode}, not {status}: {errors[:300]}")
    return done.stdout, errors


def fails(command, stdin=b"", status=1):
    """The program must fail with one line, which is returned."""
    _, errors = run(command, stdin, status)
    check(errors.count("\n") == 1 and errors.endswith("\n"), f"not one line: {errors!r}")
    check(all(c == "\n" or c.isprintable() for c in errors), f"control characters: {errors!r}")
    return errors


def lines(tools):
    with tools.echo() as server:
        check(run([*tools.client, server.url], "one\r\ntwo 😀\n\nlast".encode()) == ("one\ntwo 😀\n\nlast\n".encode(), ""),
              "the lines did not come back, or there was more")
        many = b"".join(b"line %d\n" % n for n in range(50_000))
        check(run([*tools.client, server.url], many)[0] == many, "50,000 lines did not come back")


def scheme(tools):
    with tools.echo() as server:
        for url in (f"{server.host}:{server.port}", f"http://{server.host}:{server.port}", f":{server.port}"):
            check(run([*tools.client, url], b"hello\n")[0] == b"hello\n", url)


def newlines(tools):
    frames = (peers.text("a\nb\r\nc"), raw.server_frame(raw.BINARY, b"\xff\n"))
    for option, expected in (([], b"a b c\n\xff\n\n"), (["-0"], b"a\nb\r\nc\0\xff\n\0"), (["-b"], b"a\nb\r\nc\xff\n")):
        with peers.Served(peers.sends(*frames)) as server:
            got = run([*tools.client, "--no-close", *option, server.url])[0]
            check(got == expected, f"{option}: {got!r}")


def binary(tools):
    octets = os.urandom(300_000)
    with tools.echo() as server:
        check(run([*tools.client, "--binary", "--deflate", server.url], octets)[0] == octets, "other bytes came back")


def null(tools):
    with peers.Served(peers.expects("one\ntwo", "three")) as server:
        run([*tools.client, "-0", server.url], b"one\ntwo\0three\0")


def invalid_input(tools):
    with peers.Served(peers.expects("text")) as server:
        check("--binary" in fails([*tools.client, server.url], b"text\n\xff\n"), "no advice")
    with peers.Served(peers.expects()) as server:
        check("longer than 10 bytes" in fails([*tools.client, "--max-message-size", "10", server.url], b"x" * 11), "no limit")


def head(tools):
    """Nobody reads the output any longer: the client closes with 1001, without a complaint."""
    def play(listener):
        with raw.accept(listener) as wire:
            wire.send(peers.text("first"))
            wire.expect(raw.TEXT, b"go", True, "the line")
            wire.send(peers.text("second"))
            wire.closed(1001, masked=True)
            wire.send(peers.close(1001))
    with peers.Served(play) as server:
        child = subprocess.Popen([*tools.client, server.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        check(child.stdout.readline() == b"first\n", "the first line")
        child.stdout.close()
        child.stdin.write(b"go\n")
        child.stdin.flush()
        status = child.wait(PATIENCE)
        child.stdin.close()
        with child.stderr:
            check((status, child.stderr.read()) == (0, b""), f"status {status}")


def signals(tools):
    for number in (signal.SIGTERM, signal.SIGINT):
        with peers.Served(peers.expects("ready", code=1001)) as server:
            with examples.Process([*tools.client, "-v", server.url], stdin=subprocess.PIPE) as process:
                process.child.stdin.write("ready\n")
                process.child.stdin.flush()
                check(process.line(0.5) is None, "output")
                process.child.send_signal(number)
                check(process.wait(PATIENCE) == 0, f"status {process.child.returncode} after {number.name}")
                check("1001 (going away), by this side" in process.stderr[-1], process.stderr[-1])


def refusal(tools):
    response = b"HTTP/1.1 403 Go\x80away\r\nContent-Length: 12\r\n\r\n\r\nno\x1b[2J\r\nxx"
    with peers.Served(peers.refuses(response)) as server:
        line = fails([*tools.client, server.url])
        check("refused: 403" in line and "no\\x1b[2J" in line, line)


def gone(tools):
    with peers.Served(peers.vanishes(peers.text("last"))) as server:
        check("connection lost" in fails([*tools.client, "--no-close", server.url]), "no reason")


def reconnects(tools):
    """In a pipe, what was not sent waits for the next connection."""
    with peers.Served(peers.vanishes(), port=peers.lasting_port()) as server:
        with examples.Process([*tools.client, "--reconnect", server.url], stdin=subprocess.PIPE) as process:
            server.thread.join(PATIENCE)
            with peers.Served(peers.expects("later"), port=server.port):
                process.child.stdin.write("later\n")
                process.child.stdin.close()
                check(process.wait(PATIENCE) == 0, f"status {process.child.returncode}: {process.stderr}")
                check(not process.stderr, f"{process.stderr}")


def listens(tools):
    """A file goes to the first client, and the server ends with the file."""
    with examples.Process([*tools.client, "--listen", "0", "--deflate"], stdin=subprocess.PIPE) as server:
        while not server.stderr:
            check(server.running(), "the server ended")
        url = server.stderr[0].removeprefix("listening on ")
        server.child.stdin.write("one\ntwo\n")
        server.child.stdin.close()
        out, errors = run([*tools.client, "--deflate", "-nv", url], b"to the server\n")
        check(out == b"one\ntwo\n", f"{out!r}")
        check("permessage-deflate" in errors and "1000 (OK), by the server" in errors, errors)
        check(server.wait(PATIENCE) == 0, f"status {server.child.returncode}: {server.stderr}")


def listens_to_pages(tools):
    """Web pages may connect only if they are allowed to."""
    with examples.Process([*tools.client, "--listen", "127.0.0.1:0", "--echo", "-v", "--origin", "https://good.example"]) as server:
        while not server.stderr:
            check(server.running(), "the server ended")
        url = server.stderr[0].removeprefix("listening on ")
        check(run([*tools.client, "--origin", "https://good.example", url], b"hello\n")[0] == b"hello\n", "not allowed")
        check("403" in fails([*tools.client, "--origin", "https://evil.example", url]), "allowed")
        server.child.terminate()
        check(server.wait(PATIENCE) == 0, f"status {server.child.returncode}")
        check(any("--origin https://evil.example" in line for line in server.stderr), "no advice")
    with raw.listen() as taken:
        line = fails([*tools.client, "--listen", "%s:%d" % taken.getsockname()])
        check("another program already does" in line, line)


def tls(tools):
    with tempfile.TemporaryDirectory() as folder:
        certificate = Certificate(Path(folder), "server")
        with tools.echo(*certificate.arguments) as server:
            url = server.url.replace("ws://", "wss://")
            check(run([*tools.client, "--cacert", str(certificate.cert), url], b"hello\n")[0] == b"hello\n", "--cacert")
            check(run([*tools.client, "--insecure", url], b"hello\n")[0] == b"hello\n", "--insecure")
            check("cannot set up TLS" in fails([*tools.client, url]), "an untrusted certificate was accepted")
        check("no certificate" in fails([*tools.client, "--cacert", str(certificate.key), url]), "a key is no certificate")


def credentials(tools):
    """No credential of the command line is printed, whatever is wrong."""
    nobody = f"127.0.0.1:{fronts.free_port()}"
    secret = "s3cret"
    for status, arguments in (
        (1, [f"ws://user:{secret}@{nobody}/?token={secret}"]),
        (1, [f"ws://user:{secret}@{nobody}:0/"]),
        (1, [f"ws://user:{secret}@one", f"ws://user:{secret}@two"]),
        (1, ["--proxy", f"http://user:{secret}@127.0.0.1:99999", nobody]),
        (1, ["--proxy", f"ftp://user:{secret}@{nobody}", nobody]),
        (1, ["--proxy", f"http://user:{secret}@{nobody}", "ws://example.com"]),
        (1, ["-H", f"Authorization {secret}", nobody]),
        (1, ["-H", f"Author ization: {secret}", nobody]),
    ):
        line = fails([*tools.client, "--verbose", *arguments], status=status)
        check(secret not in line, line)
    with peers.Served(peers.sends()) as server:
        url = server.url.replace("://", f"://user:{secret}@") + f"/?token={secret}"
        errors = run([*tools.client, "-v", "-H", f"Authorization: Bearer {secret}", "--no-close", url])[1]
        check("Connected to" in errors and secret not in errors, errors)


def echo(tools):
    """With --echo, standard input does not matter, and is not read."""
    def play(listener):
        with raw.accept(listener) as wire:
            wire.send(peers.text("ping") + peers.text("pong"))
            wire.expect(raw.TEXT, b"ping", True, "echo")
            wire.expect(raw.TEXT, b"pong", True, "echo")
            wire.send(peers.close(1000))
            wire.closed(1000, masked=True)
    reading, writing = os.pipe()
    os.write(writing, b"unread\n")
    os.close(writing)
    with peers.Served(play) as server, os.fdopen(reading, "rb") as stdin:
        with examples.Process([*tools.client, "--echo", server.url], stdin=stdin) as process:
            check(process.wait(PATIENCE) == 0 and not process.stdout and not process.stderr, f"{process.stderr}")
        check(stdin.read() == b"unread\n", "standard input was read")


def header_file(tools):
    def play(listener):
        with raw.accept(listener) as wire:
            check(wire.fields.get("authorization") == ["Bearer x"] and wire.fields.get("x-two") == ["2"], f"{wire.fields}")
            wire.send(peers.close(1000))
            wire.closed(1000, masked=True)
    with tempfile.NamedTemporaryFile("w") as file, peers.Served(play) as server:
        file.write("Authorization: Bearer x\n\nX-Two: 2\n")
        file.flush()
        run([*tools.client, "--no-close", "-H", f"@{file.name}", server.url])


def python_websockets(tools):
    with tools.python_server() as server:
        # This server answers a Close at once, and messages that precede it no longer.
        command = [*tools.client, "--no-close", "-v", "--deflate=server_max_window_bits=10", server.url]
        out, errors = run(command, b"hello\n" * 100 + b"close 1000 done\n")
        check(out == b"hello\n" * 100, "the lines did not come back")
        check("permessage-deflate; server_max_window_bits=10" in errors, errors)
        errors = run([*tools.client, "-vn", server.url], b"close 4000 as you like\n")[1]
        check('Connection closed: 4000 (private use) "as you like", by the server' in errors, errors)


CHECKS = {
    "lines in, lines out": lines,
    "a missing scheme": scheme,
    "line breaks in messages": newlines,
    "--binary": binary,
    "--null": null,
    "input that cannot be sent": invalid_input,
    "nobody reads the output": head,
    "signals": signals,
    "refusal in one line": refusal,
    "the server is gone": gone,
    "--reconnect keeps the input": reconnects,
    "--listen": listens,
    "--listen and web pages": listens_to_pages,
    "--cacert and --insecure": tls,
    "no credentials": credentials,
    "--echo": echo,
    "--header @FILE": header_file,
    "Python websockets": python_websockets,
}
