"""What a panel is: what it answers, and how it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from clickstream.ui.services import Services
from clickstream.ui.wire import Feed, Instant


class StatePanel(Protocol):
    """Says how things are. One serves all tabs that ask the same; it is asked by one thread at a time."""

    def state(self, now: int) -> Any:
        """How things are at `now` (epoch ms), as msgspec can encode it. On a worker thread, once a second; it must not
        wait for Kafka. What it raises is told to the tabs, and it is asked again."""
        ...

    def close(self) -> None: ...


class FeedPanel(Protocol):
    """Says what came. Each tab has its own."""

    def take(self) -> Feed:
        """What came since the last time. On a worker thread; it must not wait for Kafka."""
        ...

    def close(self) -> None: ...


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a panel that can be asked in one way only."""


class At(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`at`: the instant that is asked for, epoch ms; None is now."""

    at: Instant | None = None


@dataclass(frozen=True)
class StateKind:
    """`params`: a msgspec.Struct that forbids unknown fields; `make` is called with one, on a worker thread. It may
    raise ClickstreamError for people to read."""

    params: type[msgspec.Struct]
    make: Callable[[Services, Any], StatePanel]


@dataclass(frozen=True)
class FeedKind:
    """As StateKind."""

    params: type[msgspec.Struct]
    make: Callable[[Services, Any], FeedPanel]
