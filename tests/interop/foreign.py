"""The foreign libraries: how each is installed and run.

Each is a program in the folder `peers` that echoes messages. As a server, it prints `listening on ws://HOST:PORT`; as a client, it
connects to the URLs of its command line in turn, and compresses if one ends in `?deflate`. The text `close CODE REASON`
asks it for a Close.
"""

import os
from pathlib import Path

import drive
import install

HERE = Path(__file__).resolve().parent / "peers"
PLAY = {"server": drive.with_server, "client": drive.with_client}


def npm(name, script):
    return [drive.Row(name, role, lambda: install.node_version(name),
                      lambda work: [*install.node(work), str(HERE / script)], play, fast=True)
            for role, play in PLAY.items()]


def pypi(name, script, *arguments, label=None, roles=("server", "client")):
    return [drive.Row(label or name, role, lambda: install.python_version(name),
                      lambda work: [*install.python(work), str(HERE / script), *arguments], PLAY[role], fast=True)
            for role in roles]


def debian(name, packages, command, roles=("server", "client"), **options):
    """Something from Debian packages, of which the first one has the version."""
    def prepare(work):
        install.debian(*packages)
        return command(work)

    return [drive.Row(name, role, lambda: install.debian_version(packages[0]), prepare, PLAY[role], **options)
            for role in roles]


def go(source):
    def compiled(work):
        environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(work / "go-cache")}
        return install.built(work, HERE / source, ["go", "build"], env=environment)

    return compiled


def beast(work):
    return install.built(work, HERE / "beast.cpp", ["g++", "-std=c++17", "-O1", "-pthread"])


def libwebsockets(work):
    return install.built(work, HERE / "libwebsockets.c", ["gcc", "-O1"], ["-lwebsockets"])


ROWS = (
    *npm("ws", "ws_echo.js"),
    *pypi("websockets", "websockets_echo.py"),
    *pypi("aiohttp", "aiohttp_echo.py"),
    *pypi("tornado", "tornado_echo.py"),
    *pypi("uvicorn", "uvicorn_echo.py", "websockets-sansio", label="uvicorn with websockets", roles=("server",)),
    *pypi("uvicorn", "uvicorn_echo.py", "wsproto", label="uvicorn with wsproto", roles=("server",)),
    *debian("gorilla/websocket", ("golang-github-gorilla-websocket-dev", "golang-go"), go("gorilla.go")),
    *debian("nhooyr/websocket", ("golang-nhooyr-websocket-dev", "golang-go"), go("coder.go")),
    *debian("Mojolicious", ("libmojolicious-perl",), lambda _: ["perl", str(HERE / "mojolicious_echo.pl")]),
    *debian("Java HttpClient", ("openjdk-17-jdk-headless",), lambda _: ["java", str(HERE / "Echo.java")],
            roles=("client",), compresses=False),
    *debian("Boost.Beast", ("libboost-dev", "g++"), beast, roles=("server",)),
    *debian("libwebsockets", ("libwebsockets-dev", "gcc"), libwebsockets, roles=("server",)),
)
