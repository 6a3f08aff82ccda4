"""What a long-running part is: it runs until it is stopped, and tells about itself."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from clickstream.errors import ClickstreamError
from clickstream.records import Action, LeftOut, Position


class Controls(Protocol):
    """What commands can change of a running part. All of it is used from another thread than the part's own."""

    @property
    def paused(self) -> bool:
        """Whether it waits until it is resumed."""
        ...

    @property
    def wanted_rate(self) -> float | None:
        """Records per second that it is to reach; None: as fast as it can, or as no single number says."""
        ...

    def obey(self, action: Action, value: float | None) -> str:
        """Do what a command asks for; returns in words what was done. Raises ValueError, with words, if it cannot."""
        ...


@dataclass(frozen=True)
class Failure:
    """What ended a part other than well: why, in one line, and when (epoch s)."""

    why: str
    at: float

    @staticmethod
    def of(problem: Exception) -> "Failure":
        """Of what was raised. What was not written for people may quote anything, and is only named."""
        if isinstance(problem, ClickstreamError | OSError):
            why = " ".join(str(problem).split())
        else:
            why = f"unexpected {type(problem).__name__}: the output of the command says more"
        return Failure(why, time.time())


class Part(Protocol):
    """A long-running part. What has a value or a body here is the answer of a part that has nothing to say to it.

    All but `run` is asked from another thread, at any time.
    """

    kind: str  # names it in metrics and on the status topic
    topics: list[str]  # that it reads or writes
    name: str | None = None  # which of its kind, where a process may have several
    group: str | None = None  # the consumer group that shows its lag
    controls: Controls | None = None  # what commands can change while it runs; None: it heeds none
    failure: Failure | None = None  # set by run_noting_failure

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, or until there is nothing left; what was taken on is finished before it returns.

        Raises ClickstreamError when it cannot go on, or could not finish.
        """
        ...

    def totals(self) -> dict[str, int]:
        """Counts since the start: they only grow, whenever they are asked for."""
        ...

    def gauges(self) -> dict[str, float]:
        """What goes up and down. A name ends with its unit, as in `watermark_delay_seconds`, unless it counts."""
        ...

    def last_success(self) -> float | None:
        """When (epoch s) records were last acknowledged, or results stored; None: not yet."""
        return None

    def positions(self) -> list[Position]:
        """The offsets stored with its results, of each partition that it reads."""
        return []

    def left_out(self) -> list[LeftOut]:
        """Rows that did not take part, of each table that has some."""
        return []

    def changed_values(self) -> Mapping[tuple[str, str], int]:
        """Values that were not written as they came, by column and rule: they only grow."""
        return {}

    def by_site(self) -> Mapping[str, Mapping[str, float]]:
        """Gauges of every site that it takes events of, by the site's name."""
        return {}

    def sql(self) -> tuple[str, dict[str, Any]] | None:
        """The text of its SQL, without secrets, and its plan; None: it runs none."""
        return None

    def requests(self) -> list[dict[str, Any]] | None:
        """Its last requests as plain JSON, when there are new ones since this was last asked; None: none to tell."""
        return None


def run_noting_failure(part: Part, stop: threading.Event) -> None:
    """Run a part; what it raises is kept as its `failure`, for its last report, and raised."""
    try:
        part.run(stop)
    except Exception as problem:
        part.failure = Failure.of(problem)
        raise


class Rates:
    """Totals per second between calls."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}
        self._at = time.monotonic()

    def of(self, totals: dict[str, int]) -> dict[str, float]:
        """What was added to each total since the last call, or the beginning, per second; never below 0."""
        now = time.monotonic()
        seconds = max(1e-6, now - self._at)
        rates = {
            name: max(0.0, round((total - self._before.get(name, 0)) / seconds, 1)) for name, total in totals.items()
        }
        self._before, self._at = totals, now
        return rates
