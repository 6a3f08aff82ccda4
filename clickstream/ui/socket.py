"""One tab: what it opens, what it is sent, and when it is given up."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from clickstream.ui import wire
from clickstream.ui.outbox import Kind, Outbox
from clickstream.ui.panels.contract import FeedKind, FeedPanel
from clickstream.ui.views import Key, Views, words_of
from clickstream.ui.workers import Workers

log = logging.getLogger(__name__)

SILENT_S = 40.0  # a tab beats every 15 s
# Browsers run the timers of hidden pages once a minute.
SILENT_HIDDEN_S = 150.0
SEND_WITHIN_S = 5.0
CLOSE_WITHIN_S = 1.0
MAX_PANELS = 64

# Codes of RFC 6455 that browsers tell their pages.
FAILED = 1011
RESTARTING = 1012
TRY_LATER = 1013
BAD_DATA = 1007
TOO_BIG = 1009
# Our own.
SILENT = 4001
SLOW = 4002

_GONE = (WebSocketDisconnect, RuntimeError, OSError)
"""What sending to a tab that has left raises, of one version of granian or another."""


@dataclass(eq=False)
class Look:
    """One state panel that the tab has open."""

    tab: "Tab"
    id_: str
    key: Key | None = None

    @property
    def hidden(self) -> bool:
        return self.tab.hidden

    def show(self, now: int, encoded: str) -> None:
        self.tab.outbox.put(Kind.STATE, self.id_, wire.state(self.id_, now, encoded))

    def fail(self, words: str) -> None:
        self.tab.fail(self.id_, words)


@dataclass(eq=False)
class Following:
    """One feed that the tab has open."""

    kind: FeedKind
    params: msgspec.Raw
    panel: FeedPanel | None = None
    failed: bool = False
    told: tuple[str, str] | None = None  # the stage and the words that the tab knows


@dataclass(frozen=True)
class Ending:
    """Why the server ends a connection."""

    code: int
    words: str


class Tab:
    """All but `serve` is called on the event loop and does not wait."""

    def __init__(self, socket: WebSocket, views: Views, workers: Workers, hello: str, clock: Callable[[], int]) -> None:
        """`clock`: epoch ms."""
        self._socket = socket
        self._views = views
        self._workers = workers
        self._clock = clock
        self._looks: dict[str, Look] = {}
        self._feeds: dict[str, Following] = {}
        self._heard = time.monotonic()
        self._over: asyncio.Future[Ending | None] = asyncio.get_running_loop().create_future()
        self.outbox = Outbox()
        self.outbox.put(Kind.HELLO, frame=hello)
        self.hidden = False
        self.sent = 0

    async def serve(self) -> None:
        """Until either side ends it."""
        tasks = [asyncio.create_task(self._receive()), asyncio.create_task(self._send())]
        for task in tasks:
            task.add_done_callback(self._ended)
        try:
            ending = await self._over
        finally:
            self.leave()
            for task in tasks:
                task.cancel()
        if ending is not None:
            with suppress(*_GONE, TimeoutError):
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await self._socket.close(ending.code, ending.words)

    def end(self, code: int, words: str) -> None:
        """Close the connection, whatever it is at."""
        if not self._over.done():
            log.debug("A tab is closed: %s", words)
            self._over.set_result(Ending(code, words))

    def say_bye(self, words: str) -> None:
        """Send this as the last frame, and close."""
        self.outbox.keep_only()
        self.outbox.put(Kind.BYE, frame=wire.bye(words))

    def leave(self) -> None:
        """Give up what it has open. More than one place calls it: a server that is cut off runs no `finally`."""
        for id_ in [*self._looks, *self._feeds]:
            self._close(id_)

    def check(self) -> None:
        """End it when it has been silent for too long."""
        allowed = SILENT_HIDDEN_S if self.hidden else SILENT_S
        if time.monotonic() - self._heard > allowed:
            self.end(SILENT, f"silent for {allowed:.0f} s")

    def mark_feeds(self) -> None:
        """It is time to send what came to its feeds."""
        if not self.hidden:
            for id_, following in self._feeds.items():
                if not following.failed:
                    self.outbox.put(Kind.FEED, id_)

    def fail(self, id_: str, words: str) -> None:
        self.outbox.put(Kind.ERROR, id_, wire.error(id_, words))

    def _ended(self, task: "asyncio.Task[None]") -> None:
        problem = None if task.cancelled() else task.exception()
        if problem is not None:
            log.error("A tab's connection failed.", exc_info=problem)
            self.end(FAILED, "the server failed")

    # --- what it says

    async def _receive(self) -> None:
        while not self._over.done():
            try:
                message = await self._socket.receive()
            except _GONE:
                message = {"type": "websocket.disconnect"}
            if message["type"] == "websocket.disconnect":
                if not self._over.done():
                    self._over.set_result(None)
                return
            self._heard = time.monotonic()
            self._hear(message.get("text"), message.get("bytes"))

    def _hear(self, text: str | None, octets: bytes | None) -> None:
        frame = octets.decode("utf-8", "replace") if text is None and octets is not None else text or ""
        if len(frame) > wire.MAX_FRAME_BYTES:
            self.end(TOO_BIG, f"a frame of more than {wire.MAX_FRAME_BYTES:,} bytes")
            return
        try:
            said = wire.from_tab(frame)
        except msgspec.MsgspecError as problem:
            self.end(BAD_DATA, str(problem)[:100])
            return
        if said.beat is not None:
            self.outbox.put(Kind.BEAT, frame=wire.beat(said.beat, self._clock()))
        if said.hidden is not None:
            self._set_hidden(said.hidden)
        if said.close is not None:
            self._close(said.close)
        if said.open is not None:
            self._open(said.open, said.panel, said.params)

    def _set_hidden(self, hidden: bool) -> None:
        before, self.hidden = self.hidden, hidden
        if hidden:
            self.outbox.keep_only(Kind.HELLO, Kind.BEAT, Kind.ERROR, Kind.BYE)
        elif before:
            for look in self._looks.values():
                if look.key is not None:
                    self._views.catch_up(look.key, look)
            self.mark_feeds()

    def _open(self, id_: str, panel: str, params: msgspec.Raw) -> None:
        self._close(id_)
        kind = self._views.kind(panel)
        if len(id_) > wire.MAX_ID_CHARACTERS or len(self._looks) + len(self._feeds) >= MAX_PANELS:
            self.end(BAD_DATA, f"an id of more than {wire.MAX_ID_CHARACTERS} characters, or {MAX_PANELS + 1} panels")
        elif kind is None:
            self.fail(id_, f"There is no panel {panel[:64]!r}: the page and the server are of different versions.")
        elif isinstance(kind, FeedKind):
            self._feeds[id_] = Following(kind, params)
            self.mark_feeds()
        else:
            look = self._looks[id_] = Look(self, id_)
            try:
                look.key = self._views.look(panel, kind, params, look)
            except msgspec.MsgspecError as problem:
                del self._looks[id_]
                self.fail(id_, str(problem))

    def _close(self, id_: str) -> None:
        look = self._looks.pop(id_, None)
        if look is not None and look.key is not None:
            self._views.leave(look.key, look)
        following = self._feeds.pop(id_, None)
        if following is not None and following.panel is not None:
            self._workers.start(following.panel.close)
        self.outbox.forget(id_)

    # --- what it is sent

    async def _send(self) -> None:
        try:
            while not self._over.done():
                kind, id_, frame = await self.outbox.take()
                if kind is Kind.FEED:
                    frame = await self._news(id_)
                if frame:
                    async with asyncio.timeout(SEND_WITHIN_S):
                        await self._socket.send_text(frame)
                    self.sent += 1
                if kind is Kind.BYE:
                    self.end(RESTARTING, "stopping")
        except TimeoutError:
            self.end(SLOW, f"read nothing for {SEND_WITHIN_S:.0f} s")
        except _GONE as problem:
            self.end(SLOW, f"cannot be reached: {problem}"[:100])

    async def _news(self, id_: str) -> str:
        """The frame with what came to a feed; "" if nothing did."""
        following = self._feeds.get(id_)
        if following is None:
            return ""
        try:
            if following.panel is None:
                panel = await self._views.feed(following.kind, following.params)
                if self._feeds.get(id_) is not following:  # closed meanwhile
                    self._workers.start(panel.close)
                    return ""
                following.panel = panel
            news = await self._workers.run(following.panel.take)
        except Exception as problem:
            if not isinstance(problem, msgspec.MsgspecError):
                log.warning("A feed failed.", exc_info=problem)
            following.failed = True
            return wire.error(id_, words_of("feed", problem))
        changed = (news.stage, news.words) != following.told
        if self._feeds.get(id_) is not following or not (news.rows or news.skipped or news.anew or changed):
            return ""
        following.told = news.stage, news.words
        return wire.feed(id_, self._clock(), news)
