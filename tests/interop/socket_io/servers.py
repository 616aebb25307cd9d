"""The server under test as a process with the settings of the conformance server."""

import os
import shlex
import signal
import socket
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
import examples
import install
from raw import Complaint, check

START = 20  # seconds until a server has to accept connections
STOP = 8  # seconds until it has to have ended after SIGTERM: the contract

# In ms. CALM is for checks that no timer may disturb; FAST is what the official test suites expect.
CALM = {"UPGRADE_TIMEOUT": 700, "ACK_TIMEOUT": 400}
FAST = {"PING_INTERVAL": 300, "PING_TIMEOUT": 200, "CONNECT_TIMEOUT": 1000, "UPGRADE_TIMEOUT": 700, "ACK_TIMEOUT": 400}


def chosen(options, work):
    """The command of the server to test, by the options of a runner."""
    if options.reference:
        return [*install.node(work, HERE / "package.json"), str(HERE / "reference.js")]
    if options.server:
        return shlex.split(options.server)
    return examples.commands(["socket_io_conformance"], [])["socket_io_conformance"]


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Server(examples.Process):
    """A running server; it accepts connections when the constructor returns."""

    host = "127.0.0.1"

    def __init__(self, command, settings=CALM, port=None):
        self.command, self.settings, self.port = command, settings, port or unused_port()
        variables = {f"SIO_{name}": str(value) for name, value in {**settings, "PORT": self.port}.items()}
        super().__init__(command, env={**os.environ, **variables})
        self.url = f"http://{self.host}:{self.port}"
        deadline = time.monotonic() + START
        while not self.accepts():
            status = self.wait(0.02)
            if status is not None or time.monotonic() > deadline:
                self.kill()
                raise examples.CannotRun(f"{' '.join(command)}: not ready, status {status}{self.last_words()}")

    def accepts(self):
        try:
            socket.create_connection((self.host, self.port), 1).close()
        except OSError:
            return False
        return True

    def again(self):
        """A new server with the same settings on the same port, after this one has ended."""
        return Server(self.command, self.settings, self.port)

    def stop(self, number=signal.SIGTERM):
        """Ask it to end, which must succeed within the time of the contract."""
        check(self.running(), f"the server had ended with status {self.child.returncode}{self.last_words()}")
        self.child.send_signal(number)
        status = self.wait(STOP)
        check(status is not None, f"the server still ran {STOP} s after {signal.Signals(number).name}")
        check(status == 0, f"the server ended with status {status}{self.last_words()}")

    def last_words(self):
        return f": {self.stderr[-1]}" if self.stderr else ""

    def memory(self):
        """Resident bytes."""
        lines = Path(f"/proc/{self.child.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))

    def descriptors(self):
        return len(list(Path(f"/proc/{self.child.pid}/fd").iterdir()))


__all__ = ["CALM", "FAST", "Complaint", "Server", "check"]
