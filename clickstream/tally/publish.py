"""Publishing tallies: one publisher at a time, and never a count lower than the last one published."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from msgspec import MsgspecError

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import not_writable
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.errors import error_of, explain, is_transient
from clickstream.kafka.offsets import Limits, limits
from clickstream.kafka.patience import Stopped
from clickstream.kafka.produce import Headers
from clickstream.records import Tally, utc_text
from clickstream.tally.state import GRACE_S

log = logging.getLogger(__name__)

EPOCH_HEADER = "epoch"
TRANSACTION_TIMEOUT_S = 30.0
MAX_TALLY_BYTES = 8_000_000
ATTEMPTS = 3
# How long a step of a transaction is waited for at once; it goes on with the next call.
STEP_S = 1.0

# topic, key, value, headers
Record = tuple[str, bytes, bytes, Headers | None]

_FENCED = frozenset(
    {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError._FATAL}
)


# What an abort does to the records that still wait.
_PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
# As final as being fenced, but a new producer would not be allowed either.
_FORBIDDEN = frozenset({KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})


class Fenced(ClickstreamError):
    """Another member has become the publisher, or the broker has forgotten us: a new producer may go on."""


class Transactions:
    """A transactional producer for one group. Making one ends the transaction of, and fences, any earlier one."""

    def __init__(self, cluster: Cluster, group: str, stop: threading.Event | None = None) -> None:
        """Waits for Kafka until `stop` is set, and then raises Stopped; without it, for ever. May raise Fenced."""
        self._cluster = cluster
        self._group = group
        self._stop = stop
        self._give_up_at: float | None = None
        self._refused: KafkaError | None = None  # the first record that failed in this attempt
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
        """Write the records, all or none; an aborted attempt is made again, as often as it takes while Kafka is away.

        Raises Fenced when another member took over, Stopped while Kafka is away and we are told to stop (whether the
        records were written is then unknown), ClickstreamError when it cannot be done.
        """
        attempts_left = ATTEMPTS
        while True:
            self._refused = None
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
                forbidden = self._forbidden(error, [record[0] for record in records])
                self._abort(forbidden)
                if self._passes(error):
                    self._check_stop()
                else:
                    attempts_left -= 1
                # Once one record has failed, produce() refuses the next ones for the state that it left.
                helps = error.txn_requires_abort() or error.code() == KafkaError._STATE
                if not attempts_left or not helps:
                    raise forbidden or self._translate(problem) from problem

    def _passes(self, error: KafkaError) -> bool:
        """Whether an attempt failed because Kafka was away: for so long that its records timed out, for example."""
        cause = self._refused or error
        return cause.code() == KafkaError._MSG_TIMED_OUT or is_transient(cause)

    def _forbidden(self, error: KafkaError, topics: Sequence[str]) -> ClickstreamError | None:
        """What to say, naming the topic, of an attempt that failed because we may not write to it; else None."""
        if error.code() == KafkaError._STATE:  # of a record after the failure: committing tells what that was
            try:
                self._producer.commit_transaction(0)
            except KafkaException as problem:
                error = error_of(problem) or error
        cause = self._refused or error
        if cause.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            hidden = not_writable(self._cluster, topics)
            named = ", ".join(hidden or sorted(set(topics)))
            return explain(cause, f"Writing to topic {named}", self._cluster.address)
        return None

    def _abort(self, forbidden: ClickstreamError | None) -> None:
        try:
            self._patiently(self._producer.abort_transaction)
        except KafkaException as problem:
            # The broker has begun no transaction where nothing may be written, and the client takes its answer to an
            # abort for being fenced.
            raise forbidden or self._translate(problem) from problem

    def _patiently(self, step: Callable[[float], None]) -> None:
        """Call `step` again while its error says that this helps: a broker that restarts, for example."""
        while True:
            try:
                return step(STEP_S)
            except KafkaException as problem:
                error = error_of(problem)
                if error is None or error.txn_requires_abort() or not is_transient(error):
                    raise
            self._check_stop()
            self._producer.poll(0.1)  # some answer at once

    def _check_stop(self) -> None:
        """Raises Stopped, GRACE_S after a stop."""
        if self._stop is None or not self._stop.is_set():
            return
        self._give_up_at = self._give_up_at or time.monotonic() + GRACE_S
        if time.monotonic() >= self._give_up_at:
            raise Stopped("Publishing: stopped while Kafka was away.")

    def close(self) -> None:
        """Give up what is not committed, without waiting for a broker that may be away."""
        with contextlib.suppress(KafkaException):  # a producer that was fenced says so once more
            self._producer.purge()
            self._producer.flush(0)

    def _produce(self, topic: str, key: bytes, value: bytes, headers: Headers | None) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, headers=headers, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
                continue
            break

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None and error.code() not in _PURGED:
            self._refused = self._refused or error

    def _translate(self, problem: KafkaException) -> Exception:
        error = error_of(problem)
        if error is not None and (error.code() in _FENCED or error.fatal()) and error.code() not in _FORBIDDEN:
            return Fenced(error.str())
        nobody = error is not None and error.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        doing = f"Publishing as transactional id {self._group}" if nobody else "Publishing a tally"
        return explain(problem, doing, self._cluster.address)


class TallyPublisher:
    """The owner of partition 0's right to publish the group's tallies."""

    def __init__(
        self, cluster: Cluster, topic: str, group: str, epoch: int, stop: threading.Event | None = None
    ) -> None:
        """Waits for Kafka until `stop` is set, and then raises Stopped. May raise Fenced."""
        # First the transactions, which stop any earlier publisher, then the reading: nothing can come between.
        self._transactions = Transactions(cluster, group, stop)
        self._topic = topic
        self._key = group.encode()
        self._headers: Headers = [(EPOCH_HEADER, str(epoch).encode())]
        self.last = last_tally(cluster, topic, group, epoch, stop)

    def publish(self, counts: Mapping[str, int]) -> bool:
        """Publish `counts` unless they are those of the last tally, or still lower in any name; whether it did."""
        if counts == self.last or any(counts.get(name, 0) < count for name, count in self.last.items()):
            return False
        tally = Tally(dict(counts), utc_text(time.time()))
        self._transactions.commit([(self._topic, self._key, tally.encode(), self._headers)])
        self.last = tally.counts
        return True

    def close(self) -> None:
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
