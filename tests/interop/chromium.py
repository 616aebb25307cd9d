"""Chromium as a foreign client: a page that plays the checks of browser/page.js, and the start of the browser."""

import http.server
import json
import os
import queue
import shutil
import threading
from pathlib import Path

import examples
import install
from certificate import Certificate

PAGE_JS = Path(__file__).resolve().parent / "browser" / "page.js"
PAGE = b"<!doctype html><title>Checks</title><script src='page.js'></script><script>playAll()</script>"
NAMES = ("chromium", "chromium-browser", "google-chrome")
LOAD = 60  # seconds within which the browser must have loaded the page; the first start on a machine is slow
PATIENCE = 40  # seconds for a check; each step in the page has its own, shorter limit

# The checks of the page, in order. The names are those in page.js.
CHECKS = ("open", "text", "binary as ArrayBuffer", "binary as Blob", "1 MiB text", "1 MiB binary",
          "1000 pipelined messages", "subprotocol chosen", "no subprotocol", "extensions", "close 1000",
          "close 4000 with a reason", "close without status", "close after messages")
LIMITED_CHECKS = ("at the size limit", "beyond the size limit", "far beyond the size limit")
SHUTDOWN = "close 1001 on SIGTERM"
UNTRUSTED = "untrusted certificate"

# The browser looks for updates and more on its own; these checks are all on the loopback and do not need that.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-proxy-server",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")


def find():
    """The browser's command; if it is missing, apt installs it."""
    def on_path():
        return next(filter(None, map(shutil.which, NAMES)), None)

    if not on_path():
        if not shutil.which("apt-get") or os.geteuid():
            raise examples.CannotRun("the browser checks need chromium, which is missing; --no-browser skips them")
        install.debian("chromium")
    if not on_path():
        raise examples.CannotRun("chromium is missing although it was installed; --no-browser skips its checks")
    return on_path()


class Browser:
    """A browser with the page, which gets one check after another. It starts with the first one."""

    def __init__(self, work):
        self.command = find()
        self.work = work / "chromium"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.trusted, self.untrusted = (Certificate(self.work, name) for name in ("trusted", "untrusted"))
        self.process = None
        self.lock = threading.Lock()

    def play(self, title, url, deflate, meanwhile=lambda: None):
        """Have the page play a check; if it pauses, call `meanwhile`. Returns complaints, or None.

        It plays one at a time.
        """
        with self.lock:
            complaint = None
            self._start()
            try:
                answer = self._turn({"check": title, "url": url, "deflate": deflate})
                if answer == "ready":
                    complaint = meanwhile()
                    answer = self._turn({})
            except queue.Empty:
                status = self.process.wait(0)
                self._end()  # the next check gets a new one
                answer = f"timeout: no answer from the browser in {PATIENCE} s" if status is None else \
                    f"the browser ended with status {status}"
        return "; ".join(filter(None, [answer, complaint])) or None

    def _turn(self, task):
        self.tasks.put(task)
        return self.answers.get(timeout=PATIENCE)

    def _start(self):
        if self.process:
            return
        # Each start has its own queues and port, so that an earlier page cannot interfere.
        self.tasks, self.answers = queue.Queue(), queue.Queue()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(self.tasks, self.answers))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        profile = self.work / "profile"
        shutil.rmtree(profile, ignore_errors=True)
        profile.mkdir()
        self.process = examples.Process(
            [self.command, *FLAGS, f"--user-data-dir={profile}",
             f"--ignore-certificate-errors-spki-list={self.trusted.spki}",
             "http://127.0.0.1:%d/" % self.server.server_port])
        try:
            answer = self.answers.get(timeout=LOAD)
        except queue.Empty:
            said = " / ".join(self.process.stderr[-3:])
            self._end()
            raise examples.CannotRun(f"{self.command} did not load the page within {LOAD} s: {said}") from None
        if answer != "loaded":
            raise examples.CannotRun(f"the page began with {answer!r}")

    def _end(self):
        if self.process:
            self.process.kill()
            self.process = None
            self.server.shutdown()
            self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._end()
        shutil.rmtree(self.work, ignore_errors=True)


def handler(tasks, answers):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self, kind, body, status=200):
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/":
                self.respond("text/html", PAGE)
            elif self.path == "/page.js":
                self.respond("text/javascript", PAGE_JS.read_bytes())
            else:
                self.respond("text/plain", b"not here\n", 404)

        def do_POST(self):
            answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.respond("application/json", json.dumps(tasks.get()).encode())

        def log_message(self, *_):
            pass

    return Handler
