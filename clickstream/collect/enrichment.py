"""From an event as it was sent to the record of it: who, where, when, from where, with what."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from clickstream.collect.model import Request
from clickstream.collect.protocols.model import Number, Reading, SentEvent
from clickstream.collect.urls import Url, url
from clickstream.collect.visitors.address import truncated
from clickstream.collect.visitors.bots import bot, driven
from clickstream.collect.visitors.campaigns import Campaign, campaign
from clickstream.collect.visitors.clock import corrected
from clickstream.collect.visitors.identity import cookieless_visitor, user_number
from clickstream.collect.visitors.referrers import referrer_class
from clickstream.collect.visitors.salts import DAY_MS, Salts
from clickstream.collect.visitors.sessions import GAP_MS, Sessions
from clickstream.enrich.agents import MAX_LENGTH, OTHER, agent
from clickstream.enrich.places import Place
from clickstream.logtime import log_time
from clickstream.records import WebClick, WebEvent

PAGE_VIEW: Final = "pageview"
NO_ADDRESS: Final = "0.0.0.0"  # in a web click whose client has no address that is known
KNOWN_SENDERS: Final = 4_096  # at most 20 MB, with the longest of agents, in the oddest of letters
KNOWN_PAGES: Final = 2_048  # at most 8 MB
LONGEST_KNOWN: Final = 500  # characters of address, referrer and site; longer ones are read each time
MAX_PIXELS: Final = 100_000  # of a screen or a viewport; more is not believed

# Their requests are made by loading an image, so that browsers that load ahead make them too.
_LOADED: Final = ("pixel", "divolte")


class Enrichment:
    """Adds to events what their request says, and what is known. `place` is asked for full addresses."""

    def __init__(
        self, salts: Salts, sessions: Sessions, place: Callable[[str], Place], *, full_addresses: bool = False
    ) -> None:
        self._salts = salts
        self._sessions = sessions
        self._place = place
        self._full_addresses = full_addresses
        self._sender = lru_cache(maxsize=KNOWN_SENDERS)(self._told_of)

    def events(self, request: Request, reading: Reading, address: str) -> list[WebEvent]:
        """The records of what was read from `request`, whose client has the full address `address`."""
        header = request.headers.get("user-agent")
        sender = self._sender(None if header is None else header[:MAX_LENGTH], address)
        reason = bot(sender.agent, request.headers, loads_itself=reading.by in _LOADED)
        return [self._event(event, reading, request.received_at, sender, reason) for event in reading.events]

    def _told_of(self, header: str | None, address: str) -> "_Sender":
        shown = address if self._full_addresses and address else truncated(address)
        return _Sender(header, address, self._place(address), shown)

    def _event(
        self, event: SentEvent, reading: Reading, received: int, sender: "_Sender", reason: str | None
    ) -> WebEvent:
        """`reason`: why the request is taken for no person's; an event may have another one."""
        page = _page(event.url, event.referrer or None, event.site or None)
        visitor, session, new_session = self._identity(event, page.site, received, sender)
        width, height = _size(event.viewport)
        screen_width, screen_height = _size(event.screen)
        # All by their places, in the order of the fields: by their names it takes 2.2 us, so 0.6.
        return WebEvent(
            event.id,
            event.event,
            page.site,
            page.url,
            visitor,
            session,
            event.page,
            corrected(received, event.time, event.sent),  # time
            received,  # received_at
            None if event.time is None else int(event.time),  # created_at
            None if event.sent is None else int(event.sent),  # sent_at
            event.stream,
            event.sequence,
            reading.by or event.source,  # source
            event.cookieless,
            new_session,
            reading.duplicate,
            reading.corrupt,
            page.referrer,
            page.referrer_class,
            page.led_by.source,  # campaign_source
            page.led_by.medium,  # campaign_medium
            page.led_by.name,  # campaign
            page.led_by.term,  # campaign_term
            page.led_by.content,  # campaign_content
            sender.agent_text,  # agent
            sender.browser,
            sender.os,
            sender.device,
            driven(sender.agent) if event.webdriver else reason,  # bot
            sender.shown_address,  # address
            sender.country,
            sender.city,
            event.language,
            width,  # viewport_width
            height,  # viewport_height
            screen_width,
            screen_height,
            event.properties or {},  # properties
        )

    def _identity(
        self, event: SentEvent, site: str, now: int, sender: "_Sender"
    ) -> tuple[str | None, str | None, bool]:
        """Visitor, session, and whether the session begins. What a cookieless event says of either does not count."""
        if event.cookieless:
            visitor = sender.cookieless_visitor(self._salts.of(now), site)
            yesterday = None
            if now % DAY_MS <= GAP_MS and (salt := self._salts.before(now)):
                yesterday = sender.cookieless_visitor(salt, site)
            return visitor, *self._sessions.session(visitor, now, yesterday)
        if event.visitor is None or event.session is not None:
            return event.visitor, event.session, event.new_session
        within_site = f"{site}\0{event.visitor}"
        return event.visitor, *self._sessions.session(within_site, now, within_site)


