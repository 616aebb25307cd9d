"""tshark reads the traffic between the driver and an echo server of this crate."""

import collections
import signal
import subprocess
import time

import drive
import examples
import fronts
import install

START = 20  # seconds within which tshark must capture
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
            time.sleep(1)  # tshark prints the line slightly too early
            drive.as_client(outcome, tools, server.url)
            time.sleep(1)
            tshark.child.send_signal(signal.SIGINT)
            tshark.wait(START)
        read(outcome, file, server.port)


def read(outcome, file, port):
    """What tshark reports about the frames: whether they are well formed, and what their headers contain."""
    fields = ("_ws.malformed", "websocket.fragment.error", "websocket.decompression.failed.expert", "tcp.stream",
              "http.request.uri", "tcp.srcport", "websocket.opcode", "websocket.rsv", "websocket.mask")
    command = ["tshark", "-r", str(file), "-d", f"tcp.port=={port},http", "-Y", "websocket || http.request || _ws.malformed",
               # Each frame of a packet is a level of tshark's tree, which may have 500 levels by default.
               "-o", "gui.max_tree_depth:100000", "-T", "fields", *(word for field in fields for word in ("-e", field))]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                          timeout=READ, check=False)
    outcome.check("capture: read", f"status {done.returncode}: {done.stderr[-200:]}" if done.returncode else None)
    malformed, failed, uris = 0, set(), {}
    opcodes, compressed, masks = collections.Counter(), collections.Counter(), set()
    for line in done.stdout.splitlines():
        bad, worse, failure, stream, uri, source, opcode, rsv, mask = line.split("\t")
        malformed += bool(bad or worse)
        if uri:
            uris[stream] = uri.removeprefix("/")
        if failure:
            failed.add(stream)
        side = "server" if source == str(port) else "client"
        opcodes.update(int(number) for number in opcode.split(",") if number)
        compressed[side] += rsv.split(",").count("0x04")
        masks.update((side, value == "1") for value in mask.split(",") if value)

    outcome.check("capture: well formed", f"{malformed} packets are not" if malformed else None)
    names = sorted(uris[stream] for stream in failed)
    outcome.check("capture: decompressed", f"not in {' '.join(names)}" if names else None)
    unknown = set(opcodes) - set(OPCODES)
    missing = [name for number, name in OPCODES.items() if not opcodes[number]]
    outcome.check("capture: opcodes", f"unknown: {unknown}, missing: {missing}" if unknown or missing else None)
    closes, expected = opcodes[8], 2 * len(outcome.scenarios)
    outcome.check("capture: a Close from each side", None if closes == expected else f"{closes} in all, not {expected}")
    both = compressed["server"] and compressed["client"]
    outcome.check("capture: compressed by both sides", None if both else f"frames: {dict(compressed)}")
    right = {("client", True), ("server", False)}
    outcome.check("capture: clients mask, servers do not", None if masks == right else f"{masks}")


ROWS = (drive.Row("tshark", "observer", lambda: install.debian_version("tshark"), lambda _: install.debian("tshark"),
                  capture, skips=(drive.BY_PEER,)),)
