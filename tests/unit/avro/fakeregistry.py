"""A schema registry that does what only a fake can be made to do: forget, fail, be slow."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from clickstream.avro.http import Address, Client
from clickstream.avro.registry import Registry

USER = '{"type":"record","name":"User","fields":[{"name":"id","type":"long"},{"name":"name","type":["null","string"]}]}'


class FakeRegistry:
    """`schemas` by id, `requests` as (method, path, headers).

    `fail` is answered instead of anything else, with `drip_s` between its bytes. While `speaks` is not set, requests
    are taken and not answered. `rewrites` makes the text that is kept of one that is registered.
    """

    def __init__(self) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, int] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.fail: tuple[int, bytes] | None = None
        self.drip_s = 0.0
        self.speaks = threading.Event()
        self.speaks.set()
        self.rewrites: Callable[[str], str] = lambda text: text
        self.url = ""

    def registry(self, timeout_s: float = 10.0, credentials: str | None = None) -> Registry:
        """A client of it."""
        address = Address(self.url, credentials)
        return Registry(address, Client(address, timeout_s))

    def answer(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        if self.fail is not None:
            return self.fail
        parts = path.strip("/").split("/")
        if parts[:2] == ["schemas", "ids"]:
            found = self.schemas.get(int(parts[2]))
            return _said(200, found) if found else _said(404, {"error_code": 40403, "message": "Schema not found"})
        if parts[:1] == ["subjects"] and parts[2:] == ["versions"] and method == "POST":
            known = self.subjects.get(parts[1])
            text = self.rewrites(body["schema"])
            if known in self.schemas and self.schemas[known]["schema"] == text:
                return _said(200, {"id": known})
            number = len(self.schemas) + 1
            self.schemas[number] = {"schema": text}
            self.subjects[parts[1]] = number
            return _said(200, {"id": number})
        if parts[:1] == ["subjects"] and len(parts) > 1:
            known = self.subjects.get(parts[1])
            if known is None or (method == "POST" and self.schemas[known]["schema"] != self.rewrites(body["schema"])):
                return _said(404, {"error_code": 40401, "message": "Subject not found"})
            return _said(200, {"id": known, "subject": parts[1], "version": 1, **self.schemas[known]})
        if parts[:1] == ["config"] and method == "PUT":
            return _said(200, body)
        return 404, b"<html>no such page</html>"


def _said(status: int, body: Any) -> tuple[int, bytes]:
    return status, json.dumps(body).encode()


@contextmanager
def fake_registry(tls: ssl.SSLContext | None = None) -> Iterator[FakeRegistry]:
    """One that listens until the end, as localhost with `tls`."""
    fake = FakeRegistry()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            fake.requests.append((self.command, self.path, dict(self.headers)))
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            fake.speaks.wait()
            status, said = fake.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            for octet in [said] if not fake.drip_s else [said[at : at + 1] for at in range(len(said))]:
                try:
                    self.wfile.write(octet)
                except OSError:
                    return
                time.sleep(fake.drip_s)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_port}"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        fake.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.speaks.set()
        server.shutdown()
        server.server_close()
