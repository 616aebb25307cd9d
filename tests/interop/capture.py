"""tshark reads what the driver and an echo server of this crate say to each other."""

import collections
import signal
import subprocess
import time

import drive
import examples
import fronts
import install

START = 20  # seconds until tshark has to capture
READ = 300  # seconds to read the capture
OPCODES = {0: "continuation", 1: "text", 2: "binary", 8: "Close", 9: "Ping", 10: "Pong"}


def capture(outcome, _, tools):
    with fronts.folder() as folder, fronts.echo_server(tools, "echo_tokio") as server:
        file = folder / "capture.pcapng"
        command = ["tshark", "-q", "-i", "lo", "-B", "64", "-f", f"tcp port {server.port}", "-w", str(file)]
        with examples.Process(command) as tshark:
            deadline = time.monotonic() + START
            while not any(line.startswith("Capturing on") for line in list(tshark.stderr)):
                if time.monotonic() > deadline or not tshark.running():
                    raise examples.CannotRun(f"tshark does not capture: {' / '.join(tshark.stderr)}")
                time.sleep(0.1)
            time.sleep(1)  # the line comes a little early
            drive.as_client(outcome, tools, server.url)
            time.sleep(1)
            tshark.child.send_signal(signal.SIGINT)
            tshark.wait(START)
        read(outcome, file, server.port)


def read(outcome, file, port):
    """No frame is malformed, every opcode is there, and each scenario ends with one Close from either side."""
    # Each frame of a packet is a level of tshark's tree, which may have 500 unless told otherwise.
    command = ["tshark", "-r", str(file), "-o", "gui.max_tree_depth:100000", "-d", f"tcp.port=={port},http", "-Y", "websocket || _ws.malformed",
               "-T", "fields", "-e", "_ws.malformed", "-e", "websocket.opcode"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                          timeout=READ, check=False)
    outcome.check("capture: read", f"status {done.returncode}: {done.stderr[-200:]}" if done.returncode else None)
    malformed, opcodes = 0, collections.Counter()
    for line in done.stdout.splitlines():
        bad, _, found = line.partition("\t")
        malformed += bool(bad)
        opcodes.update(int(number) for number in found.split(",") if number)
    outcome.check("capture: malformed", f"{malformed} frames" if malformed else None)
    unknown = set(opcodes) - set(OPCODES)
    missing = [name for number, name in OPCODES.items() if not opcodes[number]]
    outcome.check("capture: opcodes", f"unknown: {unknown}, missing: {missing}" if unknown or missing else None)
    closes, expected = opcodes[8], 2 * len(outcome.scenarios)
    outcome.check("capture: Close frames", None if closes == expected else f"{closes}, not {expected}")


ROWS = (drive.Row("tshark", "on the way", lambda: install.debian_version("tshark"), lambda _: install.debian("tshark"),
                  capture, skips=(drive.BY_PEER,)),)
