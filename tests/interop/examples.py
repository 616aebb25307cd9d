"""The crate's examples as processes: build them, start one, stop it. Shared by tests/interop/run and tests/autobahn/run."""

import argparse
import concurrent.futures
import json
import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if sys.version_info < (3, 11):
    sys.exit("cannot run: this needs Python 3.11 or later")
START = 20  # seconds within which a server must be ready
STOP = 20  # seconds within which it must exit after a signal


class CannotRun(Exception):
    """The tests could not be run, which says nothing about the crate."""


def add_options(parser):
    parser.add_argument("--deflate", action="store_true", help="with permessage-deflate, on both sides")
    parser.add_argument("--bin", action="append", default=[], metavar="NAME=CMD", dest="bins",
                        help="run CMD in place of the example NAME, for instance to run these tests against another library")


def words(text):
    return [word for word in text.split(",") if word]


def metadata():
    done = subprocess.run(["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT,
                          stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise CannotRun("cargo metadata failed")
    return json.loads(done.stdout)


def target_dir():
    return Path(metadata()["target_directory"])


def features():
    """The features that the examples require, and permessage-deflate, which is optional for them.

    Not all features, because another crypto provider takes minutes to build. The same features for every call, so that
    everything is built once.
    """
    package = next(package for package in metadata()["packages"] if package["name"] == "websocket-proto-examples")
    needed = {feature for target in package["targets"] if "example" in target["kind"]
              for feature in target.get("required-features", ())}
    return sorted(needed | {"deflate"} & set(package["features"]))


def build_options():
    """The options to build the examples with, and the folder of the profile.

    EXAMPLES=debug uses what `cargo test --workspace --all-features` has built, which saves minutes after it.
    """
    if os.environ.get("EXAMPLES", "release") == "debug":
        return ["--workspace", "--all-features"], "debug"
    return ["--release", "--features", ",".join(features())], "release"


def commands(names, bins):
    """Build the examples, all in one call of Cargo; return {name: command}, where a --bin replaces an example."""
    given = dict(option.split("=", 1) for option in bins)
    build = [name for name in names if name not in given]
    options, profile = build_options()
    if build:
        print("building: " + " ".join(build), flush=True)
        arguments = [argument for name in build for argument in ("--example", name)]
        done = subprocess.run(["cargo", "build", "--quiet", *options, *arguments],
                              cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise CannotRun("the examples do not build")
    examples = target_dir() / profile / "examples"
    return {name: shlex.split(given[name]) if name in given else [str(examples / name)] for name in names}


def able(servers, commands):
    """Those of the servers that can run here. For each other one, a line says why not.

    A server that the system cannot run at all ends before it listens: `echo_uring`, where there is no io_uring.
    """
    able = []
    for name in servers:
        with Process([*commands[name], "--addr", "127.0.0.1:0"]) as process:
            line = process.line(START)
            status = process.wait(5) if line is None else None
            if status == 1 and any("io_uring" in line for line in process.stderr):
                print(f"skip  {name}: {process.stderr[-1]}", flush=True)
                continue
        able.append(name)
    return able


class Process:
    """A child process that leads a process group, with its output collected line by line."""

    # The running processes, until they are killed; None while the tests are being ended.
    started = set()

    def __init__(self, command, **options):
        if Process.started is None:
            raise CannotRun("the tests are being ended")
        try:
            self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                                          errors="replace", start_new_session=True,
                                          **{"stdin": subprocess.DEVNULL, **options})
        except OSError as e:
            raise CannotRun(f"cannot run {command[0]}: {e.strerror}") from None
        self.stdout, self.stderr = [], []
        self.fresh = queue.Queue()  # unread standard output; None marks its end
        self.readers = [threading.Thread(target=self._read, args=(self.child.stdout, self.stdout, self.fresh)),
                        threading.Thread(target=self._read, args=(self.child.stderr, self.stderr, None))]
        for reader in self.readers:
            reader.daemon = True
            reader.start()
        Process.started.add(self)

    @staticmethod
    def _read(stream, lines, fresh):
        for line in stream:
            lines.append(line.rstrip("\n"))
            if fresh:
                fresh.put(lines[-1])
        if fresh:
            fresh.put(None)

    def line(self, timeout):
        """The next line of standard output, or None at its end or if there is none in time."""
        try:
            return self.fresh.get(timeout=max(0, timeout))
        except queue.Empty:
            return None

    def running(self):
        return self.child.poll() is None

    def wait(self, timeout):
        """The exit status, or None if it still runs after that time."""
        try:
            status = self.child.wait(max(0, timeout))
        except subprocess.TimeoutExpired:
            return None
        for reader in self.readers:
            reader.join(1)
        return status

    @classmethod
    def kill_all(cls):
        """End all processes, and start no more."""
        started, cls.started = cls.started, None
        for process in started or ():
            process.kill()

    def kill(self):
        """End it and everything that it started. Killing a group that has ended is not an error."""
        if Process.started:
            Process.started.discard(self)
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.wait(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Server(Process):
    """A server example (or a foreign server with the same contract), ready when the constructor returns."""

    def __init__(self, command, arguments=("--addr", "127.0.0.1:0"), **options):
        super().__init__([*command, *arguments], **options)
        try:
            line = self.line(START)
            match = re.fullmatch(r"listening on (wss?://([^:/]+):(\d+))", line or "")
            if not match:
                raise CannotRun(f"{' '.join(command)}: not ready but: {line or self.stderr[-1:] or 'no output'}")
        except BaseException:
            self.kill()
            raise
        self.url, self.host, self.port = match[1], match[2], int(match[3])

    def stop(self, number=signal.SIGTERM):
        """Ask it to end; return a complaint about how it ended, or None."""
        if not self.running():
            return f"the server had ended with status {self.child.returncode}" + self.last_words()
        self.child.send_signal(number)
        status = self.wait(STOP)
        if status is None:
            self.kill()
            return f"the server still ran {STOP} s after {signal.Signals(number).name}"
        if status:
            return f"the server ended with status {status} after {signal.Signals(number).name}" + self.last_words()
        if len(self.stdout) != 1:
            return f"the server printed {len(self.stdout)} lines, not one"
        return None

    def last_words(self):
        return f": {self.stderr[-1]}" if self.stderr else ""


def at_once(jobs, function, *arguments):
    """Call a function for each set of arguments, `jobs` calls at a time; yield the results in the order of the arguments."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as executor:
        try:
            yield from executor.map(function, *arguments)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            Process.kill_all()  # so that the other calls end soon
            raise


def main(run):
    """Run a runner; exit status 0 passed, 1 something failed, 2 could not be run."""
    # As exceptions, so that the `with` blocks end what was started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))
    began = time.monotonic()
    try:
        status = run()
    except (CannotRun, argparse.ArgumentTypeError) as e:
        print(f"cannot run: {e}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = 130
    print(f"wall time: {time.monotonic() - began:.0f} s")
    sys.exit(status)
