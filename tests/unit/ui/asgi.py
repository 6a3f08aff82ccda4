"""An ASGI application asked without a server."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message

Pairs = Iterable[tuple[str, str]]


@dataclass
class Answer:
    """`status` 0: a WebSocket that was accepted; 403: one that was refused."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    frames: list[str] = field(default_factory=list)


def scope(kind: str, path: str, headers: Pairs, method: str = "GET") -> dict[str, Any]:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    found: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": raw,
        "server": ("127.0.0.1", 8321),
        "client": ("127.0.0.1", 50_000),
    }
    more: dict[str, Any] = {"method": method} if kind == "http" else {"subprotocols": []}
    return found | more


def ask(app: ASGIApp, path: str, headers: Pairs, method: str = "GET", body: Sequence[bytes] = (b"",)) -> Answer:
    """The answer to an HTTP request whose body comes in these pieces."""
    answer = Answer()
    pieces = list(body)

    async def receive() -> Message:
        if not pieces:
            await asyncio.Event().wait()  # the client stays
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    asyncio.run(_called(app, scope("http", path, headers, method), receive, send))
    return answer


def connect(app: ASGIApp, path: str, headers: Pairs, frames: Sequence[str] = ()) -> Answer:
    """What a WebSocket gets that sends these frames and leaves."""
    answer = Answer(status=403)
    coming: list[Message] = [{"type": "websocket.connect"}]
    coming += [{"type": "websocket.receive", "text": frame} for frame in frames]
    coming.append({"type": "websocket.disconnect", "code": 1000})

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        if message["type"] == "websocket.accept":
            answer.status = 0
        elif message["type"] == "websocket.send":
            answer.frames.append(message["text"])

    asyncio.run(_called(app, scope("websocket", path, headers), receive, send))
    return answer


async def _called(app: ASGIApp, asked: dict[str, Any], receive: Any, send: Any) -> None:
    await app(asked, receive, send)
