"""The dead letters of a sink: records that have no row, rows that the target refuses, originals of changed values."""

import threading
import time
from collections import deque

from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.deadletter import DeadLetter, DeadLetters, Origin, headers_of
from clickstream.kafka.produce import Sender
from clickstream.sinks.originals import Changes
from clickstream.sinks.target import Refused, Target

GRACE_S = 5.0


class SinkLetters:
    """Sends dead letters, and counts them by what is wrong: `unreadable`, `refused`, and `kept` with changed values.

    With more than `refused_per_minute` it is not the rows that are wrong: the sink stops.
    """

    def __init__(self, letters: DeadLetters, sender: Sender, target: Target, refused_per_minute: int) -> None:
        """`sender` is that of `letters`, and its records do not time out: a batch waits until they are acknowledged."""
        self._letters = letters
        self._sender = sender
        self._target = target
        self._refused_per_minute = refused_per_minute
        self._refusals: deque[float] = deque()  # of the last minute, monotonic
        self.unreadable = 0
        self.refused = 0
        self.kept = 0

    def send_unreadable(self, message: Message, reason: str) -> None:
        """A record that is no row."""
        self.unreadable += 1
        self._send(message, reason)

    def send_refused(self, message: Message, refused: Refused) -> None:
        """The record of a row that the target refuses. Raises ClickstreamError when there are too many of them."""
        self._limit(refused)
        self.refused += 1
        column = f", column {refused.column}" if refused.column else ""
        self._send(message, f"{self._target.kind} {refused.code}{column}: {refused.reason}", refused.code)

    def send_changed(self, message: Message, changes: Changes) -> None:
        """The original of a record whose row has other values."""
        self.kept += 1
        said = "; ".join(f"column {column}: {rule}" for column, rule in sorted(changes))
        self._send(message, f"kept as it was, and written with changes: {said}", "changed")

    def deliver(self, stop: threading.Event) -> None:
        """Wait until all are acknowledged, however long Kafka is away. Raises Stopped some time after `stop` is set."""
        self._sender.deliver_all("The dead letters", stop, GRACE_S)

    def poll(self) -> None:
        """Serve what the producer reports; call it now and then."""
        self._sender.poll()

    def close(self) -> None:
        """Close the sender; what is not acknowledged is given up."""
        self._sender.close(0.0)

    def _limit(self, refused: Refused) -> None:
        now = time.monotonic()
        self._refusals.append(now)
        while self._refusals[0] < now - 60:
            self._refusals.popleft()
        if len(self._refusals) > self._refused_per_minute:
            raise ClickstreamError(
                f"{self._target.where} refused more than {self._refused_per_minute} rows within a minute; the last "
                f"with {refused}. Its table may have another shape than the rows: see sink plan."
            )

    def _send(self, message: Message, reason: str, kind: str | None = None) -> None:
        origin = Origin(message.topic(), message.partition(), message.offset())
        letter = DeadLetter(message.value(), reason, origin, headers=headers_of(message), kind=kind)
        self._letters.send(letter, message.key())
