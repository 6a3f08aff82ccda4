"""Certificates of test servers that speak TLS."""

import shutil
import ssl
import subprocess
from pathlib import Path

from tests.support import missing


def self_signed(folder: Path) -> Path:
    """Of localhost, signed by itself; its key and it are together in the file `both` beside it."""
    if shutil.which("openssl") is None:
        missing("no openssl to make a certificate with")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key", "-out", "cert"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    (folder / "both").write_text((folder / "key").read_text() + (folder / "cert").read_text())
    return folder / "cert"


def server_context(certificate: Path) -> ssl.SSLContext:
    """What a server speaks TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.with_name("both"))
    return context
