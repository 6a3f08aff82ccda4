"""Reads the collected events back, and says on a topic how many of those that were sent did arrive.

The figures are a function of the log: a day is read back at the start, so that a crash neither loses nor doubles any,
and several collectors on one topic say the same.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from confluent_kafka import Message

from clickstream.collect.audit.sequences import HOUR_MS, Figures, Sequences
from clickstream.inspect.read import Open
from clickstream.inspect.topicreader import Stage, TopicReader
from clickstream.kafka.clients import Cluster
from clickstream.kafka.offsets import Limits, at_times
from clickstream.kafka.produce import Sender
from clickstream.kafka.statistics import LostBrokers
from clickstream.records import LossKey, WebLoss, encode

log = logging.getLogger(__name__)

# An event may be a day old when it comes: its tag tries for so long.
LOOKED_AT_MS = 25 * HOUR_MS
# A tag that is cookieless counts on for so long in one stream (tag.src.js), and from 0 in another one then.
STREAM_MS = HOUR_MS
SAY_EVERY_S = 2.0
# Few answers with many events each: it is in no hurry, and the broker has better to do.
FETCHES = {"fetch.min.bytes": 262_144, "fetch.wait.max.ms": 500}


class Numbered(msgspec.Struct, frozen=True):
    """What of a WebEvent tells what arrived."""

    site: str
    time: int
    received_at: int = 0
    stream: str | None = None
    sequence: int | None = None
    cookieless: bool = False


class Auditor:
    """Runs beside a collector, on a thread of its own."""

    def __init__(
        self,
        cluster: Cluster,
        make: Callable[[], Sender],
        events_topic: str,
        loss_topic: str,
        clock: Callable[[], float] = time.time,
        *,
        opened: Open | None = None,
    ) -> None:
        """`make` makes the sender, and another one when that has lost all brokers for good; `clock` is in epoch s;
        `opened` makes JSON of events in Avro."""
        self._cluster = cluster
        self._make = make
        self._sender = make()
        self._topic = events_topic
        self._loss_topic = loss_topic
        self._clock = clock
        self._opened = opened
        self._lock = threading.Lock()
        self._sequences = Sequences()
        self._whole_since = 0  # epoch ms: what happened later is of streams whose beginning was looked at

    def run(self, stop: threading.Event) -> None:
        """Read and tell until `stop` is set. Raises ClickstreamError when the producer cannot go on."""
        reader = TopicReader(self._cluster, self._topic, self, self._begin, FETCHES, opened=self._opened)
        reader.start()
        try:
            while not stop.wait(SAY_EVERY_S):
                # Before everything is read that was there, figures would be less than they were said to be.
                self._tell(whole=reader.state.stage == Stage.LIVE)
        finally:
            reader.stop.set()
            reader.join()

    def close(self, within: float) -> None:
        """Wait for so many seconds until what was said is written."""
        self._sender.close(within)

    def _tell(self, *, whole: bool) -> None:
        try:
            if whole:
                self._say()
            self._sender.poll()
        except LostBrokers as lost:
            log.debug("What is missing is told through a new client: %s", lost)
            self._sender = self._make()
            with self._lock:  # what the former one had not delivered is among it
                self._sequences.changed |= set(self._sequences.figures)

    def metrics(self) -> dict[str, dict[str, float]]:
        """Of every site, by the names of their metrics."""
        return {
            site: {
                "web_events_sent": figures.sent,
                "web_events_received": figures.received,
                "web_events_missing": figures.missing,
                "web_events_doubled": figures.doubled,
                "web_events_last_timestamp_seconds": figures.last / 1000,
            }
            for site, figures in self.sites().items()
        }

    def sites(self) -> dict[str, Figures]:
        """Of every site, the last 24 hours together."""
        since = int(self._clock() * 1000) - 24 * HOUR_MS
        found: dict[str, Figures] = {}
        with self._lock:
            for (site, hour), figures in self._sequences.figures.items():
                if hour > since:
                    sums = found.setdefault(site, Figures())
                    sums.received += figures.received
                    sums.missing += figures.missing
                    sums.doubled += figures.doubled
                    sums.last = max(sums.last, figures.last)
        return found

    def add(self, records: Sequence[Message]) -> None:
        """Of the reader: events that came."""
        oldest = int(self._clock() * 1000) - LOOKED_AT_MS
        with self._lock:
            take, whole_since = self._sequences.take, self._whole_since
            for message in records:
                try:
                    event = _decode(message.value() or b"")
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    continue  # not the collector's
                at = event.time
                if event.stream is not None and event.sequence is not None and at >= oldest:
                    from_zero = event.cookieless and at >= whole_since
                    take(event.site, event.stream, event.sequence, at, from_zero=from_zero, came_at=event.received_at)

    def forget(self) -> None:
        """Of the reader: the topic was recreated."""
        with self._lock:
            self._sequences = Sequences()

    def _begin(self, logs: Mapping[int, Limits]) -> Mapping[int, int]:
        since = int(self._clock() * 1000) - LOOKED_AT_MS
        with self._lock:
            self._whole_since = since + STREAM_MS
        found = at_times(self._cluster, self._topic, dict.fromkeys(logs, since))
        return {partition: log.high if found[partition] < 0 else found[partition] for partition, log in logs.items()}

    def _say(self) -> None:
        """The hours that are other than last said."""
        now = int(self._clock() * 1000)
        with self._lock:
            self._sequences.drop_before(now - LOOKED_AT_MS)
            changed, self._sequences.changed = self._sequences.changed, set()
            words = [_words(*hour, self._sequences.figures[hour]) for hour in sorted(changed)]
        for key, value in words:
            # Hours of which only a part was looked at were told by who saw them whole.
            if key.hour >= now - LOOKED_AT_MS:
                self._sender.send(self._loss_topic, encode(value), encode(key))


def _words(site: str, hour: int, figures: Figures) -> tuple[LossKey, WebLoss]:
    loss = WebLoss(site, hour, figures.sent, figures.received, figures.missing, figures.doubled, figures.last or None)
    return LossKey(site, hour), loss


_decode = msgspec.json.Decoder(Numbered).decode
