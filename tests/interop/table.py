"""The tables of the README, from the results of a run."""

import platform
import re
from pathlib import Path

import drive
import examples
import install

README = Path(__file__).resolve().parent / "README.md"
BEGIN, END = "<!-- tests/interop/all --renew -->\n", "<!-- end of what --renew writes -->\n"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def agreed(outcome, preset):
    """The parameters negotiated with a preset, without the name of the extension."""
    if not outcome.row.compresses:
        return "no compression"
    if preset not in outcome.scenarios:
        return "not tried"
    negotiated = outcome.negotiated.get(preset)
    if negotiated is None:
        return "fails"
    return f"`{negotiated.partition('; ')[2]}`" if "; " in negotiated else "all defaults"


def tables(outcomes):
    rows = []
    for outcome in outcomes:
        counts = [f"{outcome.passed} passed", f"{outcome.differing} differ" * bool(outcome.differing),
                  f"{outcome.failed} failed" * bool(outcome.failed)]
        rows.append([outcome.row.name, outcome.row.version(), outcome.row.role, ", ".join(filter(None, counts)),
                     *(agreed(outcome, preset) for preset in drive.PRESETS)])
    text = table(["peer", "version", "role", "scenarios", "`DeflateConfig::new()`", "`DeflateConfig::context_takeover()`"], rows)
    differing = [[outcome.row.name, outcome.row.role, known.says, known.fault, known.section]
                 for outcome in outcomes for known in sorted(outcome.known, key=lambda known: known.says)]
    return text + "\n" + table(["peer", "role", "what differed", "whose fault", "section"], differing)


def system():
    node = install.call("ask for the version of Node", "node", "--version").strip().removeprefix("v")
    rust = re.search(r"\d\S*", install.call("ask for the version of Rust", "rustc", "--version"))[0]
    name = platform.freedesktop_os_release()["PRETTY_NAME"]
    return f"{name}, Rust {rust}, Node.js {node}, Python {platform.python_version()}:"


def renew(outcomes):
    page = README.read_text()
    try:
        before, rest = page.split(BEGIN)
        _, after = rest.split(END)
    except ValueError:
        raise examples.CannotRun(f"{README} lacks the lines around the tables") from None
    README.write_text(f"{before}{BEGIN}\n{system()}\n\n{tables(outcomes)}\n{END}{after}")
