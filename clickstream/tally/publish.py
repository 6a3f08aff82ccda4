"""Publishing tallies: one publisher at a time, and never a count lower than the last one published."""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from msgspec import MsgspecError

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import partitions_of, read_to_end, watermarks
from clickstream.kafka.errors import error_of, explain
from clickstream.kafka.produce import Headers
from clickstream.records import Tally, utc_text

log = logging.getLogger(__name__)

EPOCH_HEADER = "epoch"
TRANSACTION_TIMEOUT_S = 30.0
MAX_TALLY_BYTES = 8_000_000
PATIENCE_S = 300.0
ATTEMPTS = 3

# topic, key, value, headers
Record = tuple[str, bytes, bytes, Headers | None]

_FENCED = frozenset(
    {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError._FATAL}
)


# As final as being fenced, but a new producer would not be allowed either.
_FORBIDDEN = frozenset({KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})


class Fenced(ClickstreamError):
    """Another member has become the publisher, or the broker has forgotten us: a new producer may go on."""


class Transactions:
    """A transactional producer for one group. Making one ends the transaction of, and fences, any earlier one."""

    def __init__(self, cluster: Cluster, group: str) -> None:
        self._cluster = cluster
        self._producer: Producer = cluster.producer(
            {
                "transactional.id": group,
                "transaction.timeout.ms": round(TRANSACTION_TIMEOUT_S * 1000),
                "linger.ms": 5,
                "message.max.bytes": MAX_TALLY_BYTES,
            }
        )
        try:
            self._patiently(self._producer.init_transactions)
        except KafkaException as problem:
            raise self._translate(problem) from problem

    def commit(self, records: Sequence[Record]) -> None:
        """Write the records, all or none; an aborted attempt is made again.

        Raises Fenced when another member took over, ClickstreamError when it cannot be done.
        """
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                self._producer.begin_transaction()
                for topic, key, value, headers in records:
                    self._produce(topic, key, value, headers)
                self._patiently(self._producer.commit_transaction)
                return
            except KafkaException as problem:
                error = error_of(problem)
                if error is None or error.fatal() or error.code() in _FENCED:
                    raise self._translate(problem) from problem
                self._abort()
                # Once one record has failed, produce() refuses the next ones for the state that it left.
                helps = error.txn_requires_abort() or error.code() == KafkaError._STATE
                if not attempts_left or not helps:
                    raise self._translate(problem) from problem

    def _abort(self) -> None:
        try:
            self._patiently(self._producer.abort_transaction)
        except KafkaException as problem:
            raise self._translate(problem) from problem

    def _patiently(self, step: Callable[[float], None]) -> None:
        """Call `step` again while its error says that this helps: a broker that restarts, for example."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return step(10.0)
            except KafkaException as problem:
                error = error_of(problem)
                if error is None or not error.retriable() or time.monotonic() > deadline:
                    raise
            self._producer.poll(0.1)  # some answer at once

    def close(self) -> None:
        """Give up what is not committed, without waiting for a broker that may be away."""
        with contextlib.suppress(KafkaException):  # a producer that was fenced says so once more
            self._producer.purge()
            self._producer.flush(0)

    def _produce(self, topic: str, key: bytes, value: bytes, headers: Headers | None) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, headers=headers)
            except BufferError:
                self._producer.poll(0.1)
                continue
            break

    def _translate(self, problem: KafkaException) -> Exception:
        error = error_of(problem)
        if error is not None and (error.code() in _FENCED or error.fatal()) and error.code() not in _FORBIDDEN:
            return Fenced(error.str())
        return explain(problem, "Publishing a tally", self._cluster.address)


class TallyPublisher:
    """The owner of partition 0's right to publish the group's tallies."""

    def __init__(self, cluster: Cluster, topic: str, group: str, epoch: int) -> None:
        # First the transactions, which stop any earlier publisher, then the reading: nothing can come between.
        self._transactions = Transactions(cluster, group)
        self._topic = topic
        self._key = group.encode()
        self._headers: Headers = [(EPOCH_HEADER, str(epoch).encode())]
        self.last = last_tally(cluster, topic, group, epoch)
        self.published = 0

    def publish(self, counts: Mapping[str, int]) -> bool:
        """Publish `counts` unless they are those of the last tally, or still lower in any name."""
        if counts == self.last or any(counts.get(name, 0) < count for name, count in self.last.items()):
            return False
        tally = Tally(dict(counts), utc_text(time.time()))
        self._transactions.commit([(self._topic, self._key, tally.encode(), self._headers)])
        self.last = tally.counts
        self.published += 1
        return True

    def close(self) -> None:
        self._transactions.close()


def last_tally(cluster: Cluster, topic: str, group: str, epoch: int) -> dict[str, int]:
    """Counts of the last tally that `group` published in `epoch`; empty when there is none."""
    latest: dict[str, int] = {}
    consumer = cluster.consumer("clickstream-reader")
    try:
        for partition in partitions_of(consumer, topic, cluster.address):
            low, high = watermarks(consumer, topic, partition, cluster.address)
            counts = _last_in_partition(cluster, topic, partition, low, high, group, epoch)
            latest.update({name: max(count, latest.get(name, 0)) for name, count in counts.items()})
    finally:
        consumer.close()
    return latest


def _last_in_partition(
    cluster: Cluster, topic: str, partition: int, low: int, high: int, group: str, epoch: int
) -> dict[str, int]:
    # Backwards from the end in steps that grow: tallies of other groups may stand between.
    found: list[dict[str, int]] = []

    def take(message: Message) -> None:
        counts = tally_of(message, group, epoch)
        if counts is not None:
            found.append(counts)

    step = 64
    while not found and high > low:
        start = max(low, high - step)
        read_to_end(cluster, topic, take, start={partition: start})
        if start == low:
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
