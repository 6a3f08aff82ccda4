"""Transactions of one writer at a time: all of its records or none, and a newer writer of the same id ends it."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import not_writable
from clickstream.kafka.clients import Cluster
from clickstream.kafka.errors import error_of, explain, is_transient
from clickstream.kafka.patience import Stopped
from clickstream.kafka.produce import Headers
from clickstream.kafka.statistics import LostBrokers

TRANSACTION_TIMEOUT_S = 30.0
# Of a record, before compression; what a topic takes is the broker's to say.
MAX_RECORD_BYTES = 8_000_000
ATTEMPTS = 3
# How long a step of a transaction is waited for at once; it goes on with the next call.
STEP_S = 1.0
# After a stop: how long an acknowledgement that is under way is waited for.
GRACE_S = 3.0


class Record(NamedTuple):
    """What is written: `timestamp` in epoch ms, 0 for now."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers | None = None
    timestamp: int = 0


_FENCED = frozenset(
    {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError._FATAL}
)


# What an abort does to the records that still wait.
_PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
# As final as being fenced, but a new producer would not be allowed either.
_FORBIDDEN = frozenset({KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})


class Fenced(ClickstreamError):
    """Another writer has taken over, or the broker has forgotten us: a new producer may go on."""


# Of a delivery, where it is the record that is wrong, whatever is tried: the reason as a word.
_REFUSALS = {
    KafkaError.MSG_SIZE_TOO_LARGE: "too-large",
    KafkaError.INVALID_TIMESTAMP: "invalid-timestamp",
    KafkaError.INVALID_RECORD: "invalid-record",  # without a key, for a compacted topic
    KafkaError._INVALID_DIFFERENT_RECORD: "invalid-record",  # another one that was sent together with it
}


class RefusedRecord(ClickstreamError):
    """One of the records is nothing that its topic takes: nothing was written. `kind` is the reason as a word."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


# Of these, those that a second attempt has never helped against: of many records each would be tried in vain.
_NEVER_TAKEN = _REFUSALS.keys() - {KafkaError.MSG_SIZE_TOO_LARGE}


class Transactions:
    """A transactional producer. Making one ends the transaction of, and fences, any earlier one of the same id."""

    def __init__(
        self,
        cluster: Cluster,
        transactional_id: str,
        stop: threading.Event | None = None,
        *,
        doing: str = "Publishing",
    ) -> None:
        """Waits for Kafka until `stop` is set, and then raises Stopped; without it, for ever. May raise Fenced.

        `doing` is the beginning of what is said when it fails.
        """
        self._cluster = cluster
        self._id = transactional_id
        self._doing = doing
        self._stop = stop
        self._give_up_at: float | None = None
        self._refused: KafkaError | None = None  # of the first record that failed in this attempt
        self._refused_by = ""  # its topic
        self._producer: Producer = cluster.producer(
            {
                "transactional.id": transactional_id,
                "transaction.timeout.ms": round(TRANSACTION_TIMEOUT_S * 1000),
                "linger.ms": 5,
                "message.max.bytes": MAX_RECORD_BYTES,
            }
        )
        try:
            self._patiently(self._producer.init_transactions)
        except KafkaException as problem:
            raise self._translate(problem) from problem

    def commit(self, records: Sequence[Record]) -> None:
        """Write the records, all or none; an aborted attempt is made again, as often as it takes while Kafka is away.

        Raises Fenced when another member took over, Stopped while Kafka is away and we are told to stop (whether the
        records were written is then unknown), RefusedRecord, or another ClickstreamError when it cannot be done.
        """
        attempts_left = ATTEMPTS
        while True:
            self._refused = None
            try:
                self._producer.begin_transaction()
                for record in records:
                    self._produce(*record)
                self._patiently(self._producer.commit_transaction)
                return
            except KafkaException as problem:
                error = error_of(problem)
                if error is None or error.fatal() or error.code() in _FENCED:
                    raise self._translate(problem) from problem
                forbidden = self._forbidden(error, [record.topic for record in records])
                self._abort(forbidden)
                if self._passes(error):
                    self._check_stop()
                elif (self._refused or error).code() in _NEVER_TAKEN:
                    attempts_left = 0
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
                self._patiently(self._producer.commit_transaction)
            except KafkaException as problem:
                error = error_of(problem) or error
        cause = self._refused or error
        if cause.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            hidden = not_writable(self._cluster, topics)
            named = ", ".join(hidden or sorted(set(topics)))
            return explain(cause, f"Writing to topic {named}", self._cluster.address)
        return None

    def _record_to_blame(self, error: KafkaError | None) -> RefusedRecord | None:
        """What to say, naming the topic, of an attempt that failed because of what a record is; else None."""
        cause = self._refused or error
        if cause is None or cause.code() not in _REFUSALS:
            return None
        by = f"topic {self._refused_by} refuses a record: " if self._refused else ""
        told = KafkaError(cause.code(), f"{by}{cause.str()}")
        return RefusedRecord(str(explain(told, self._doing, self._cluster.address)), _REFUSALS[cause.code()])

    def _abort(self, forbidden: ClickstreamError | None) -> None:
        try:
            try:
                self._patiently(self._producer.abort_transaction)
            except KafkaException as problem:
                # The client may answer with what an earlier call that timed out has left: that the transaction failed.
                error = error_of(problem)
                if error is None or not error.txn_requires_abort():
                    raise
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
            raise Stopped(f"{self._doing}: stopped while Kafka was away.")

    def poll(self) -> None:
        """Serve what the client reports: call it now and then while there is nothing to write. Raises LostBrokers."""
        with contextlib.suppress(KafkaException):  # what has failed is told by the next commit
            self._producer.poll(0)

    def close(self) -> None:
        """Give up what is not committed, without waiting for a broker that may be away."""
        # A producer that was fenced says so once more, one that has lost its brokers perhaps, too.
        with contextlib.suppress(KafkaException, LostBrokers):
            self._producer.purge()
            self._producer.flush(0)

    def _produce(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers | None, timestamp: int
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    topic, value, key, headers=headers, timestamp=timestamp, on_delivery=self._delivered
                )
            except BufferError:
                self._producer.poll(0.1)
                continue
            break

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None or error.code() in _PURGED:
            return
        # The record that is to blame may come after others of its batch.
        if self._refused is None or self._refused.code() == KafkaError._INVALID_DIFFERENT_RECORD:
            self._refused, self._refused_by = error, message.topic() or ""

    def _translate(self, problem: KafkaException) -> Exception:
        error = error_of(problem)
        if error is not None and (error.code() in _FENCED or error.fatal()) and error.code() not in _FORBIDDEN:
            return Fenced(error.str())
        if refused := self._record_to_blame(error):
            return refused
        nobody = error is not None and error.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        doing = f"Publishing as transactional id {self._id}" if nobody else self._doing
        return explain(problem, doing, self._cluster.address)
