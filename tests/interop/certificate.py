"""Certificates for the checks over TLS."""

import base64
import hashlib
import subprocess

import examples


class Certificate:
    """A self-signed certificate for 127.0.0.1, and the hash of its public key by which Chromium accepts it."""

    def __init__(self, folder, name):
        self.cert, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        self.arguments = ("--tls-cert", str(self.cert), "--tls-key", str(self.key))
        # rustls does not accept a CA certificate as a server's, and `openssl req` makes one by default.
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", self.key, "-out", self.cert)
        public = openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")
        self.spki = base64.b64encode(hashlib.sha256(public).digest()).decode()


def openssl(*arguments, stdin=b""):
    try:
        done = subprocess.run(["openssl", *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    except FileNotFoundError:
        raise examples.CannotRun("openssl is missing; the checks over TLS need it") from None
    if done.returncode:
        raise examples.CannotRun(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace')}")
    return done.stdout
