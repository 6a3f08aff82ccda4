"""Questions to the broker about the log that is being read: is it still the same one, and where does it end?

A thread asks, so that fetching never waits for an answer, and asks again for as long as the broker is away.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from clickstream.kafka import log, offsets
from clickstream.kafka.admin import describe
from clickstream.kafka.clients import Cluster
from clickstream.kafka.patience import Stopped, TopicGone
from clickstream.tables.engine.options import RESET

Answer = TypeVar("Answer")

# An answer that took longer says nothing of silence: the broker, or one of our processes, stood still meanwhile.
CONFIRMS_WITHIN_S = 2.0

# The same in all processes of a machine; it goes on while the machine sleeps (elsewhere than on Linux the monotonic
# clock does): records may have come meanwhile.
_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Seconds of the clock by which silence is measured."""
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True)
class Ends:
    """Where partitions ended, records of open transactions included, at some moment between two times (s)."""

    asked_at: float
    answered_at: float
    offsets: Mapping[int, int]

    def confirmed(self, positions: Mapping[int, int]) -> list[int]:
        """The partitions that ended where they have been read to: nothing can have waited there at `asked_at`."""
        if self.answered_at - self.asked_at > CONFIRMS_WITHIN_S:
            return []
        return [partition for partition, end in self.offsets.items() if positions.get(partition) == end]


class LogWatch:
    """Asks about one log. Futures raise ClickstreamError; when the log is another one now, they say so."""

    def __init__(self, cluster: Cluster, identity: log.LogIdentity) -> None:
        # It lives as long as the run: in the metrics its statistics would count as those of another client.
        self._cluster = cluster
        self._admin = self._cluster.admin()
        self._identity = identity
        self._closing = threading.Event()
        self._questions: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"watch {identity.topic}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more questions. It does not wait for the broker."""
        self._closing.set()
        self._questions.put(None)

    def is_same(self) -> "Future[None]":
        """Done once the broker says that the log is the same: what was read before the question is of that log."""
        return self._ask(self._make_sure)

    def ends(self, partitions: list[int]) -> "Future[Ends]":
        """Where these partitions end; the log is the same then."""

        def ask() -> Ends:
            while True:
                asked_at = now()
                try:
                    found = offsets.ends(
                        self._cluster, self._identity.topic, self._admin, partitions=partitions, stop=self._closing
                    )
                except TopicGone:  # or nothing leads it yet: only the id tells
                    self._make_sure()
                    continue
                self._make_sure()
                return Ends(asked_at, now(), found)

        return self._ask(ask)

    def partitions(self) -> "Future[frozenset[int]]":
        """The partitions that there are."""

        def ask() -> frozenset[int]:
            found = describe(self._cluster, self._identity.topic, self._admin, stop=self._closing)
            return frozenset(found.partitions)

        return self._ask(ask)

    def check(self, positions: Mapping[int, int]) -> "Future[None]":
        """Fails with what has happened to the log if it does not hold what comes at these offsets."""

        def ask() -> None:
            log.check(self._cluster, self._identity, positions, self._admin, remedy=RESET, stop=self._closing)

        return self._ask(ask)

    def _make_sure(self) -> None:
        while not log.is_same(self._cluster, self._identity, self._admin, remedy=RESET):
            if self._closing.wait(0.1):
                raise Stopped(f"Reading {self._identity.topic} was ended while Kafka was away.")

    def _ask(self, question: Callable[[], Answer]) -> "Future[Answer]":
        future: Future[Answer] = Future()

        def answer() -> None:
            try:
                self._admin.poll(0)  # what the client has to log
                future.set_result(question())
            except BaseException as problem:  # noqa: BLE001 - who asked raises it
                future.set_exception(problem)

        self._questions.put(answer)
        return future

    def _run(self) -> None:
        while (answer := self._questions.get()) is not None:
            answer()
