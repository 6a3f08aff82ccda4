"""What panels about a time have in common: which span and which clicks they are about, and whom they ask."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from clickstream.errors import ClickstreamError
from clickstream.history.history import History
from clickstream.history.model import CLICKS, DIMENSIONS, EVENTS, VIP, Filter
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState

MAX_RANGE_MS = 24 * 3_600_000
MAX_FILTERS = 50

T = TypeVar("T")


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`range` in ms, up to `to` (epoch ms; None is now); `filters` are [dimension, = or !=, value]."""

    range: int
    to: int | None = None
    filters: tuple[tuple[str, str, str], ...] = ()

    def end(self, now: int) -> int:
        """Where the range ends, epoch ms, not included."""
        return now if self.to is None else min(self.to, now)


def checked(asked: Asked) -> tuple[Filter, ...]:
    """The filters. Raises ClickstreamError for a question that makes no sense."""
    if not 1_000 <= asked.range <= MAX_RANGE_MS:
        raise ClickstreamError("A range of 1 s to 24 h can be asked for.")
    return filters_of(asked.filters)


def filters_of(given: Sequence[tuple[str, str, str]]) -> tuple[Filter, ...]:
    """[dimension, = or !=, value] each. Raises ClickstreamError for what is none."""
    if len(given) > MAX_FILTERS:
        raise ClickstreamError(f"At most {MAX_FILTERS} filters.")
    for dim, sign, _value in given:
        if dim not in DIMENSIONS or sign not in ("=", "!="):
            raise ClickstreamError(f"There is no filter {dim[:50]!r} {sign[:5]!r}; there are {', '.join(DIMENSIONS)}.")
    return tuple(Filter(dim, sign == "=", value) for dim, sign, value in given)


def history_of(services: Services) -> History:
    """Raises ClickstreamError where no history is kept."""
    if not isinstance(services.history, History):
        raise ClickstreamError("This server keeps no history of the topics.")
    return services.history


def source_of(services: Services, kind: str) -> TopicState:
    """The topic that the history has its rows of `kind` from (history.model), and how reading it is going."""
    statuses = history_of(services).status().topics
    found = statuses[(CLICKS, EVENTS, VIP).index(kind)]
    command = services.hints.command(found.topic)
    return TopicState(found.topic, found.stage, int(found.since * 1000), found.words, command)


def unread(read_until: int | None, end: int) -> int | None:
    """From when on a range up to `end` is not read yet (history.read_until); None if all of it is."""
    return None if read_until is None or read_until >= end else read_until


class Unhurried(Generic[T]):
    """Answers that are computed again only after SHARE times as long as they took: so that a question about millions
    of rows takes at most a tenth of a core. The same parameters give the same answer in between."""

    SHARE = 9

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._clock = clock
        self._due = float("-inf")
        self._known: tuple[Any, T] | None = None

    def get(self, find: Callable[[], T], parameters: Any = None) -> T:
        """What `find` returns, or returned of late."""
        begun = self._clock()
        if self._known is not None and self._known[0] == parameters and begun < self._due:
            return self._known[1]
        found = find()
        ended = self._clock()
        self._known = parameters, found
        self._due = ended + self.SHARE * (ended - begun)
        return found
