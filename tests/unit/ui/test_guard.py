"""Every way in which a page of somebody else could ask, refused for HTTP and for WebSockets."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from clickstream.ui import guard
from clickstream.ui.guard import MAX_BODY_BYTES, Guard, Rules
from clickstream.ui.names import OwnNames
from tests.unit.ui.asgi import Answer, ask, connect

TOKEN = "a-token-of-enough-characters-for-this-test"
HOST = ("host", "127.0.0.1:8321")
ORIGIN = ("origin", "http://127.0.0.1:8321")
BEARER = ("authorization", f"Bearer {TOKEN}")
PAGES = ("/", "/js/app.js")


async def echo(request: Request) -> Response:
    return PlainTextResponse(f"{len(await request.body())} bytes")


async def live(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("inside")


def guarded(bound: str = "127.0.0.1", *public: str) -> ASGIApp:
    rules = Rules(OwnNames(bound, public), TOKEN, bound != "127.0.0.1", PAGES.__contains__)
    inside = Starlette(
        routes=[WebSocketRoute("/live", live), Route("/{path:path}", echo, methods=["GET", "POST", "DELETE"])]
    )
    return Guard(inside, rules)


def every_way(app: ASGIApp, *headers: tuple[str, str]) -> dict[str, int]:
    """How GET, a POST that writes, and a WebSocket are answered; 0 and 200 are let in."""
    return {
        "GET": ask(app, "/api/records", headers).status,
        "POST": ask(app, "/api/control", headers, "POST").status,
        "WebSocket": connect(app, "/live", headers).status,
    }


IN = {"GET": 200, "POST": 200, "WebSocket": 0}


def refused(found: dict[str, int]) -> set[str]:
    return {way for way, status in found.items() if status not in (0, 200)}


def test_our_own_page_may_ask_in_every_way() -> None:
    assert every_way(guarded(), HOST, ORIGIN, BEARER) == IN


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8321",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "0.0.0.0:8321",
        "10.0.0.1",
        "127.0.0.1:8321, evil.example",
        "[::ffff:10.0.0.1]",
        "",
    ],
)
def test_a_name_that_is_not_ours(host: str) -> None:
    # A name that leads to us: Host and Origin agree, and are both the other's.
    for origin in (f"http://{host}", ORIGIN[1]):
        found = every_way(guarded(), ("host", host), ("origin", origin), BEARER)
        assert refused(found) == {"GET", "POST", "WebSocket"}


def test_no_host_and_two_hosts() -> None:
    assert refused(every_way(guarded(), ORIGIN, BEARER)) == {"GET", "POST", "WebSocket"}
    assert refused(every_way(guarded(), HOST, ("host", "evil.example"), ORIGIN, BEARER)) == {"GET", "POST", "WebSocket"}


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1.evil.example:8321", "http://localhost:3000", "null", ""]
)
def test_a_page_that_is_not_ours(origin: str) -> None:
    assert refused(every_way(guarded(), HOST, ("origin", origin), BEARER)) == {"GET", "POST", "WebSocket"}


def test_without_an_origin_one_may_only_read() -> None:
    assert refused(every_way(guarded(), HOST, BEARER)) == {"POST", "WebSocket"}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_picture_or_script_of_another_page_is_refused_and_a_link_to_a_page_is_not(site: str) -> None:
    app = guarded()
    embedded = [HOST, ("sec-fetch-site", site), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")]
    link = [HOST, ("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
    frame = [*link[:-1], ("sec-fetch-dest", "iframe")]
    assert [ask(app, "/", headers).status for headers in (embedded, link, frame)] == [403, 200, 403]
    assert ask(app, "/api/records", link).status == 403
    assert ask(app, "/", [HOST, ("sec-fetch-site", "same-origin")]).status == 200


@pytest.mark.parametrize("given", [[], [("authorization", "Bearer x")], [("authorization", f"Basic {TOKEN}")]])
def test_a_write_needs_the_token_also_on_this_machine(given: list[tuple[str, str]]) -> None:
    app = guarded()
    assert ask(app, "/api/control", [HOST, ORIGIN, *given], "POST").status == 401
    assert ask(app, "/api/control", [HOST, ORIGIN, *given], "DELETE").status == 401
    assert ask(app, "/api/ask/sql", [HOST, ORIGIN, *given], "POST").status == 200, "a question changes nothing"
    assert ask(app, "/api/records", [HOST, *given]).status == 200
    assert connect(app, "/live", [HOST, ORIGIN, *given]).status == 0


def test_where_others_can_connect_all_but_the_files_of_the_pages_needs_the_token() -> None:
    app = guarded("0.0.0.0")
    host, origin = ("host", "10.0.0.1:8321"), ("origin", "http://10.0.0.1:8321")
    assert ask(app, "/", [host]).status == 200
    assert ask(app, "/js/app.js", [host]).status == 200
    assert ask(app, "/metrics", [host]).status == 401
    assert ask(app, "/live", [host]).status == 401, "there a page asks why its socket was refused"
    assert refused(every_way(app, host, origin)) == {"GET", "POST", "WebSocket"}
    assert ask(app, "/api/ask/sql", [host, origin], "POST").status == 401
    assert every_way(app, host, origin, BEARER) == IN
    offered = ("sec-websocket-protocol", f"clickstream, token.{TOKEN}")
    assert connect(app, "/live", [host, origin, offered]).status == 0
    assert connect(app, "/live", [host, origin, ("sec-websocket-protocol", "token.wrong")]).status == 403
    assert connect(app, "/live", [host, origin, ("sec-websocket-protocol", "token.é")]).status == 403


def test_a_proxy_that_keeps_or_replaces_the_host() -> None:
    app = guarded("127.0.0.1", "clicks.example.org")
    origin = ("origin", "https://clicks.example.org")
    assert every_way(app, ("host", "clicks.example.org"), origin, BEARER) == IN
    assert every_way(app, HOST, origin, BEARER) == IN


def with_protection(answer: Answer) -> bool:
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    return answer.headers["cache-control"] == "no-store"


def test_every_answer_carries_the_headers_also_a_refusal() -> None:
    app = guarded()
    assert with_protection(ask(app, "/", [HOST]))
    assert with_protection(ask(app, "/", [("host", "evil.example")]))


def test_a_refusal_says_what_to_do_and_quotes_without_control_characters() -> None:
    answer = ask(guarded(), "/", [("host", "my\x1bserver")])
    assert answer.status == 421
    assert b"--public-name" in answer.body
    assert b"\x1b" not in answer.body
    assert answer.headers["content-type"].startswith("text/plain")


def test_bodies_are_bounded_whether_their_length_is_said_or_not() -> None:
    app = guarded()
    headers = [HOST, ORIGIN, BEARER]
    assert ask(app, "/api/x", headers, "POST", [b"x" * 1000] * 3).body == b"3000 bytes"
    too_long = str(MAX_BODY_BYTES + 1)
    assert ask(app, "/api/x", [*headers, ("content-length", too_long)], "POST").status == 413
    assert ask(app, "/api/x", [*headers, ("content-length", "x")], "POST").status == 413
    assert ask(app, "/api/x", headers, "POST", [b"x" * MAX_BODY_BYTES, b"x"]).status == 413


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_WITHIN_S", 0.01)

    async def never() -> Any:
        await asyncio.Event().wait()

    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    asked = {"type": "http", "path": "/x", "method": "POST", "query_string": b"", "root_path": "", "scheme": "http"}
    raw = [(name.encode(), value.encode()) for name, value in (HOST, ORIGIN, BEARER)]
    asyncio.run(_called(guarded(), {**asked, "headers": raw, "server": ("127.0.0.1", 8321)}, never, send))
    assert answers[0]["status"] == 408


async def _called(app: ASGIApp, asked: dict[str, Any], receive: Any, send: Any) -> None:
    await app(asked, receive, send)


def test_what_is_neither_http_nor_a_socket_passes() -> None:
    seen: list[str] = []

    async def inside(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    rules = Rules(OwnNames("127.0.0.1"), TOKEN, False, PAGES.__contains__)
    asyncio.run(_called(Guard(inside, rules), {"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]
