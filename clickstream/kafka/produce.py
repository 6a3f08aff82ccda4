"""Sending: a full local queue means wait, and every delivery failure is counted and seen."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream.errors import ClickstreamError
from clickstream.kafka.limits import LimitedProducer
from clickstream.kafka.patience import Stopped
from clickstream.kafka.statistics import LostBrokers
from clickstream.stop import DRAIN_S, Stop

log = logging.getLogger(__name__)

Headers = list[tuple[str, str | bytes | None]]
Encode = Callable[[str, bytes | None], bytes | None]
"""Of a topic and a value: the value to be sent."""
SAY_FAILURES_EVERY_S = 5.0
# A flush in one piece would keep the main thread from its signals: a Ctrl-C must be able to shorten it.
FLUSH_SLICE_S = 0.2
PURGED_WITHIN_S = 5.0

_PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})


class Sender:
    """One producer, shared by any number of threads.

    `sent` counts what was handed over, `failed` what was not acknowledged and is not tried any more. Of these,
    `unconfirmed` were given up while the broker did not answer: they may be in the topic or not. What is neither
    failed nor still queued is acknowledged (no callback runs on success: it would cost 40 % of the rate).
    """

    def __init__(
        self,
        producer: Producer,
        stop: Stop | None = None,
        encode: Encode | None = None,
        *,
        time_outs_level: int = logging.ERROR,
    ) -> None:
        """`stop`: once it is set, nothing is waited for longer than it allows; what is left is unconfirmed.

        `encode` turns each value into what is sent. `time_outs_level`: how loud it is said that records timed out.
        """
        self._producer = producer
        self._stop = stop
        self._encode = encode
        self._time_outs_level = time_outs_level
        self._too_large: dict[tuple[str, bool], str] = {}
        self._lock = threading.Lock()
        self._said_at = float("-inf")
        self._acknowledged = 0  # as last seen
        self._last_success = 0.0
        self._fatal: KafkaError | None = None  # after which the client takes nothing any more
        self.sent = 0
        self.failed = 0
        self.unconfirmed = 0
        self.first_failure: str | None = None

    @property
    def acknowledged(self) -> int:
        """Records that the broker has confirmed: it only grows. After a flush it is exact, before never too high."""
        # The length of the queue includes events that are no records (statistics, logs), records that `sent` does not
        # know yet, and those of others that share the producer: the difference falls now and then, and is too low
        # then. What was once seen to be acknowledged stays so.
        with self._lock:
            self._note_acknowledged(self.sent - self.failed - len(self._producer))
            return self._acknowledged

    @property
    def last_success(self) -> float | None:
        """When (epoch s) more records were last seen to be acknowledged; None: never."""
        return self._last_success if self.acknowledged else None

    def _note_acknowledged(self, records: int) -> None:
        if records > self._acknowledged:
            self._acknowledged = records
            self._last_success = time.time()

    @property
    def queued(self) -> int:
        """Records, and other events, that wait in the client: 0 when all is delivered or failed."""
        return len(self._producer)

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int = -1,
        headers: Headers | None = None,
        timestamp: int = 0,
    ) -> None:
        """Hand over one record, with a time in epoch ms (0: now); waits while the local queue is full.

        Raises ClickstreamError on a fatal error.
        """
        if self._encode is not None:
            value = self._encode(topic, value)
        while not self._hand_over(topic, value, key, partition, headers, timestamp):
            if not self._wait_for_room():
                self._give_up(1)
                return

    def offer(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int = -1,
        headers: Headers | None = None,
        timestamp: int = 0,
    ) -> bool:
        """Hand over one record as `send` does, if the local queue has room: for an event loop, which must not wait.

        False when the queue is full: the record was not taken, and counts nowhere. It waits for nothing, so it serves
        no delivery reports: somebody must call `poll`, on another thread than the event loop's (after a failure that
        may ask the broker for the reason). Raises ClickstreamError on a fatal error.
        """
        if self._encode is not None:
            value = self._encode(topic, value)
        return self._hand_over(topic, value, key, partition, headers, timestamp, ask=False)

    def _hand_over(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        headers: Headers | None,
        timestamp: int,
        *,
        ask: bool = True,
    ) -> bool:
        """False when there is no room; True when the record was queued, or refused for good and counted as failed."""
        try:
            self._producer.produce(
                topic,
                value,
                key,
                partition=partition,
                headers=headers,
                timestamp=timestamp,
                on_delivery=self._delivered,
            )
        except BufferError:
            return False
        except KafkaException as problem:
            self._refused(problem.args[0], topic, _size(key, value), ask=ask)
        with self._lock:
            self.sent += 1
        return True

    def send_batch(self, topic: str, messages: Sequence[dict[str, Any]]) -> None:
        """Hand over many `{"key": ..., "value": ...}` at once: a fifth faster than one by one.

        The partition is chosen by key; `produce_batch` knows neither headers nor timestamps. Waits while the local
        queue is full.
        """
        waiting = list(messages)
        if self._encode is not None:
            waiting = [{**message, "value": self._encode(topic, message["value"])} for message in waiting]
        while waiting:
            # A batch is not refused with an exception: each message that was not queued carries its error.
            queued = self._producer.produce_batch(topic, waiting, on_delivery=self._delivered)
            with self._lock:
                self.sent += queued
            if queued == len(waiting):
                break
            waiting = self._sort_out(waiting, topic)
            if waiting and not self._wait_for_room():
                self._give_up(len(waiting))
                break
        self.poll()

    def _sort_out(self, messages: list[dict[str, Any]], topic: str) -> list[dict[str, Any]]:
        """Those to send again; the others failed for good."""
        again = []
        for message in messages:
            error = message.pop("_error", None)
            if error is None:
                continue
            if error.code() == KafkaError._QUEUE_FULL:
                again.append(message)
            else:
                self._refused(error, topic, _size(message.get("key"), message.get("value")))
                with self._lock:
                    self.sent += 1
        return again

    def _time_left(self) -> float:
        return float("inf") if self._stop is None else self._stop.drain_time_left()

    def _wait_for_room(self) -> bool:
        self._serve(self._producer.poll, 0.1)
        return self._time_left() > 0

    def _give_up(self, records: int) -> None:
        with self._lock:
            self.sent += records
            self.failed += records
            self.unconfirmed += records

    def poll(self) -> None:
        """Serve delivery reports; call it every thousand records or so."""
        self._serve(self._producer.poll, 0)

    def _serve(self, call: Callable[[float], int], timeout: float) -> int:
        """Have the client work. A fatal error is raised there, once, by whichever call comes first: it is kept.

        The records then fail one by one, and `send` says that it cannot go on.
        """
        try:
            return call(timeout)
        except KafkaException as problem:
            self._fatal = problem.args[0]
            log.debug("The producer has failed: %s", problem)
            # The client never lets go of what it raised, and with it of all callers: at exit DuckDB says so at length.
            problem.__traceback__ = problem.__context__ = None
            return len(self._producer)

    def flush(self, timeout: float | None = None) -> int:
        """Wait for all deliveries, up to `timeout` seconds; returns how many records are still queued.

        Once the stop is set it waits no longer than that allows; until then, without a `timeout`, as long as the
        records do. Without a stop, `timeout` is DRAIN_S.
        """
        if timeout is None:
            timeout = DRAIN_S if self._stop is None else float("inf")
        return self._flush(timeout, self._time_left)

    def _flush(self, timeout: float, time_left: Callable[[], float]) -> int:
        with self._lock:
            sent = self.sent
        deadline = time.monotonic() + timeout
        while True:
            patience = min(deadline - time.monotonic(), time_left())
            left = self._serve(self._producer.flush, max(0.0, min(FLUSH_SLICE_S, patience)))
            if left == 0 or patience <= 0:
                break
        if left == 0:
            with self._lock:
                self._note_acknowledged(sent - self.failed)
        return left

    def close(self, timeout: float | None = None) -> None:
        """Drain as `flush` does; what is left then is unconfirmed, as it is when the brokers are lost."""
        with suppress(LostBrokers):
            self.flush(timeout)
        if len(self._producer):
            self._producer.purge()
            with suppress(LostBrokers):
                self._flush(PURGED_WITHIN_S, lambda: PURGED_WITHIN_S)

    def must_have_delivered(self, what: str, timeout: float | None = None) -> None:
        """Flush, and raise ClickstreamError unless everything ever sent here was acknowledged."""
        left = self.flush(timeout)
        if self.failed or left:
            reason = self.first_failure or f"{left + self.unconfirmed:,} records were not confirmed in time"
            raise ClickstreamError(f"{what} could not be written: {reason}.")

    def deliver_all(self, what: str, stop: threading.Event | None, grace: float) -> None:
        """Wait until everything ever sent here is acknowledged, however long Kafka is away.

        For a producer whose records do not time out (`message.timeout.ms` 0). Once `stop` is set, Stopped is raised
        if that takes longer than `grace` seconds more; without `stop`, ClickstreamError after DRAIN_S. Raises
        ClickstreamError for a record that the broker refused.
        """
        give_up_at = None if stop is not None else time.monotonic() + DRAIN_S
        while self.flush(0.5) and not self.failed:
            now = time.monotonic()
            if stop is not None and stop.is_set():
                give_up_at = give_up_at or now + grace
            if give_up_at is not None and now >= give_up_at:
                said = f"{what}: {self.queued} records are not confirmed."
                raise ClickstreamError(said) if stop is None else Stopped(said)
        if self.failed:
            raise ClickstreamError(f"{what} could not be written: {self.first_failure}.")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            return
        if error.code() in _PURGED:
            with self._lock:
                self.failed += 1
                self.unconfirmed += 1
            return
        self._fail(error, message.topic() or "", _size(message.key(), message.value()))

    def _refused(self, error: KafkaError, topic: str, size: int, *, ask: bool = True) -> None:
        # produce() reports the state of the producer, without the flag that its first error had.
        if error.fatal() or error.code() == KafkaError._FATAL:
            reason = self._reason(error, topic, size, here=True, ask=ask)
            raise ClickstreamError(f"The producer cannot go on: {reason}.")
        self._fail(error, topic, size, here=True, ask=ask)

    def _reason(self, error: KafkaError, topic: str, size: int, *, here: bool, ask: bool) -> str:
        if self._fatal is not None and error.code() == KafkaError._FATAL:
            error = self._fatal
        # A user who may write to no topic at all does not even get the id of a producer.
        if error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
            return f"{error.str()} (topic {topic}: ask the cluster's administrator for an ACL with Write on it)"
        if error.code() != KafkaError.MSG_SIZE_TOO_LARGE or not isinstance(self._producer, LimitedProducer):
            return f"{error.str()} (topic {topic})"
        if (topic, here) not in self._too_large:  # the first one's: the broker is asked once
            reason = self._producer.too_large(topic, size, refused_here=here, ask=ask)
            if not ask:
                return reason
            self._too_large[topic, here] = reason
        return self._too_large[topic, here]

    def _fail(self, error: KafkaError, topic: str, size: int, *, here: bool = False, ask: bool = True) -> None:
        reason = self._reason(error, topic, size, here=here, ask=ask)
        with self._lock:
            self.failed += 1
            self.first_failure = self.first_failure or reason
            say = time.monotonic() > self._said_at + SAY_FAILURES_EVERY_S
            if say:
                self._said_at = time.monotonic()
        if say:
            level = self._time_outs_level if error.code() == KafkaError._MSG_TIMED_OUT else logging.ERROR
            log.log(level, "A record was not delivered: %s. Failed so far: %d.", reason, self.failed)


def shortfall(what: str, *senders: Sender) -> str | None:
    """How many of `what` (a plural) closed senders did not get acknowledged, and why; None when all were."""
    missing = sum(sender.sent - sender.acknowledged for sender in senders)
    if not missing:
        return None
    refused = sum(sender.failed - sender.unconfirmed for sender in senders)
    unconfirmed = missing - refused
    reasons = [sender.first_failure for sender in senders if sender.first_failure]
    said = f"{refused:,} {what} were not delivered: {reasons[0]}." if refused else ""
    if unconfirmed:
        said += (
            f" {unconfirmed:,} {what} are unconfirmed: Kafka did not acknowledge them in time. "
            "They may be in the topic or not."
        )
    return said.strip()


def must_be_acknowledged(what: str, *senders: Sender) -> None:
    """Raises ClickstreamError unless all that these closed senders sent was acknowledged; it says how many were not."""
    missing = shortfall(what, *senders)
    if missing is not None:
        raise ClickstreamError(missing)


def record_time(time_ms: int | None) -> int:
    """A time of a row, in epoch ms, as `send` takes it; None: now.

    The client takes 0 for "now" and has no other way to say 0: exactly 1970 becomes a millisecond later.
    Raises ClickstreamError for times before 1970, which Kafka does not have.
    """
    if time_ms is None:
        return 0
    if time_ms < 0:
        raise ClickstreamError(f"A record cannot have a time before 1970: {time_ms} ms since then was given.")
    return max(1, time_ms)


def _size(key: bytes | str | None, value: bytes | str | None) -> int:
    """Bytes of a record without its headers."""
    return sum(len(part.encode() if isinstance(part, str) else part) for part in (key, value) if part is not None)
