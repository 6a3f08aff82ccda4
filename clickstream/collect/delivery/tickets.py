"""Who waits for what: requests for their events, events for their records."""

import asyncio
from collections.abc import Generator, Sequence
from typing import Any, Protocol

from confluent_kafka import KafkaError, Message

from clickstream.collect.model import Record
from clickstream.errors import ClickstreamError

# What --explain tells of an event.
WAITING, KAFKA, SPOOL, DUPLICATE, NOBODY = "waiting", "kafka", "spool", "duplicate", "nobody"


Place = tuple[list[str], int]
"""Where --explain reads what came of an event: among those of its request."""


class NobodyTookIt(ClickstreamError):
    """Neither Kafka nor the spool has it."""


class Done:
    """Awaiting it does not wait."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield  # a generator, which ends at once


DONE = Done()


class Waiting:
    """What one request waits for."""

    __slots__ = ("_failed", "_left", "future")

    def __init__(self, future: "asyncio.Future[None]") -> None:
        self.future = future
        self._left = 0
        self._failed = False

    def expect(self) -> None:
        """One more event."""
        self._left += 1

    @property
    def expects(self) -> bool:
        """Whether it waits for anything."""
        return self._left > 0

    def told(self, stored: bool) -> None:
        """What came of one event. The future is done with the last of them."""
        self._left -= 1
        self._failed = self._failed or not stored
        if self._left or self.future.done():  # done: who waited has left
            return
        if self._failed:
            self.future.set_exception(NobodyTookIt("Neither Kafka nor the spool takes records."))
        else:
            self.future.set_result(None)


class Finished(Protocol):
    """Where tickets are put once nothing of them is on its way: a list."""

    def append(self, ticket: "Ticket", /) -> None: ...


class Reported(Protocol):
    """What hears of its records on their way to Kafka: a Ticket, or a Batch of what one request brought."""

    def reported(self, error: KafkaError | None, message: Message | None) -> None: ...

    def cut(self, queued: int, error: KafkaError) -> None: ...

    @property
    def over(self) -> bool: ...

    def give_up(self, error: KafkaError) -> None: ...


class Ticket:
    """The records of one Outgoing on their way to Kafka: `reported` is called for each of them, on the loop.

    Once it is finished with an error, `records` are those that were not acknowledged: a click has no id, so nobody
    could tell one that came again. The event itself is not kept: it would be 1.3 of 3.6 kB for each of thousands that
    wait in the client.
    """

    __slots__ = ("_failed", "_finished", "_left", "at", "error", "id", "places", "records", "waiting")

    def __init__(self, records: Sequence[Record], id_: str | None, at: int, finished: Finished) -> None:
        """It is put into `finished` with the report of its last record. `at`: epoch ms."""
        self.records = records
        self.id = id_
        self.at = at
        self.error: KafkaError | None = None
        self.waiting: list[Waiting] = []
        self.places: list[Place] = []
        self._finished = finished
        self._left = len(records)
        self._failed: Sequence[str | None] = ()  # topics

    def reported(self, error: KafkaError | None, message: Message | None) -> None:
        """Of a record: delivered, or not."""
        if error is not None:
            self.error = error
            self._failed = [*self._failed, message.topic() if message is not None else None]
        self._left -= 1
        if self._left == 0:
            if self._failed:
                self._keep_failed()
            self._finished.append(self)

    def cut(self, queued: int, error: KafkaError) -> None:
        """Only that many of its records were handed over."""
        self.error = error
        self._failed = [*self._failed, *(record.topic for record in self.records[queued:])]
        self._left -= len(self.records) - queued
        if self._left == 0:
            self._keep_failed()
            self._finished.append(self)

    def _keep_failed(self) -> None:
        if None not in self._failed:
            self.records = [record for record in self.records if record.topic in self._failed]

    @property
    def over(self) -> bool:
        """Whether all of its records were reported."""
        return self._left <= 0

    def give_up(self, error: KafkaError) -> None:
        """Wait for no report any more; those that come later change nothing. All of its records count as failed."""
        if self._left > 0:
            self.error = error
            self._left = 0
            self._finished.append(self)

    def again(self) -> None:
        """It is about to be sent once more."""
        self.error = None
        self._failed = ()
        self._left = len(self.records)

    def served(self) -> None:
        """It was in `finished`, and is taken care of."""

    def tell(self, how: str) -> None:
        """Those who wait for it: KAFKA, SPOOL or NOBODY has it."""
        for verdicts, index in self.places:
            verdicts[index] = how
        for one in self.waiting:
            one.told(how != NOBODY)


class Unawaited(Ticket):
    """Nobody waits for it, and only failures are reported, with the record that failed: `records` are those that did.

    The client has a copy of what waits in it: one more here would be 2 kB for each of tens of thousands of events.
    """

    __slots__ = ("_headers", "_is_cut", "_is_served")

    def __init__(self, records: Sequence[Record], id_: str | None, at: int, finished: Finished) -> None:
        """It is put into `finished` with the first report of a failure."""
        # Each field by itself: a call of super() costs 0.2 us for each event.
        self.records = ()
        self.waiting = []
        self.places = []
        self.id = id_
        self.at = at
        self.error = None
        self._finished = finished
        self._left = 0
        # The client does not give them back. Only dead letters have some, and are one record each.
        self._headers = records[0].headers if records else None
        self._is_cut = self._is_served = False

    def reported(self, error: KafkaError | None, message: Message | None) -> None:
        """Of a record that was not delivered."""
        if error is None or message is None or self._is_cut:
            return
        if self._is_served:  # what failed before is on its way to the spool: this goes after it
            Unawaited((), None, self.at, self._finished).reported(error, message)
            return
        self.records = [*self.records, Record(message.topic() or "", message.key(), message.value(), self._headers)]
        if self.error is None:
            self.error = error
            self._finished.append(self)

    def cut(self, queued: int, error: KafkaError) -> None:
        """Who hands them over has all records, and is to send them another way."""
        self.error = error
        self._is_cut = True

    def served(self) -> None:
        self._is_served = True
