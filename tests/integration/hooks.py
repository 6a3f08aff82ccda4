"""An HTTP server that does what a test says: it takes posts, fails, stalls, answers twice, or closes connections."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Post:
    """What came: headers in lower case."""

    headers: dict[str, str]
    body: bytes
    answered: bytes

    @property
    def id(self) -> str:
        return self.headers["idempotency-key"]

    @property
    def taken(self) -> bool:
        """Whether it was answered with 200."""
        return self.answered.startswith(b"HTTP/1.1 200")

    def json(self) -> Any:
        return json.loads(self.body)


class Hook:
    """The posts in their order; `answers` are those to come, then it is OK. An empty one closes the connection."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answers: list[bytes] = []
        self.answer_to: Callable[[bytes], bytes | None] = lambda _body: None  # by body; before `answers`
        self.stall = threading.Event()  # while it is set, nothing is answered
        self.url = ""
        self._lock = threading.Lock()
        self.ended = threading.Event()

    def take(self, headers: dict[str, str], body: bytes) -> bytes:
        """Note a post; returns what to answer."""
        with self._lock:
            answer = self.answer_to(body)
            if answer is None:
                answer = self.answers.pop(0) if self.answers else OK
            self.posts.append(Post(headers, body, answer))
            return answer

    @property
    def taken(self) -> list[Post]:
        """Those that were answered with 200."""
        return [post for post in list(self.posts) if post.taken]


def status(code: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer; `headers` with _ for -."""
    lines = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
    return f"HTTP/1.1 {code} Some\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


@contextmanager
def hook(port: int = 0) -> Iterator[Hook]:
    """A running server."""
    found = Hook()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = found.take({name.lower(): text for name, text in self.headers.items()}, body)
            while found.stall.is_set() and not found.ended.wait(0.05):
                pass
            self.wfile.write(answer)
            self.close_connection = True

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def handle(self) -> None:
            # Who was held does not wait for the answer any more.
            try:
                super().handle()
            except OSError:
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except OSError:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = False
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield found
    finally:
        found.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
