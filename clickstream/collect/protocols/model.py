"""What a protocol reads out of a request: events as they were sent, before anything is added."""

from typing import Any, Literal, Protocol

import msgspec

from clickstream.collect.model import Reason, Refused, Request

Number = int | float


class Limits(msgspec.Struct, frozen=True):
    """How much an event may be. Lengths are characters, but for `event_bytes`."""

    events: int = 500  # in a request
    event_bytes: int = 65_536  # of an event's JSON
    url: int = 4_096  # of an address, also of the referrer
    name: int = 100  # of an event, and of a property
    id: int = 64  # of an event, a visitor, a session, a page, a stream
    site: int = 253  # a host's name in DNS
    language: int = 35  # a language tag (RFC 5646)
    properties: int = 100  # of an event, those within others counted too
    nesting: int = 4  # levels of objects and arrays in an event's properties, themselves counted
    text: int = 4_096  # of a property


class SentEvent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An event as its sender tells it: one JSON object of `POST /e`. Times are epoch ms by the sender's clock."""

    id: str
    event: str
    url: str
    site: str | None = None
    visitor: str | None = None
    session: str | None = None
    page: str | None = None
    referrer: str | None = None
    time: Number | None = None
    sent: Number | None = None
    stream: str | None = None
    sequence: int | None = None
    cookieless: bool = False
    webdriver: bool = False
    new_session: bool = False
    language: str | None = None
    viewport: tuple[Number, Number] | None = None
    screen: tuple[Number, Number] | None = None
    properties: dict[str, Any] | None = None
    source: Literal["tag", "json"] = "json"


class Reading(msgspec.Struct):
    """What a request says: the events that can be taken, and what was refused.

    `by` names the protocol when it is not the events' own `source`; `corrupt` and `duplicate` are said of all of them.
    `ids` are those by which duplicates are known, where readers tell them.
    """

    events: list[SentEvent] = []
    refused: list[Refused] = []
    by: str | None = None
    corrupt: bool = False
    duplicate: bool = False
    ids: tuple[str, ...] = ()


class Reader(Protocol):
    """One protocol. It refuses what cannot be read, and raises nothing."""

    def read(self, request: Request) -> Reading: ...


class Unacceptable(Exception):
    """An event that is refused. `detail` names fields and positions, never what was sent in them."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
