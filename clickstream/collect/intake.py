"""What comes of a request: events with all that can be said about them, or why there is none."""

import secrets
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from clickstream.collect.enrichment import PAGE_VIEW, Enrichment, click
from clickstream.collect.model import Outgoing, Record, Request, Taken
from clickstream.collect.protocols.divolte.app import DivolteApp
from clickstream.collect.protocols.divolte.browser import DivolteBrowser
from clickstream.collect.protocols.divolte.duplicates import Seen
from clickstream.collect.protocols.events import JsonEvents
from clickstream.collect.protocols.model import Limits, Reader
from clickstream.collect.protocols.pixel import Pixel
from clickstream.collect.urls import Url, url
from clickstream.collect.visitors import sessions
from clickstream.collect.visitors.address import Clients, Header, networks, truncated
from clickstream.collect.visitors.consent import opted_out
from clickstream.collect.visitors.salts import Salts
from clickstream.collect.visitors.sessions import Sessions
from clickstream.enrich.places import DatabasePlaces, NoPlaces, Places
from clickstream.records import WebClick, WebEvent

# Their places; the database takes 10 us.
KNOWN_ADDRESSES = 10_000

_as_json = msgspec.json.Encoder().encode


class Schema(msgspec.Struct, frozen=True):
    """One of Avro: the id that a registry has given it, and its text."""

    id: int
    text: str


class Paths(msgspec.Struct, frozen=True):
    """Where the protocols are spoken."""

    events: str = "/e"
    pixel: str = "/e.gif"
    divolte: str = "/csc-event"
    divolte_json: str = "/json-source"


class IntakeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How requests are taken. All of it can be encoded as JSON, for a worker's process.

    Without a `state_dir`, salts and sessions are in memory: of this process, until it ends.
    """

    events_topic: str = "web-events"
    clicks_topic: str | None = "clickstream"  # None: page views become no web clicks
    address: Literal["truncated", "full"] = "truncated"  # what is stored
    trusted: tuple[str, ...] = ()  # networks of the proxies in front
    forwarded: Header = "x-forwarded-for"  # the header that they write
    geo_db: str | None = None  # a file .mmdb
    state_dir: str | None = None
    sessions: int = sessions.CAPACITY
    schemas: Mapping[str, Schema] = {}  # by topic: its values are Avro; all others are JSON
    limits: Limits = Limits()
    paths: Paths = Paths()


class Intake:
    """Takes requests, one after the other: one for each worker. Raises ConfigError for options that cannot be."""

    def __init__(self, options: IntakeOptions, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self.options = options
        self._events_topic, self._clicks_topic = options.events_topic, options.clicks_topic
        folder = None if options.state_dir is None else Path(options.state_dir)
        self._clients = Clients(networks(options.trusted), options.forwarded)
        self._salts = Salts(folder, random)
        self._sessions = Sessions(folder, options.sessions)
        places: Places = NoPlaces() if options.geo_db is None else DatabasePlaces(Path(options.geo_db))
        self._enrichment = Enrichment(
            self._salts,
            self._sessions,
            lru_cache(maxsize=KNOWN_ADDRESSES)(places.place),
            full_addresses=options.address == "full",
        )
        self._encode_event = _encoder(options.events_topic, options.schemas)
        self._encode_click = _encoder(options.clicks_topic, options.schemas)
        self._seen = seen = Seen()
        self._readers: dict[str, Reader] = {
            options.paths.events: JsonEvents(options.limits),
            options.paths.pixel: Pixel(options.limits, random),
            options.paths.divolte: DivolteBrowser(options.limits, seen),
            options.paths.divolte_json: DivolteApp(options.limits, seen),
        }

    def client(self, request: Request) -> str:
        """The full address of whoever sent it, for limits by address; "" when it has none."""
        return self._clients.address(request.peer, request.headers)

    def maintain(self, now: int) -> None:
        """To be called now and then, at `now` (epoch ms): salts and sessions that are too old are deleted."""
        self._salts.maintain(now)
        self._sessions.maintain(now)

    def salt_age(self, now: int) -> int:
        """How old the oldest salt is at `now`, in ms: for privacy()."""
        return self._salts.age(now)

    def close(self) -> None:
        """Let go of the files."""
        self._sessions.close()

    def take(self, request: Request) -> Taken:
        """What comes of `request`, whose path is one of `options.paths`. Raises nothing for what is in it."""
        if opted_out(request.headers):
            return Taken(opted_out=True)
        reading = self._readers[request.path].read(request)
        address = self.client(request)
        events = self._enrichment.events(request, reading, address) if reading.events else ()
        return Taken(
            [self._outgoing(event) for event in events],
            reading.refused,
            address=truncated(address),
            first_ids=() if reading.duplicate else reading.ids,
        )

    def not_stored(self, taken: Taken) -> None:
        """Nobody took what came of a request: its sender is to send it again, and then it is no duplicate."""
        if taken.first_ids:
            self._seen.forget(*taken.first_ids)

    def _outgoing(self, event: WebEvent) -> Outgoing:
        key = None if event.visitor is None else event.visitor.encode()
        records = [Record(self._events_topic, key, self._encode_event(event))]
        # Its name is looked at here: most events are no page views, and a call is a tenth of what all this costs.
        if event.event == PAGE_VIEW and self._clicks_topic is not None and (page := _viewed_page(event)):
            seen = click(event, page)
            records.append(Record(self._clicks_topic, seen.ip.encode(), self._encode_click(seen)))
        # Two sites may number their events alike. Divolte's protocol marks what comes twice, and drops nothing: without
        # an id it is not dropped here.
        return Outgoing(records, None if event.duplicate else f"{event.site}\0{event.id}", event)


def _viewed_page(event: WebEvent) -> Url | None:
    """What a person looks at; None for a robot's page view, for one that comes again, and for a damaged one."""
    return None if event.bot is not None or event.duplicate or event.corrupt else url(event.url)


def _encoder(topic: str | None, schemas: Mapping[str, Schema]) -> Callable[[WebEvent | WebClick], bytes]:
    """Makes values of a topic. They are made before anything is stored: what the spool has taken comes out as it
    would have been sent."""
    schema = schemas.get(topic or "")
    if schema is None:
        return _as_json
    from clickstream.avro.codec import Writer  # its extra is for those who use it

    write = Writer(schema.id, schema.text).encode
    return lambda value: write(_as_json(value))
