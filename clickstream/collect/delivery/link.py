"""The way to Kafka: a producer whose delivery reports are served on the event loop."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Producer

from clickstream.collect.delivery.overdue import Owed
from clickstream.collect.delivery.tickets import Reported
from clickstream.collect.model import Record
from clickstream.kafka.statistics import LostBrokers

log = logging.getLogger(__name__)

ANY_PARTITION = -1
# Reports are served by a timer, not by a thread: for each report the client takes Python's lock, and a thread gets
# that from a busy loop only after 5 ms, or when the loop waits for something.
POLL_S = 0.002
IDLE_POLL_S = 0.5  # for what the client logs
GIVEN_UP_WITHIN = 50  # polls
_UNREPORTED = KafkaError(KafkaError._MSG_TIMED_OUT)
# More than a worker's message.timeout.ms (5 s) and the second within which the client looks for what has timed out.
REPORTED_WITHIN_S = 7.5


class Link:
    """Used on its loop only. `in_flight` counts records that were handed over and not reported yet."""

    def __init__(
        self,
        make: Callable[[], Producer],
        served: Callable[[], None],
        *,
        loop: asyncio.AbstractEventLoop,
        within: float = REPORTED_WITHIN_S,
    ) -> None:
        """`make` makes the producer, and another one when that cannot go on; `served` is called after reports came.

        What is not reported `within` so many seconds fails here: the client's own time-out is not relied on.
        """
        self._make = make
        self._producer = make()
        self._served = served
        self._loop = loop
        self._within = within
        self._owed = Owed()
        self._timer: asyncio.TimerHandle | None = None
        self._quick = False
        self._fatal = False
        self.open = True
        self._schedule()

    def send(self, ticket: Reported, records: Sequence[Record], timestamp: int = 0, *, quick: bool = True) -> None:
        """Hand over a ticket's records. All that goes wrong is reported to it, never raised. `timestamp`: epoch ms, 0:
        now.

        `quick`: somebody waits for the reports, those of success among them.
        """
        produce, report = self._producer.produce, ticket.reported
        queued = 0
        try:
            for one in records:
                if one.headers is None and not timestamp:  # by their places: 1.2 us each; by their names: 2.4
                    produce(one.topic, one.value, one.key, ANY_PARTITION, report)
                else:
                    produce(
                        one.topic,
                        one.value,
                        one.key,
                        headers=one.headers,  # type: ignore[arg-type]
                        timestamp=timestamp,
                        on_delivery=report,
                    )
                queued += 1
        except BufferError:
            ticket.cut(queued, KafkaError(KafkaError._QUEUE_FULL))
        except KafkaException as problem:
            error: KafkaError = problem.args[0]
            ticket.cut(queued, error)
            self._fatal = self._fatal or error.fatal() or error.code() == KafkaError._FATAL
        self._owed.note(queued)
        if quick:
            self._owed.awaits(ticket, time.monotonic())
        if (quick and not self._quick) or self._fatal:
            self._schedule(quick=True)

    @property
    def queued(self) -> int:
        """Records, and other events, that wait in the client."""
        return len(self._producer)

    def give_up_queued(self) -> None:
        """Fail what was not sent to a broker yet: these reports are served when it returns."""
        self._producer.purge(in_queue=True, in_flight=False)
        self._poll(self._producer, 0)

    def close(self) -> None:
        """Fail all that is not reported yet, and serve these reports."""
        self.open = False
        if self._timer is not None:
            self._timer.cancel()
        self._give_up(self._producer, self._owed)

    def _give_up(self, producer: Producer, owed: Owed) -> None:
        """In the order in which it was handed over: what is in flight before what is queued."""
        self._poll(producer, 0)
        owed.give_up(_UNREPORTED)
        # Not blocking: that would wait without end for a thread of the client that hangs.
        producer.purge(in_queue=False, in_flight=True, blocking=False)
        self._poll(producer, 0.1)
        producer.purge(blocking=False)
        for _ in range(GIVEN_UP_WITHIN):
            if not len(producer):
                break
            self._poll(producer, 0.1)
        self._served()

    def _schedule(self, *, quick: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._quick = quick
        self._timer = self._loop.call_later(POLL_S if quick else IDLE_POLL_S, self._tick) if self.open else None

    def _tick(self) -> None:
        try:
            left = self._poll(self._producer, 0)
            if self._fatal:
                self._renew("cannot go on")
            elif self._is_overdue(left):
                self._renew(f"has not reported what it was given {self._within:g} s ago")
            self._served()
        finally:  # whatever goes wrong: without this timer nobody would ever be told anything
            self._schedule(quick=len(self._producer) > 0)

    def _is_overdue(self, queued: int) -> bool:
        now = time.monotonic()
        since = self._owed.since(queued, now)
        return since is not None and now > since + self._within

    def _poll(self, producer: Producer, timeout: float) -> int:
        """How many are left."""
        try:
            producer.poll(timeout)
        except (KafkaException, LostBrokers) as problem:  # raised once, by whichever call comes first
            log.debug("The producer has failed: %s", problem)
            self._fatal = self._fatal or producer is self._producer
        return len(producer)

    def _renew(self, why: str) -> None:
        """First the new one: what is begun as the old one's reports are served goes on with it."""
        log.error("The Kafka producer %s, and is replaced.", why)
        given_up, owed = [self._producer], self._owed
        self._producer, self._owed, self._fatal = self._make(), Owed(), False
        self._give_up(given_up[0], owed)
        # Letting go of it waits for the client's threads, one of which may hang.
        threading.Thread(target=given_up.clear, name="producer-ends", daemon=True).start()
