"""Firefox as an echo client. It is driven through WebDriver BiDi, which is a WebSocket itself: the example `client` speaks it."""

import contextlib
import json
import re
import subprocess
import time
from pathlib import Path

import chromium
import drive
import examples
import fronts
import install
from certificate import Certificate

ECHO_JS, PAGE_JS = (Path(__file__).resolve().parent / "browser" / name for name in ("echo.js", "page.js"))
START = 60  # seconds within which the browser must be ready; the first start on a machine is slow
PATIENCE = 20  # seconds for an answer
PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    # RFC 8441, if the server announces it. The preference was renamed.
    "network.http.http2.websockets": True,
    "network.http.spdy.websockets": True,
    # A test may connect any number of times.
    "network.websocket.delay-failed-reconnects": False,
}


class Firefox:
    """A running browser with one page."""

    def __init__(self, client, folder):
        profile = folder / "profile"
        profile.mkdir()
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items())
        (profile / "user.js").write_text("".join(lines))
        self.stack = contextlib.ExitStack()
        self.number = 0
        try:
            self.browser = self.stack.enter_context(examples.Process(
                ["firefox-esr", "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]))
            self.remote = self.stack.enter_context(examples.Process(
                [*client, f"{self._address()}/session"], stdin=subprocess.PIPE))
            self.call("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
            self.page = self.call("browsingContext.getTree")["contexts"][0]["context"]
        except BaseException:
            self.stack.close()
            raise

    def _address(self):
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and self.browser.running():
            for line in list(self.browser.stderr):
                if match := re.search(r"BiDi listening on (ws://\S+)", line):
                    return match[1]
            time.sleep(0.1)
        raise examples.CannotRun(f"Firefox is not ready: {' / '.join(self.browser.stderr[-3:])}")

    def send(self, method, **parameters):
        self.number += 1
        self.remote.child.stdin.write(json.dumps({"id": self.number, "method": method, "params": parameters}) + "\n")
        self.remote.child.stdin.flush()
        return self.number

    def answer(self, number, patience=PATIENCE):
        """The answer to a command; earlier events are skipped."""
        deadline = time.monotonic() + patience
        while line := self.remote.line(deadline - time.monotonic()):
            answer = json.loads(line)
            if answer.get("id") == number:
                if answer["type"] == "error":
                    raise examples.CannotRun(f"Firefox: {answer['message']}")
                return answer["result"]
        raise examples.CannotRun(f"Firefox does not answer: {' / '.join(self.remote.stderr[-1:])}")

    def call(self, method, **parameters):
        return self.answer(self.send(method, **parameters))

    def open(self, url):
        self.call("browsingContext.navigate", context=self.page, url=url, wait="complete")

    def echo(self, urls):
        """Begin to echo. Returns the number of the command, whose answer arrives at the end."""
        script = f"{ECHO_JS.read_text()}\nechoAll({json.dumps(urls)})"
        return self.send("script.evaluate", expression=script, target={"context": self.page}, awaitPromise=True)

    def play(self, title, url):
        """Play a check of page.js with an echo server. Returns a complaint, or None."""
        task = json.dumps({"check": title, "url": url, "deflate": True})
        return self.evaluate(f"(() => {{ {PAGE_JS.read_text()}\nreturn play({task}); }})()")

    def evaluate(self, expression):
        """The value of a promise that is a string or null."""
        number = self.send("script.evaluate", expression=expression, target={"context": self.page}, awaitPromise=True)
        answer = self.answer(number, chromium.PATIENCE)
        if answer["type"] != "success":
            return answer["exceptionDetails"]["text"]
        return answer["result"].get("value")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()


def over_http1(outcome, _, tools):
    with fronts.folder() as folder, Firefox(tools.examples["client"], folder) as firefox:
        with examples.Server(tools.driver, ["server", *outcome.scenarios]) as driving:
            firefox.open("about:blank")
            echoing = firefox.echo(drive.urls(driving.url, outcome.scenarios))
            drive.judge_all(outcome, driving)
            firefox.answer(echoing)


def over_http2(outcome, _, tools):
    """The page comes over HTTP/2, so its WebSockets are streams of that connection, up to haproxy."""
    with fronts.folder() as folder, Firefox(tools.examples["client"], folder) as firefox:
        with examples.Server(tools.driver, ["server", *outcome.scenarios]) as driving:
            with fronts.haproxy(folder, driving.host, driving.port) as (port, _, haproxy):
                firefox.open(f"https://127.0.0.1:{port}/")
                echoing = firefox.echo(drive.urls(f"wss://127.0.0.1:{port}", outcome.scenarios))
                drive.judge_all(outcome, driving)
                firefox.answer(echoing)
                log = "\n".join(haproxy.stdout)
                missing = [name for name in outcome.scenarios if not re.search(rf"HTTP/2\.0 101 \S+/{name}$", log, re.M)]
                outcome.check("over HTTP/2", f"not: {', '.join(missing)}" if missing else None)


def with_hyper(outcome, _, tools):
    """The checks of page.js with `hyper_upgrade`, over HTTP/2 without a proxy in between."""
    with fronts.folder() as folder, Firefox(tools.examples["client"], folder) as firefox:
        certificate = Certificate(folder, "server")
        for titles, limit in ((chromium.CHECKS, ()), (chromium.LIMITED_CHECKS, ("--max-message-size", "4096"))):
            with fronts.echo_server(tools, "hyper_upgrade", *certificate.arguments, *limit) as server:
                firefox.open(f"https://{server.host}:{server.port}/")
                for title in titles:
                    outcome.check(title, firefox.play(title, server.url))
                hold = f"new Promise((done) => {{ window.held = new WebSocket('{server.url}'); held.onopen = () => done(null); }})"
                outcome.check("stays open", firefox.evaluate(hold))
                count = connections(server.port)
                outcome.check("one TCP connection for all", None if count == 1 else f"{count} connections")


def connections(port):
    """The number of TCP connections to a server on the loopback."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(local.endswith(f":{port:04X}") and state == "01" for _, local, _, state, *_ in fields)


def version():
    return install.debian_version("firefox-esr")


def prepare(_):
    install.debian("firefox-esr", "haproxy")


ROWS = (
    drive.Row("Firefox over HTTP/1.1", "client", version, prepare, over_http1),
    drive.Row("Firefox over HTTP/2 to haproxy", "client", version, prepare, over_http2),
    drive.Row("Firefox over HTTP/2 to hyper", "client", version, prepare, with_hyper, skips=("*",)),
)
