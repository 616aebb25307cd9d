"""Get foreign software through the ordinary package managers: npm and pip below the target directory, apt for root."""

import json
import os
import re
import shutil
import subprocess
import venv
from pathlib import Path

import examples

HERE = Path(__file__).resolve().parent


def call(what, *command, **options):
    """Run a command that must succeed; return what it printed."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              encoding="utf-8", check=False, **options)
    except FileNotFoundError:
        raise examples.CannotRun(f"{command[0]} is missing; it is needed to {what}") from None
    if done.returncode:
        raise examples.CannotRun(f"could not {what}:\n{done.stdout}")
    return done.stdout


def fresh(folder, wanted, install_into):
    """Install into a folder, unless the wanted versions are already installed."""
    stamp = folder / wanted.name  # copied last, so it marks a complete installation
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        print(f"installing the packages of {wanted.name}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install_into(folder)
        shutil.copy(wanted, stamp)


def node(work, wanted=HERE / "package.json"):
    """Install the packages from npm that a manifest names; return the command that runs a script with them."""
    def into(folder):
        shutil.copy(wanted, folder)
        call("install from npm", "npm", "install", "--no-package-lock", "--no-audit", "--no-fund", cwd=folder)

    fresh(work / "node", wanted, into)
    os.environ["NODE_PATH"] = str(work / "node" / "node_modules")
    return ["node"]


def node_version(package):
    return json.loads((HERE / "package.json").read_text())["dependencies"][package]


def python(work, wanted=HERE / "requirements.txt"):
    """Install the packages from PyPI that a list names; return the command that runs a script with them."""
    def into(folder):
        venv.create(folder, with_pip=True)
        call("install from PyPI", folder / "bin" / "python", "-m", "pip", "install", "--quiet",
             "--disable-pip-version-check", "-r", wanted)

    fresh(work / "python", wanted, into)
    return [str(work / "python" / "bin" / "python")]


def python_version(package):
    return re.search(rf"^{package}==(.*)$", (HERE / "requirements.txt").read_text(), re.MULTILINE)[1]


def debian(*packages):
    """Check that Debian packages are installed. Root installs those that are missing."""
    missing = [package for package in packages if not debian_version(package)]
    if not missing:
        return
    if not shutil.which("apt-get") or os.geteuid():
        raise examples.CannotRun(f"these Debian packages are missing: {' '.join(missing)}")
    print(f"installing {' '.join(missing)}", flush=True)
    options = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    call("update the list of Debian packages", "apt-get", "update", **options)
    call(f"install {' '.join(missing)}", "apt-get", "install", "--yes", "--no-install-recommends", *missing, **options)


def debian_version(package):
    """The version of an installed Debian package without epoch and revision, or None."""
    try:
        done = subprocess.run(["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Version}", package],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", check=False)
    except FileNotFoundError:
        raise examples.CannotRun("this needs a Debian system: dpkg-query is missing") from None
    status, _, version = done.stdout.partition(" ")
    return re.sub(r"^\d+:|[-+].*", "", version) if status == "installed" else None


def built(work, source, compiler, libraries=(), **options):
    """Compile a source file, unless that has been done; return the program."""
    program = work / "bin" / source.stem
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        print(f"compiling {source.name}", flush=True)
        program.parent.mkdir(parents=True, exist_ok=True)
        call(f"compile {source.name}", *compiler, "-o", program, source, *libraries, **options)
    return [str(program)]
