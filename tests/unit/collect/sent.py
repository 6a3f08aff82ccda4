"""Requests as browsers and others send them, and what comes of them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from clickstream.collect.intake import Intake, IntakeOptions
from clickstream.collect.model import Request, Taken
from clickstream.records import WebEvent

NOON = 1_795_867_200_000  # 2026-11-28 12:00 UTC
DAY = 86_400_000
MINUTE = 60_000
PEER = "203.0.113.77"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)
SHOP = "https://shop.example/products/42"


def intake(**options: Any) -> Intake:
    """One that keeps salts and sessions in memory, unless it is told otherwise."""
    return Intake(IntakeOptions(**options))


def event(**fields: Any) -> dict[str, Any]:
    """An event of the JSON API, with what it must have."""
    return {"id": "e1", "event": "pageview", "url": SHOP, **fields}


def post(body: Any, *, at: int = NOON, peer: str = PEER, headers: Mapping[str, str] | None = None) -> Request:
    """`POST /e`: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Request("POST", "/e", "", {"user-agent": CHROME, **(headers or {})}, peer, at, raw)


def get(
    path: str,
    query: str | Mapping[str, str] = "",
    *,
    at: int = NOON,
    peer: str = PEER,
    headers: Mapping[str, str] | None = None,
) -> Request:
    """A GET with `query` as it is, or made of names and values."""
    text = query if isinstance(query, str) else urlencode(query)
    return Request("GET", path, text, {"user-agent": CHROME, **(headers or {})}, peer, at)


def only(taken: Taken) -> WebEvent:
    """The one event that a request was."""
    assert not taken.refused, taken.refused
    [outgoing] = taken.events
    assert outgoing.event is not None
    return outgoing.event


def take(sent: Any, **options: Any) -> WebEvent:
    """The event that a POST of `sent` is to an intake of its own."""
    return only(intake(**options).take(post(sent)))
