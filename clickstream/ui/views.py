"""What tabs look at: each state panel is computed once a second, for all the tabs that ask for the same."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from clickstream.errors import ClickstreamError
from clickstream.ui import wire
from clickstream.ui.panels.contract import FeedKind, FeedPanel, StateKind, StatePanel
from clickstream.ui.services import Services
from clickstream.ui.workers import Workers

log = logging.getLogger(__name__)

# A state that is not older is shown to one who has just come; then a new one is on its way anyway.
FRESH_MS = 2_000

Key = tuple[str, bytes]
"""A panel's name and its parameters, encoded: equal ones are the same view."""


class Looker(Protocol):
    """A tab's place for one view. Its methods are called on the event loop, and do not wait."""

    @property
    def hidden(self) -> bool:
        """Nobody sees it: it gets nothing, and needs nothing computed."""
        ...

    def show(self, now: int, encoded: str) -> None:
        """The state's JSON, at `now` (epoch ms)."""
        ...

    def fail(self, words: str) -> None:
        """Why there is none, once for each failure."""
        ...


class View:
    """One state panel with its parameters, and who looks at it."""

    def __init__(self, name: str, make: Callable[[], StatePanel], workers: Workers) -> None:
        self._name = name
        self._make = make
        self._workers = workers
        self._panel: StatePanel | None = None
        self._lookers: dict[Looker, None] = {}
        self._latest: tuple[int, str] | None = None
        self._failure: str | None = None
        self._turn: asyncio.Task[None] | None = None

    @property
    def is_wanted(self) -> bool:
        return bool(self._lookers)

    def add(self, looker: Looker, now: int) -> None:
        self._lookers[looker] = None
        self.catch_up(looker, now)

    def remove(self, looker: Looker) -> None:
        self._lookers.pop(looker, None)
        if not self._lookers and self._turn is None:
            self._close()

    def catch_up(self, looker: Looker, now: int) -> None:
        """Show what is known at once, to one that has just come or is seen again; what is old is computed anew."""
        if self._failure is not None:
            looker.fail(self._failure)
        elif self._latest is not None and now - self._latest[0] < FRESH_MS:
            looker.show(*self._latest)
            return
        self.compute(now)

    def compute(self, now: int) -> None:
        """Begin to compute the state at `now`, if somebody sees it and it is not under way already."""
        if self._turn is None and any(not looker.hidden for looker in self._lookers):
            self._turn = asyncio.get_running_loop().create_task(self._take_turn(now))

    async def _take_turn(self, now: int) -> None:
        try:
            encoded = await self._workers.run(lambda: self._encoded(now))
        except Exception as problem:  # noqa: BLE001 - a panel is told to have failed; the others go on
            self._fail(words_of(self._name, problem), problem)
        else:
            if encoded is not None:
                self._show(now, encoded)
        finally:
            self._turn = None
            if not self._lookers:
                self._close()

    def _show(self, now: int, encoded: str) -> None:
        self._failure = None
        self._latest = now, encoded
        for looker in list(self._lookers):
            if not looker.hidden:
                looker.show(now, encoded)

    def _encoded(self, now: int) -> str | None:
        """None: while it waited for its turn, all who looked have left. A dragged clock leaves many such views."""
        if not self._lookers:
            return None
        if self._panel is None:
            self._panel = self._make()
        return wire.encode(self._panel.state(now)).decode()

    def _fail(self, words: str, problem: Exception) -> None:
        if words == self._failure:
            return
        if not isinstance(problem, ClickstreamError):
            log.error("The panel %s failed.", self._name, exc_info=problem)
        self._failure, self._latest = words, None
        for looker in list(self._lookers):
            looker.fail(words)

    def _close(self) -> None:
        panel, self._panel, self._latest, self._failure = self._panel, None, None, None
        if panel is not None:
            self._workers.start(panel.close)


class Views:
    """All views. To be used on the event loop only."""

    def __init__(
        self, services: Services, workers: Workers, panels: Mapping[str, StateKind | FeedKind], clock: Callable[[], int]
    ) -> None:
        """`clock`: epoch ms."""
        self._services = services
        self._workers = workers
        self._panels = panels
        self._clock = clock
        self._views: dict[Key, View] = {}

    def __len__(self) -> int:
        return len(self._views)

    def kind(self, name: str) -> StateKind | FeedKind | None:
        return self._panels.get(name)

    def look(self, name: str, kind: StateKind, params: msgspec.Raw, looker: Looker) -> Key:
        """Add `looker` to the view. Raises msgspec.ValidationError when the parameters are none of this panel's."""
        asked = decode(kind, params)
        key = name, wire.encode(asked)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = View(name, lambda: kind.make(self._services, asked), self._workers)
        view.add(looker, self._clock())
        return key

    def leave(self, key: Key, looker: Looker) -> None:
        view = self._views.get(key)
        if view is not None:
            view.remove(looker)
            if not view.is_wanted:
                del self._views[key]

    def catch_up(self, key: Key, looker: Looker) -> None:
        """For a looker that is seen again."""
        if key in self._views:
            self._views[key].catch_up(looker, self._clock())

    async def feed(self, kind: FeedKind, params: msgspec.Raw) -> FeedPanel:
        """A new feed. Raises msgspec.ValidationError, and what its maker raises."""
        asked = decode(kind, params)
        return await self._workers.run(lambda: kind.make(self._services, asked))

    def compute(self) -> None:
        """Compute what somebody sees. Call it every second."""
        now = self._clock()
        for view in list(self._views.values()):
            view.compute(now)


def decode(kind: StateKind | FeedKind, params: msgspec.Raw) -> Any:
    """Raises msgspec.ValidationError, msgspec.DecodeError."""
    return msgspec.json.decode(params, type=kind.params)


def words_of(name: str, problem: Exception) -> str:
    """What a tab is told of it."""
    if isinstance(problem, ClickstreamError | msgspec.MsgspecError):
        return str(problem)
    return f"The panel {name} failed: {type(problem).__name__}. The log of `clickstream ui` says more."