class _Sender:
    """What is the same for all events of an agent at an address: of most it is known from the event before."""

    __slots__ = ("address", "agent", "agent_text", "browser", "city", "country", "device", "os", "shown_address")

    def __init__(self, text: str | None, address: str, place: Place, shown_address: str | None) -> None:
        if text is not None and not text.isascii():
            text = text.encode("utf-8", "replace").decode()  # half of a surrogate pair is no text to Kafka's readers
        self.address = address
        self.shown_address = shown_address
        self.country, self.city = place
        self.agent_text = text
        self.agent = agent(text)
        self.browser = None if self.agent.browser == OTHER else self.agent.browser
        self.os = None if self.agent.os == OTHER else self.agent.os
        self.device = self.agent.device

    def cookieless_visitor(self, salt: bytes, site: str) -> str:
        return cookieless_visitor(salt, site, self.address, self.agent_text or "")


def click(event: WebEvent, page: Url) -> WebClick:
    """A page view as a line of a web server's log."""
    return WebClick(
        ip=event.address or NO_ADDRESS,
        userid=None if event.visitor is None else user_number(event.visitor),
        remote_user=None,
        time=_log_time(event.time // 1000),
        time_ms=event.time,
        request=f"GET {page.target} HTTP/1.1",
        status=200,
        bytes=0,
        referrer=event.referrer,
        agent=event.agent,
    )


@lru_cache(maxsize=4_096)
def _log_time(second: int) -> str:
    """Of an epoch second. Most events are of the last few."""
    return log_time(second * 1000, "+0000")


class _Page(msgspec.Struct, frozen=True):
    """What is the same for all events on a page, however many a visitor sends of it."""

    url: str
    site: str
    referrer: str | None
    referrer_class: str | None
    led_by: Campaign


def _page(address: str, referrer: str | None, site: str | None) -> _Page:
    """As an event tells them. Of most it is known from the event before, and costs a tenth."""
    length = len(address) + len(referrer or "") + len(site or "")
    return _known_page(address, referrer, site) if length <= LONGEST_KNOWN else _told_page(address, referrer, site)


def _told_page(address: str, referrer: str | None, site: str | None) -> _Page:
    page = url(address)
    origin = url(referrer) if referrer else None
    host = page.host if page else ""
    site = site or host
    led_by = campaign(page.query if page else "")
    # Without an origin it comes from somewhere, and nobody knows from where.
    known = origin is not None or not referrer
    kind = referrer_class(origin.host if origin else None, host, site, led_by.paid) if known else None
    return _Page(page.text if page else "", site, origin.text if origin else None, kind, led_by)


_known_page = lru_cache(maxsize=KNOWN_PAGES)(_told_page)


@lru_cache(maxsize=1_024)
def _size(told: tuple[Number, Number] | None) -> tuple[int | None, int | None]:
    if told is None:
        return None, None
    width, height = told
    if 0 < width <= MAX_PIXELS and 0 < height <= MAX_PIXELS:
        return int(width), int(height)
    return None, None
