"""A server that answers bulk requests as OpenSearch does, and fails as a test says."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ALIAS = "hits-W-0-1"

Item = dict[str, Any]
Fault = Callable[["SearchServer", list[Item]], bytes | None]
"""What becomes of a request: an answer in place of the usual one; b"" closes the connection; None: the usual one."""


@dataclass
class SearchServer:
    """`versions` and `sources` are by id; `faults` are of the requests to come, `item_fault` is asked for each item.

    With `drip_s`, so much passes between the bytes of an answer.
    """

    url: str = ""
    versions: dict[str, int] = field(default_factory=dict)
    sources: dict[str, Any] = field(default_factory=dict)
    requests: list[list[Item]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    drip_s: float = 0.0
    item_fault: Callable[[str], tuple[int, Item] | None] = lambda _id: None

    def answer(self, body: bytes) -> bytes:
        items = parsed(body)
        self.requests.append(items)
        if self.faults and (said := self.faults.pop(0)(self, items)) is not None:
            return said
        return http(200, self.apply(items))

    def apply(self, items: list[Item]) -> Item:
        """Do what is asked for."""
        results = [{item["verb"]: self._apply(item)} for item in items]
        return {"errors": True, "items": results}

    def _apply(self, item: Item) -> Item:
        fault = self.item_fault(item["_id"])
        if fault is not None:
            return {"status": fault[0], "error": fault[1]}
        has = self.versions.get(item["_id"], -1)
        if has > item["version"]:
            reason = f"current version [{has}] is higher than the one provided [{item['version']}]"
            return {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": reason}}
        self.versions[item["_id"]] = item["version"]
        if item["verb"] == "delete":
            known = self.sources.pop(item["_id"], None)
            return {"status": 404, "result": "not_found"} if known is None else {"status": 200, "result": "deleted"}
        self.sources[item["_id"]] = item["source"]
        return {"status": 200, "result": "updated"}


def parsed(body: bytes) -> list[Item]:
    """The operations of a bulk request."""
    lines = iter(body.splitlines())
    found = []
    for line in lines:
        [(verb, about)] = json.loads(line).items()
        found.append({"verb": verb, **about, "source": None if verb == "delete" else json.loads(next(lines))})
    return found


def http(status: int, answer: Any) -> bytes:
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 {status} Some\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def error(status: int, kind: str, reason: str = "some reason") -> bytes:
    return http(status, {"error": {"type": kind, "reason": reason}, "status": status})


@contextmanager
def search_server(tls: ssl.SSLContext | None = None) -> Iterator[SearchServer]:
    """A running one, over https with `tls`."""
    found = SearchServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            answer = found.answer(self.rfile.read(int(self.headers["Content-Length"])))
            for part in (answer[at : at + 1] for at in range(len(answer))) if found.drip_s else (answer,):
                self.wfile.write(part)
                time.sleep(found.drip_s)
            if not answer or b"Content-Length: 999999" in answer or b"Connection: close" in answer:
                self.close_connection = True

        def handle(self) -> None:
            with suppress(OSError):  # who does not trust the certificate hangs up
                super().handle()

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        # On the handler's thread, where a handshake that fails ends nothing else.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
