"""Programs in between: reverse proxies in front of echo servers of this crate, and proxies that its client uses."""

import contextlib
import shutil
import socket
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import drive
import examples
import install
from certificate import Certificate, openssl

READY = 20  # seconds within which a program must listen
# Credentials with characters that must be escaped in a URL.
USER, PASSWORD = "jürgen@example.com", "p@ss:w/ör%d #1?&"

HAPROXY = """
global
    log stdout format raw local0
defaults
    mode http
    log global
    log-format "%HV %ST %HP"
    timeout connect 5s
    timeout client 90s
    timeout server 90s
frontend tls
    bind 127.0.0.1:{port} ssl crt {cert} alpn h2,http/1.1
    # A page for browsers.
    acl websocket hdr(upgrade) websocket
    http-request return status 200 content-type text/html string "<!doctype html><title>Echo</title>" unless websocket
    default_backend echo
backend echo
    server echo {host}:{backend} {options}
"""

NGINX = """
daemon off;
user root;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        location / {{
            proxy_pass http://{host}:{backend};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $http_host;
            proxy_read_timeout 90s;
        }}
    }}
}}
"""

SQUID = """
http_port 127.0.0.1:{port}
auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users
acl users proxy_auth REQUIRED
http_access allow users
http_access deny all
cache deny all
cache_log {folder}/cache.log
access_log none
pid_filename none
shutdown_lifetime 0 seconds
"""


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


@contextlib.contextmanager
def listening(command, port):
    """Run a program until it is no longer needed. Ready when it listens."""
    with examples.Process(command) as process:
        deadline = time.monotonic() + READY
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if not process.running() or time.monotonic() > deadline:
                process.kill()
                said = " / ".join((process.stdout + process.stderr)[-3:])
                raise examples.CannotRun(f"{command[0]} does not listen: {said}")
            time.sleep(0.05)
        yield process


@contextlib.contextmanager
def folder():
    """A folder that is readable by programs that drop the rights of root."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def echo_server(tools, name, *arguments):
    return examples.Server(tools.examples[name], ["--addr", "127.0.0.1:0", "--deflate", *arguments])


@contextlib.contextmanager
def haproxy(work, host, backend, options=""):
    """haproxy with TLS, HTTP/2 and HTTP/1.1 in front of a server; its port, its certificate, and its process."""
    certificate, port, config = Certificate(work, "front"), free_port(), work / "haproxy.cfg"
    both = work / "front-with-key.pem"
    both.write_text(certificate.cert.read_text() + certificate.key.read_text())
    config.write_text(HAPROXY.format(port=port, cert=both, host=host, backend=backend, options=options))
    with listening(["haproxy", "-f", str(config)], port) as process:
        yield port, certificate, process


def through_haproxy(example, options=""):
    def play(outcome, _, tools):
        with folder() as work, echo_server(tools, example) as server:
            with haproxy(work, server.host, server.port, options) as (port, certificate, _):
                drive.as_client(outcome, tools, f"wss://127.0.0.1:{port}", "--cacert", str(certificate.cert))
    return play


def through_nginx(outcome, _, tools):
    with folder() as work, echo_server(tools, "echo_tokio") as server:
        certificate, port, config = Certificate(work, "front"), free_port(), work / "nginx.conf"
        config.write_text(NGINX.format(folder=work, port=port, cert=certificate.cert, key=certificate.key,
                                       host=server.host, backend=server.port))
        with listening(["nginx", "-p", str(work), "-c", str(config)], port):
            drive.as_client(outcome, tools, f"wss://127.0.0.1:{port}", "--cacert", str(certificate.cert))


def refused(tools, proxy, url, *options):
    """With a wrong password, a proxy must refuse, and the client must report it."""
    with examples.Process([*tools.driver, "client", *options, "--proxy", proxy, url, "close-1000"]) as driving:
        line = driving.line(drive.LATE) or "nothing"
        return None if line.startswith("FAIL ") and "cannot connect through the proxy" in line else f"{line}"


def proxied(outcome, tools, scheme, port):
    """Drive a server through a proxy with credentials: in plain text, over TLS, and with a wrong password."""
    user, password = quote(USER, safe=""), quote(PASSWORD, safe="")
    proxy = f"{scheme}://{user}:{password}@127.0.0.1:{port}"
    with folder() as work, echo_server(tools, "echo_tokio") as server:
        drive.as_client(outcome, tools, server.url, "--proxy", proxy)
        outcome.check("wrong password", refused(tools, f"{scheme}://{user}:wrong@127.0.0.1:{port}", server.url))
        outcome.check("no credentials", refused(tools, f"{scheme}://127.0.0.1:{port}", server.url))
        certificate = Certificate(work, "server")
        with echo_server(tools, "echo_tokio", *certificate.arguments) as server:
            options = [*tools.driver, "client", "--cacert", str(certificate.cert), "--proxy", proxy, server.url, "sizes"]
            with examples.Process(options) as driving:
                line = driving.line(drive.LATE) or "nothing"
                outcome.check("TLS through the proxy", None if line.startswith("ok ") else line)


def through_squid(outcome, _, tools):
    with folder() as work:
        port, config = free_port(), work / "squid.conf"
        config.write_text(SQUID.format(folder=work, port=port))
        digest = openssl("passwd", "-apr1", "-stdin", stdin=PASSWORD.encode()).decode().strip()
        (work / "users").write_text(f"{USER}:{digest}\n")
        shutil.chown(work, "proxy")
        with listening(["squid", "-N", "-f", str(config)], port):
            proxied(outcome, tools, "http", port)


def through_microsocks(scheme):
    def play(outcome, _, tools):
        port = free_port()
        with listening(["microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", USER, "-P", PASSWORD], port):
            proxied(outcome, tools, scheme, port)
    return play


def row(name, package, play):
    return drive.Row(name, "intermediary", lambda: install.debian_version(package), lambda _: install.debian(package), play,
                     skips=(drive.BY_PEER,))


ROWS = (
    row("haproxy to HTTP/1.1", "haproxy", through_haproxy("echo_tokio")),
    row("haproxy to HTTP/2", "haproxy", through_haproxy("hyper_upgrade", "proto h2")),
    row("nginx to HTTP/1.1", "nginx", through_nginx),
    row("Squid", "squid", through_squid),
    row("microsocks by socks5://", "microsocks", through_microsocks("socks5")),
    row("microsocks by socks5h://", "microsocks", through_microsocks("socks5h")),
)
