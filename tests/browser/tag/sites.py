"""HTTP servers for tests of the page tag: a site with pages, and a stand-in for the collector, which notes what it is
sent and answers as a test wants it."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from clickstream.collect.model import Refused, Request
from clickstream.collect.protocols.events import JsonEvents
from clickstream.collect.protocols.model import Limits
from tests.support import PATIENCE, wait_until

STATIC = Path(__file__).parents[3] / "clickstream" / "collect" / "static"
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}

Event = dict[str, Any]


@dataclass(frozen=True)
class Post:
    """A request with events, as it came. `at` is monotonic, in s."""

    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def events(self) -> list[Event]:
        found: list[Event] = json.loads(self.body)
        return found


@dataclass(frozen=True)
class Answer:
    """To a Post. No `status`: the connection is closed without one; `delay_s` before it."""

    status: int | None = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


@dataclass(frozen=True)
class Page:
    """What is served at a path."""

    text: str
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = ".html"


class Site:
    """A server of pages on a port of 127.0.0.1. `requests`: "GET /path", in their order."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[str] = []
        self.port = 0
        self.listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Also again, after `close`."""
        handler = type("Handler", (_Handler,), {"site": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Nobody answers on the port any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10 * PATIENCE)

    def take(self, post: Post) -> Answer:
        return Answer(404)


class StandIn(Site):
    """Takes events as the collector does. `answer` says what to answer to each of its requests.

    `refused`: what the collector would not have taken of them.
    """

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.refused: list[Refused] = []
        self.may_refuse = False
        self._reader = JsonEvents(Limits())
        self.answer: Callable[[Post], Answer] = lambda _post: Answer()
        super().__init__()
        self.pages["/tag.js"] = Page(
            (STATIC / "tag.js").read_text("utf-8"), {"Access-Control-Allow-Origin": "*"}, ".js"
        )

    def take(self, post: Post) -> Answer:
        request = Request("POST", "/e", "", post.headers, "127.0.0.1", 0, post.body)
        self.refused.extend(self._reader.read(request).refused)
        self.posts.append(post)
        return self.answer(post)

    @property
    def events(self) -> list[Event]:
        """All that came so far, in the order in which it happened: posts overtake each other."""
        found = [event for post in self.posts for event in post.events]
        return sorted(found, key=lambda event: event.get("time", 0))

    def named(self, name: str) -> list[Event]:
        return [event for event in self.events if event["event"] == name]

    def urls(self) -> list[str]:
        """Paths with queries and fragments of the page views that came."""
        return ["/" + event["url"].split("/", 3)[3] for event in self.named("pageview")]

    def wait(self, what: Callable[["StandIn"], Any], words: str = "") -> Any:
        """The first true value of `what`."""
        return wait_until(
            lambda: what(self), timeout=20, what=lambda: f"{words or 'the events come'}: {self._seen()}", poll=0.02
        )

    def wait_named(self, name: str, count: int = 1) -> list[Event]:
        """The events of that name when so many have come, each once: what is not answered in time comes again."""

        def different() -> list[Event]:
            return list({event["id"]: event for event in self.named(name)}.values())

        self.wait(lambda _collector: len(different()) >= count, f"{count} x {name}")
        return different()

    def _seen(self) -> list[str]:
        return [f"{event['event']} {event['url']} {event.get('properties', '')}" for event in self.events]


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """Fails in the end when something came that the collector refuses, unless the test set `may_refuse`."""
    server = StandIn()
    try:
        yield server
    finally:
        server.close()
    assert server.may_refuse or not server.refused


class _Handler(BaseHTTPRequestHandler):
    site: ClassVar[Site]
    timeout = 10  # of connections that the browser opens in advance

    def log_message(self, *_args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.site.requests.append(f"GET {self.path}")
        page = self.site.pages.get(path)
        if page is None:
            self._send(404, {}, b"")
        else:
            self._send(200, {"Content-Type": TYPES[page.kind], **page.headers}, page.text.encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.site.requests.append(f"POST {self.path}")
        answer = self.site.take(Post(dict(self.headers), body, time.monotonic()))
        if answer.delay_s:
            threading.Event().wait(answer.delay_s)
        if answer.status is not None:
            shared = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
            self._send(answer.status, {**shared, **answer.headers}, b"{}")

    def do_OPTIONS(self) -> None:
        self.site.requests.append(f"OPTIONS {self.path}")
        self._send(204, {}, b"")

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:  # its page has gone
            self.close_connection = True
