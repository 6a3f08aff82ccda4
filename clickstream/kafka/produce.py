"""Sending: a full local queue means wait, and every delivery failure is counted and seen."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream.errors import ClickstreamError
from clickstream.kafka.patience import Stopped

log = logging.getLogger(__name__)

Headers = list[tuple[str, str | bytes | None]]
SAY_FAILURES_EVERY_S = 5.0
DRAIN_S = 30.0


class Sender:
    """One producer, shared by any number of threads.

    `sent` counts what was handed over, `failed` what will never arrive; what is neither failed nor still
    queued is acknowledged by the broker (no callback runs on success: it would cost 40 % of the rate).
    """

    def __init__(self, producer: Producer, stop: threading.Event | None = None) -> None:
        """`stop`: once it is set, a full queue is waited for DRAIN_S more; then what does not fit has failed."""
        self._producer = producer
        self._stop = stop
        self._give_up_at: float | None = None
        self._lock = threading.Lock()
        self._said_at = float("-inf")
        self._confirmed = 0  # by the last flush that left nothing
        self.sent = 0
        self.failed = 0
        self.first_failure: str | None = None

    @property
    def acknowledged(self) -> int:
        # The length of the queue includes events that are no records (statistics, logs): while the producer works
        # this may be a little too low. After a flush it is exact.
        with self._lock:
            return max(self._confirmed, self.sent - self.failed - len(self._producer))

    @property
    def queued(self) -> int:
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
        while True:
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
                if not self._wait_for_room():
                    self._give_up(1, topic)
                    return
                continue
            except KafkaException as problem:
                self._refused(problem.args[0], topic)
            break
        with self._lock:
            self.sent += 1

    def send_batch(self, topic: str, messages: Sequence[dict[str, Any]]) -> None:
        """Hand over many `{"key": ..., "value": ...}` at once: a fifth faster than one by one.

        The partition is chosen by key; `produce_batch` knows neither headers nor timestamps. Waits while the local
        queue is full.
        """
        waiting = list(messages)
        while waiting:
            # A batch is not refused with an exception: each message that was not queued carries its error.
            queued = self._producer.produce_batch(topic, waiting, on_delivery=self._delivered)
            with self._lock:
                self.sent += queued
            if queued == len(waiting):
                break
            waiting = self._sort_out(waiting, topic)
            if waiting and not self._wait_for_room():
                self._give_up(len(waiting), topic)
                break
        self._producer.poll(0)

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
                self._refused(error, topic)
                with self._lock:
                    self.sent += 1
        return again

    def _wait_for_room(self) -> bool:
        self._producer.poll(0.1)
        if self._stop is None or not self._stop.is_set():
            return True
        self._give_up_at = self._give_up_at or time.monotonic() + DRAIN_S
        return time.monotonic() < self._give_up_at

    def _give_up(self, records: int, topic: str) -> None:
        for _ in range(records):
            self._fail("stopped while the local queue was full", topic)
        with self._lock:
            self.sent += records

    def poll(self) -> None:
        """Serve delivery reports; call it every thousand records or so."""
        self._producer.poll(0)

    def flush(self, timeout: float = DRAIN_S) -> int:
        """Wait up to `timeout` seconds for all deliveries; returns how many records are still queued."""
        with self._lock:
            sent = self.sent
        left: int = self._producer.flush(timeout)
        if left == 0:
            with self._lock:
                self._confirmed = max(self._confirmed, sent - self.failed)
        return left

    def close(self, timeout: float = DRAIN_S) -> None:
        """Drain; what is still unconfirmed after `timeout` seconds is given up and counted as failed."""
        if self.flush(timeout):
            self._producer.purge()
            self.flush(5.0)

    def must_have_delivered(self, what: str, timeout: float = DRAIN_S) -> None:
        """Flush, and raise ClickstreamError unless everything ever sent here was acknowledged."""
        left = self.flush(timeout)
        if self.failed or left:
            reason = self.first_failure or f"{left} records were not confirmed within {timeout:.0f} s"
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
        if error is not None:
            self._fail(error.str(), message.topic() or "")

    def _refused(self, error: KafkaError, topic: str) -> None:
        # produce() reports the state of the producer, without the flag that its first error had.
        if error.fatal() or error.code() == KafkaError._FATAL:
            raise ClickstreamError(f"The producer cannot go on: {error.str()}.")
        self._fail(error.str(), topic)

    def _fail(self, cause: str, topic: str) -> None:
        with self._lock:
            self.failed += 1
            reason = f"{cause} (topic {topic})"
            self.first_failure = self.first_failure or reason
            say = time.monotonic() > self._said_at + SAY_FAILURES_EVERY_S
            if say:
                self._said_at = time.monotonic()
        if say:
            log.error("A record was not delivered: %s. Failed so far: %d.", reason, self.failed)
