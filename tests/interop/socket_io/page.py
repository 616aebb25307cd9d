"""Chromium with the page of the example `socket_io`: the chat, at the sizes of a desk and of a phone."""

import shutil
from pathlib import Path

import servers
import chromium
import examples

HERE = Path(__file__).resolve().parent
LATE = 90  # seconds for a scenario; each step in it has its own, shorter bound
NAMES = ("desktop", "phone", "only polling", "only WebSocket", "many people and messages", "dark", "reconnects")


def play(checks, tools):
    """Play the scenarios of page.js, with the official client from npm."""
    if not any(map(checks.wanted, NAMES)):
        return
    browser = chromium.find()
    shots = tools.work / "page"
    shutil.rmtree(shots, ignore_errors=True)
    shots.mkdir(parents=True)
    client = tools.work / "node" / "node_modules" / "socket.io-client" / "dist" / "socket.io.min.js"
    address = f"127.0.0.1:{servers.unused_port()}"
    command = [*examples.commands(["socket_io"], [])["socket_io"], "--client", str(client)]
    arguments = ("--addr", address)
    server = examples.Server(command, arguments)
    try:
        with examples.Process([*tools.node, str(HERE / "page.js"), browser, str(shots), f"http://{address}/"]) as process:
            for name in NAMES:
                while (line := process.line(LATE)) in ("kill", "lost"):
                    if line == "kill":
                        server.kill()
                    else:
                        server = examples.Server(command, arguments)
                if line is None:
                    process.wait(0.5)
                    checks.judge("page", name, f"Chromium's driver ended or was silent for {LATE} s: {process.stderr[-1:]}")
                    return
                verdict, _, said = line.partition(" ")
                checks.judge("page", name, None if verdict == "ok" else said.partition(": ")[2])
        checks.judge("page", "stops after all", server.stop())
    finally:
        server.kill()
    print(f"screenshots: {shots}")
