"""Publishing tallies: one publisher at a time, and never a count lower than the last one published."""

import threading
import time
from collections.abc import Mapping

from confluent_kafka import Message
from msgspec import MsgspecError

from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.offsets import Limits, limits
from clickstream.kafka.produce import Headers
from clickstream.kafka.transactions import Record, Transactions
from clickstream.records import Tally, utc_text

EPOCH_HEADER = "epoch"
DOING = "Publishing a tally"


class TallyPublisher:
    """The owner of partition 0's right to publish the group's tallies."""

    def __init__(
        self, cluster: Cluster, topic: str, group: str, epoch: int, stop: threading.Event | None = None
    ) -> None:
        """Waits for Kafka until `stop` is set, and then raises Stopped. May raise Fenced."""
        # First the transactions, which stop any earlier publisher, then the reading: nothing can come between.
        self._transactions = Transactions(cluster, group, stop, doing=DOING)
        self._topic = topic
        self._key = group.encode()
        self._headers: Headers = [(EPOCH_HEADER, str(epoch).encode())]
        self.last = last_tally(cluster, topic, group, epoch, stop)

    def publish(self, counts: Mapping[str, int]) -> bool:
        """Publish `counts` unless they are those of the last tally, or still lower in any name; whether it did."""
        if counts == self.last or any(counts.get(name, 0) < count for name, count in self.last.items()):
            return False
        tally = Tally(dict(counts), utc_text(time.time()))
        self._transactions.commit([Record(self._topic, self._key, tally.encode(), self._headers)])
        self.last = tally.counts
        return True

    def poll(self) -> None:
        """Call it now and then while there is nothing to publish."""
        self._transactions.poll()

    def close(self) -> None:
        """Let others publish; what is not committed is given up."""
        self._transactions.close()


def last_tally(
    cluster: Cluster, topic: str, group: str, epoch: int, stop: threading.Event | None = None
) -> dict[str, int]:
    """Counts of the last tally that `group` published in `epoch`; empty when there is none."""
    latest: dict[str, int] = {}
    for partition, log in limits(cluster, topic, stop=stop).items():
        counts = _last_in_partition(cluster, topic, partition, log, group, epoch, stop)
        latest.update({name: max(count, latest.get(name, 0)) for name, count in counts.items()})
    return latest


def _last_in_partition(
    cluster: Cluster,
    topic: str,
    partition: int,
    log: Limits,
    group: str,
    epoch: int,
    stop: threading.Event | None,
) -> dict[str, int]:
    # Backwards from the end in steps that grow: tallies of other groups may stand between.
    found: list[dict[str, int]] = []

    def take(message: Message) -> None:
        counts = tally_of(message, group, epoch)
        if counts is not None:
            found.append(counts)

    step = 64
    while not found and log.span:
        start = max(log.low, log.high - step)
        read_to_end(cluster, topic, take, start={partition: start}, stop=stop)
        if start == log.low:
            break
        step *= 8
    return found[-1] if found else {}


def tally_of(message: Message, group: str, epoch: int | None = None) -> dict[str, int] | None:
    """The counts in `message` if it is a tally of `group` (and of `epoch`, when given)."""
    if message.key() != group.encode():
        return None
    if epoch is not None and (EPOCH_HEADER, str(epoch).encode()) not in (message.headers() or []):
        return None
    try:
        return Tally.decode(message.value() or b"").counts
    except (MsgspecError, UnicodeDecodeError):
        return None
