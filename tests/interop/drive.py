"""Run the driving program with a foreign peer, and judge its result for each scenario."""

import re
import time
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Callable

import examples
import install

PRESETS = ("deflate-new", "deflate-takeover")  # must compress with every peer that can
LATE = 80  # seconds between two lines of the driver, which limits each scenario itself
MOST_LATE = 4  # scenarios in a row that may end with a deadline
BY_PEER = "closed-by-peer-*"  # requires a peer from the folder `peers`


@dataclass
class Row:
    """A foreign peer in one role, or a program in between: a row of the table."""
    name: str
    role: str
    version: Callable
    prepare: Callable  # installs it, and returns what `play` needs, such as its command
    play: Callable  # called with an outcome, what was prepared, and the tools
    compresses: bool = True
    fast: bool = False  # whether it is part of `all --fast`
    skips: tuple = ()  # patterns of scenarios that do not apply

    def scenarios(self, names):
        # Without compression, the parameter sets would all be the same.
        skips = self.skips if self.compresses else (*self.skips, "deflate-*")
        return [name for name in names if not any(fnmatch(name, pattern) for pattern in skips)]


@dataclass(frozen=True)
class Difference:
    """How a peer differs from what a scenario expects."""
    peer: str  # this and the next two are patterns
    role: str
    scenario: str
    complaint: str  # a regular expression for the driver's complaint
    says: str
    fault: str
    section: str

    def concerns(self, row):
        return fnmatch(row.name, self.peer) and fnmatch(row.role, self.role)

    def explains(self, row, scenario, complaint):
        return self.concerns(row) and fnmatch(scenario, self.scenario) and re.search(self.complaint, complaint)


@dataclass
class Tools:
    """What the rows share."""
    work: object  # a folder
    examples: dict  # {name: command}
    differences: tuple

    @property
    def driver(self):
        return self.examples["interop_driver"]


class Outcome:
    """The results of the scenarios of one row."""

    def __init__(self, row, names, differences):
        self.row, self.differences = row, differences
        self.scenarios = row.scenarios(names)
        self.passed, self.failed = 0, 0
        self.known = set()  # differences that occurred
        self.differing = 0  # the number of scenarios with a difference
        self.negotiated = {}
        self.seconds = 0

    def judge(self, line):
        """Process a line of the driver, as `ok NAME SECONDS: DETAIL`."""
        verdict, scenario, seconds, detail = re.fullmatch(r"(ok|FAIL) (\S+) ([0-9.]+): (.*)", line).groups()
        if verdict == "FAIL":
            self.check(scenario, f"{detail} (after {seconds} s)")
        elif scenario in PRESETS and detail == "no compression":
            self.check(scenario, "connected without compression")
        else:
            self.check(scenario, None)
            self.negotiated[scenario] = detail

    def check(self, name, complaint):
        """Record the result of a scenario or another check: None or a complaint."""
        known = [each for each in self.differences if complaint and each.explains(self.row, name, complaint)]
        if not complaint:
            self.passed += 1
        elif known:
            self.known.add(known[0])
            self.differing += 1
        else:
            self.fail(f"{name}: {complaint}")

    def fail(self, complaint):
        self.failed += 1
        print(f"FAIL  {self.row.name:32} {self.row.role:19} {complaint}", flush=True)

    def __str__(self):
        differ = f", {self.differing} known differences" if self.differing else ""
        return (f"{'FAIL' if self.failed else 'ok':4}  {self.row.name:32} {self.row.role:19} "
                f"{self.passed} passed{differ}, {self.failed} failed  ({self.seconds:.1f} s)")


def prepare(row, work):
    """Install what a row needs. A failure is recorded for this row; the other rows can still be played."""
    try:
        return row.prepare(work)
    except examples.CannotRun as e:
        return e


def play(row, prepared, names, tools):
    outcome = Outcome(row, names, tools.differences)
    began = time.monotonic()
    try:
        if isinstance(prepared, examples.CannotRun):
            raise prepared
        row.play(outcome, prepared, tools)
    except (examples.CannotRun, OSError) as e:
        outcome.fail(str(e))
    outcome.seconds = time.monotonic() - began
    print(outcome, flush=True)
    return outcome


def judge_all(outcome, driving):
    """Process the lines that the driver prints about the scenarios of a row."""
    late = 0  # scenarios in a row that ended with a deadline
    for number in range(len(outcome.scenarios)):
        line = driving.line(LATE) if late < MOST_LATE else None
        if line is None:
            driving.wait(1)
            said = f": {driving.stderr[-1]}" if driving.stderr else ""
            outcome.fail(f"ended after {number} of {len(outcome.scenarios)} scenarios{said}")
            return
        outcome.judge(line)
        late = late + 1 if "timed out" in line or "timeout" in line else 0


def as_client(outcome, tools, url, *options):
    """Drive an echo server."""
    with examples.Process([*tools.driver, "client", *options, url, *outcome.scenarios]) as driving:
        judge_all(outcome, driving)


def with_server(outcome, command, tools, *options):
    """Drive an echo server that is started for it, and again if a scenario ends it."""
    left = outcome.scenarios
    while left:
        with examples.Server(command, ["server"]) as server:
            left = until_ended(outcome, [*tools.driver, "client", *options, server.url], server, left)


def until_ended(outcome, driver, server, scenarios):
    """Drive an echo server for as long as it runs. Returns the remaining scenarios."""
    late = 0
    for number, scenario in enumerate(scenarios, 1):
        with examples.Process([*driver, scenario]) as driving:
            line = driving.line(LATE) or f"FAIL {scenario} {LATE}.0: timeout: the driver was silent"
        passed = line.startswith("ok ")
        # A server that this scenario ended may need a moment to exit.
        if server.wait(0 if passed else 0.3) is not None:
            outcome.judge(f"{line.replace('ok ', 'FAIL ', 1)} (the server ended{server.last_words()})")
            return scenarios[number:]
        outcome.judge(line)
        late = 0 if passed else late + ("timed out" in line or "timeout" in line)
        if late == MOST_LATE:
            outcome.fail(f"given up after {number} of {len(scenarios)} scenarios")
            break
    return []


def urls(url, scenarios):
    return [f"{url}/{name}{'?deflate' * name.startswith('deflate-')}" for name in scenarios]


def with_client(outcome, command, tools):
    """Drive an echo client that is started for it."""
    with examples.Server(tools.driver, ["server", *outcome.scenarios]) as driving:
        with examples.Process([*command, "client", *urls(driving.url, outcome.scenarios)]) as client:
            judge_all(outcome, driving)
            if client.wait(10) is None:
                outcome.fail("the client did not end")
