"""What librdkafka reports of its clients, as far as it matters for watching them.

Fields: https://github.com/confluentinc/librdkafka/blob/master/STATISTICS.md
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Consumer, Message

from clickstream.errors import ClickstreamError

EVERY_MS = 5_000
# A client that has been closed reports nothing more.
STALE_AFTER_S = 3 * EVERY_MS / 1_000
# A client that begins again with its bootstrap servers has none for a moment.
LOST_AFTER_S = 10.0


class LostBrokers(ClickstreamError):
    """A client has no brokers left, and will never have any again: only a new one helps."""


class Window(msgspec.Struct):
    """Round-trip times over the last interval, in microseconds."""

    p50: int = 0
    p99: int = 0


class Broker(msgspec.Struct):
    """A client's figures about one broker; `nodeid` is -1 for an address from bootstrap.servers."""

    nodeid: int
    rtt: Window
    source: str = ""  # configured or learned; logical: it stands for a coordinator, whichever broker that is
    txerrs: int = 0
    rxerrs: int = 0
    req_timeouts: int = 0
    disconnects: int = 0


class Report(msgspec.Struct):
    """One client's figures; messages and bytes are totals since it was made."""

    name: str
    type: str
    txmsgs: int = 0
    txmsg_bytes: int = 0
    rxmsgs: int = 0
    rxmsg_bytes: int = 0
    brokers: dict[str, Broker] = {}

    def round_trip_s(self, quantile: Callable[[Window], int]) -> float:
        """The slowest broker's round-trip time in seconds."""
        return max((quantile(broker.rtt) for broker in self._real()), default=0) / 1e6

    def errors(self) -> int:
        """Requests that failed or timed out, and connections that broke."""
        return sum(broker.txerrs + broker.rxerrs + broker.req_timeouts for broker in self._real())

    def disconnects(self) -> int:
        """Connections to brokers that ended."""
        return sum(broker.disconnects for broker in self._real())

    def has_brokers(self) -> bool:
        """Whether it knows an address at all; it does, too, while nobody answers there."""
        return any(broker.source != "logical" for broker in self.brokers.values())

    def _real(self) -> list[Broker]:
        return [broker for broker in self.brokers.values() if broker.nodeid >= 0]


@dataclass(frozen=True)
class _Taken:
    report: Report
    at: float


class Statistics:
    """The latest report of every client of a cluster."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._latest: dict[str, _Taken] = {}

    def take(self, text: str) -> None:
        """A client's statistics callback."""
        report = msgspec.json.decode(text, type=Report)
        with self._lock:
            self._latest[report.name] = _Taken(report, self._clock())

    def latest(self) -> list[Report]:
        """Reports of the clients that are alive, by name."""
        oldest = self._clock() - STALE_AFTER_S
        with self._lock:
            self._latest = {name: taken for name, taken in self._latest.items() if taken.at >= oldest}
            return [self._latest[name].report for name in sorted(self._latest)]


class Lifeline:
    """Follows a client's statistics, and notices when that has lost all brokers for good.

    After an answer that there are no brokers, as of one that is fenced, librdkafka's client may forget its bootstrap
    servers as well (https://github.com/confluentinc/librdkafka/issues/5301, mended by pull request 5303). It would read
    nothing any more, or write nothing, without an error.
    """

    def __init__(
        self,
        address: str,
        does: str,
        take: Callable[[str], None],
        clock: Callable[[], float] | None = None,
    ) -> None:
        """`does` is what the client does with `address`, for messages; `take` is what takes the reports."""
        self._client = f"{does} Kafka at {address}"
        self._take = take
        self._clock = clock or time.monotonic
        self._lost_at: float | None = None
        self._is_lost = False

    def note(self, text: str) -> None:
        """A statistics callback, for a client of which `check` is asked."""
        self._take(text)
        if msgspec.json.decode(text, type=Report).has_brokers():
            self._lost_at = None
        else:
            self._lost_at = self._lost_at or self._clock()
        self._is_lost = self._lost_at is not None and self._clock() - self._lost_at >= LOST_AFTER_S

    def check(self) -> None:
        """Raises LostBrokers when reports of LOST_AFTER_S told of none."""
        if self._is_lost:
            self._lost_at, self._is_lost = None, False  # closing the client asks for reports, too
            raise LostBrokers(
                f"The client that {self._client} was told that there are no brokers, and does not look for any again."
            )

    def note_and_check(self, text: str) -> None:
        """A statistics callback that raises LostBrokers, out of the call that has the client poll."""
        self.note(text)
        self.check()


class LifelineConsumer(Consumer):
    """A consumer that raises LostBrokers when there is nothing to hand over and never will be.

    No callback raises: what a call had taken from the queue would never be given back, and closing waits for that.
    """

    def __init__(self, settings: dict[str, Any], lifeline: Lifeline) -> None:
        super().__init__(settings)
        self._lifeline = lifeline

    def poll(self, timeout: float = -1) -> Message | None:
        message = super().poll(timeout)
        if message is None:
            self._lifeline.check()
        return message

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        messages = super().consume(num_messages, timeout)
        if not messages:
            self._lifeline.check()
        return messages
