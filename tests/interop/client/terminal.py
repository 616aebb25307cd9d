"""A program on a pseudo-terminal, as a person would use it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

PATIENCE = 15  # seconds for anything to appear
SIZE = (40, 160)  # rows and columns
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Missing(Exception):
    pass


class Terminal:
    """A running program, and what it has written to its terminal."""

    def __init__(self, command, **variables):
        self.own, self.its = pty.openpty()
        fcntl.ioctl(self.its, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        self.before = termios.tcgetattr(self.its)
        environment = {"TERM": "xterm-256color", **os.environ, **variables}
        if "NO_COLOR" not in variables:
            environment.pop("NO_COLOR", None)
        self.child = subprocess.Popen(command, stdin=self.its, stdout=self.its, stderr=self.its, start_new_session=True,
                                      env=environment,
                                      preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.raw = ""
        self.bytes = b""
        self.seen = 0  # how much of the text has been expected

    @property
    def text(self):
        """What was written, without escape sequences."""
        return ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    def read(self, seconds):
        if not select.select([self.own], [], [], seconds)[0]:
            return False
        try:
            self.bytes += os.read(self.own, 1 << 16)
        except OSError:  # the end
            return False
        self.raw = self.bytes.decode("utf-8", errors="replace")
        return True

    def expect(self, pattern):
        """Wait until this appears after what was expected before."""
        deadline = time.monotonic() + PATIENCE
        while True:
            if match := re.compile(pattern).search(self.text, self.seen):
                self.seen = match.end()
                return match
            if not self.read(max(0, min(0.2, deadline - time.monotonic()))) and time.monotonic() > deadline:
                raise Missing(f"{pattern!r} did not appear, but {self.text[self.seen:][-400:]!r}")

    def settled(self):
        """Wait for an empty prompt. Between two lines the terminal is not in raw mode, and keys would mean something else."""
        self.expect(r"> \r*$")

    def type(self, text):
        os.write(self.own, text.encode())

    def enter(self, line):
        self.type(line + "\r")

    def ended(self, status):
        """The program must end with this status, and leave the terminal as it was."""
        deadline = time.monotonic() + PATIENCE
        while self.child.poll() is None:
            if time.monotonic() > deadline:
                raise Missing(f"the program still runs after {self.text[-400:]!r}")
            self.read(0.05)
        while self.read(0.05):
            pass
        if self.child.returncode != status:
            raise Missing(f"status {self.child.returncode}, not {status}, after {self.text[-400:]!r}")
        if termios.tcgetattr(self.its) != self.before:
            raise Missing("the settings of the terminal were not restored")
        on, off = self.raw.rfind("\x1b[?2004h"), self.raw.rfind("\x1b[?2004l")
        if on > off:
            raise Missing("bracketed paste was left on")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait(5)
        os.close(self.own)
        os.close(self.its)
