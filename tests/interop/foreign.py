"""The foreign libraries: how each is installed and run.

Each is a program in the folder `peers` that echoes messages. As a server, it prints `listening on ws://HOST:PORT`. As a
client, it connects to the URLs of its command line in turn, and compresses if a URL ends in `?deflate`. The text
`close CODE REASON` requests a Close.
"""

import os
import re
from pathlib import Path

import drive
import install

HERE = Path(__file__).resolve().parent / "peers"


def with_bare_offer(outcome, command, tools):
    """Drive a server that refuses requests with parameters that it does not support."""
    drive.with_server(outcome, command, tools, "--bare-offer")


PLAY = {"server": drive.with_server, "client": drive.with_client, "server (bare offer)": with_bare_offer}


def npm(name, script):
    return [drive.Row(name, role, lambda: install.node_version(name),
                      lambda work: [*install.node(work), str(HERE / script)], PLAY[role], fast=True)
            for role in ("server", "client")]


def pypi(name, script):
    return [drive.Row(name, role, lambda: install.python_version(name),
                      lambda work: [*install.python(work), str(HERE / script)], PLAY[role], fast=True)
            for role in ("server", "client")]


def uvicorn(library, argument):
    """A server that uses another library for the protocol."""
    return drive.Row(f"uvicorn with {library}", "server",
                     lambda: f"{install.python_version('uvicorn')} with {install.python_version(library)}",
                     lambda work: [*install.python(work), str(HERE / "uvicorn_echo.py"), argument], drive.with_server, fast=True)


def debian(name, packages, command, roles=("server", "client"), **options):
    """A program from Debian packages, whose version is that of the first package."""
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


def java(_):
    install.debian("default-jdk-headless")
    return ["java", str(HERE / "Echo.java")]


def java_version():
    return re.search(r'"(.*?)"', install.call("ask for the version of Java", "java", "-version"))[1]


def beast(work):
    return install.built(work, HERE / "beast.cpp", ["g++", "-std=c++17", "-O1", "-pthread"])


def libwebsockets(work):
    return install.built(work, HERE / "libwebsockets.c", ["gcc", "-O1"], ["-lwebsockets"])


ROWS = (
    *npm("ws", "ws_echo.js"),
    *pypi("websockets", "websockets_echo.py"),
    *pypi("aiohttp", "aiohttp_echo.py"),
    *pypi("tornado", "tornado_echo.py"),
    uvicorn("websockets", "websockets-sansio"),
    uvicorn("wsproto", "wsproto"),
    *debian("gorilla/websocket", ("golang-github-gorilla-websocket-dev", "golang-go"), go("gorilla.go")),
    *debian("nhooyr/websocket", ("golang-nhooyr-websocket-dev", "golang-go"), go("coder.go"),
            roles=("server", "server (bare offer)", "client")),
    *debian("Mojolicious", ("libmojolicious-perl",), lambda _: ["perl", str(HERE / "mojolicious_echo.pl")]),
    drive.Row("Java HttpClient", "client", java_version, java, drive.with_client, compresses=False),
    *debian("Boost.Beast", ("libboost-dev", "g++"), beast, roles=("server",)),
    *debian("libwebsockets", ("libwebsockets-dev", "gcc"), libwebsockets, roles=("server",)),
)
