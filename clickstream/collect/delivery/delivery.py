"""Events to Kafka or, when it does not take them, into the spool; who waits is told when one of them has all."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from confluent_kafka import KafkaError, Producer

from clickstream.collect.delivery.batch import Batch
from clickstream.collect.delivery.draining import Drain
from clickstream.collect.delivery.entry import Entry, encoded
from clickstream.collect.delivery.link import REPORTED_WITHIN_S, Link
from clickstream.collect.delivery.seen import SeenIds
from clickstream.collect.delivery.spool.spool import Spool
from clickstream.collect.delivery.tickets import DONE, DUPLICATE, KAFKA, NOBODY, SPOOL, Ticket, Unawaited, Waiting
from clickstream.collect.model import Outgoing, Record

log = logging.getLogger(__name__)

# What waits for the disk: of what comes, more is refused, so that memory stays bounded however slow the disk is.
PENDING_BYTES = 16 * 2**20
SAY_EVERY_S = 5.0
LOOK_EVERY_S = 0.01
# What comes as the spool is nearly delivered is kept back for so long at most: the last of it takes some 20 ms.
HELD_S = 0.5


@dataclass
class Counts:
    """Of events and dead letters, since the start."""

    kafka: int = 0  # acknowledged, or with `--ack queue` queued
    spooled: int = 0
    duplicates: int = 0
    refused: int = 0  # neither Kafka nor the spool took them, and their sender was told
    lost: int = 0  # as above, with `--ack queue`, where nobody could be told any more
    drained: int = 0  # from the spool to Kafka
    last_success: float | None = None  # epoch s


class Delivery:
    """Of one worker; used on its loop only. While the spool holds something, new events go behind it: order holds."""

    def __init__(
        self,
        make: Callable[[bool], Producer],
        spool: Spool,
        *,
        wait: bool,
        loop: asyncio.AbstractEventLoop,
        within: float = REPORTED_WITHIN_S,
        kafka_is_away: bool = False,
    ) -> None:
        """`wait`: for Kafka's acknowledgement; without it an event is done when it is queued. `make` makes a producer
        that reports all deliveries if it is given True, else only those that failed. What it has not reported `within`
        so many seconds goes to the spool. With `kafka_is_away` everything does, until it is told."""
        self.counts = Counts()
        self._spool = spool
        self._wait = wait
        self._loop = loop
        self._seen = SeenIds()
        self._in_flight: dict[str, Ticket | Batch] = {}
        self._finished: list[Ticket | Batch] = []
        self._pending: list[tuple[Ticket, bytes]] = []
        self._pending_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._holding = False
        self._said_at = float("-inf")
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._spooling = kafka_is_away or not spool.empty
        self._there = asyncio.Event()
        if not kafka_is_away:
            self._there.set()
        # The drain has to hear of success, too: without `wait` it has a producer of its own.
        self._draining_link = Link(lambda: make(True), self._served, loop=loop, within=within)
        self._link = self._draining_link if wait else Link(lambda: make(False), self._served, loop=loop, within=within)
        self._drain = Drain(
            spool,
            self._disk,
            self._draining_link,
            delivered=self._drained,
            nearly_emptied=self._nearly_emptied,
            emptied=self._emptied,
        )
        self._draining = loop.create_task(self._run_drain())

    async def _run_drain(self) -> None:
        await self._there.wait()
        await self._drain.run()

    def kafka_is_there(self) -> None:
        """It was away: what is in the spool, and what comes, can go to it now."""
        self._there.set()

    @property
    def spooling(self) -> bool:
        """Whether events go to the spool: Kafka did not take some, or the spool is not delivered yet."""
        return self._spooling

    @property
    def waiting(self) -> int:
        """Events that somebody waits for."""
        return len(self._in_flight) + len(self._pending)

    def submit(self, outgoings: Sequence[Outgoing], verdicts: list[str] | None = None) -> Awaitable[None]:
        """Awaiting what it returns waits until Kafka or the spool has all of them; raises NobodyTookIt if they do not.

        They are on their way at once, whether it is awaited or not. What has an id that is stored already is dropped;
        what has one that is on its way waits for that, and for what is with it in a Batch. `verdicts`, as long as
        `outgoings`, is told what comes of each.
        """
        waiting: Waiting | None = None
        now = int(time.time() * 1000)
        # For one event alone a Batch costs 1 us more than its Ticket.
        together = self._wait and not self._spooling and len(outgoings) > 1
        batch = Batch(now, self._finished, self._in_flight) if together else None
        for index, outgoing in enumerate(outgoings):
            id_ = outgoing.id
            if id_ is not None:
                on_its_way = self._in_flight.get(id_)
                if on_its_way is not None or id_ in self._seen:
                    self.counts.duplicates += 1
                    if verdicts is not None:
                        verdicts[index] = DUPLICATE
                    if on_its_way is not None and on_its_way is not batch:
                        waiting = self._waiting_for(on_its_way, waiting)
                    continue
            place = None if verdicts is None else (verdicts, index)
            if batch is not None:
                batch.add(outgoing, place)
                continue
            error = None
            if not self._wait and not self._spooling:
                error = self._queue(outgoing.records, id_, now)
                if error is None:  # it is queued, and that is enough
                    if verdicts is not None:
                        verdicts[index] = KAFKA
                    continue
            ticket = Ticket(outgoing.records, id_, now, self._finished)
            # Who waits for it is known before it is on its way: it may be refused at once.
            waiting = self._waiting_for(ticket, waiting)
            if place is not None:
                ticket.places.append(place)
            self._begin(ticket, error)
            if error is not None:  # the next one goes behind it
                self._served()
        if batch is not None and (records := batch.records):
            waiting = self._waiting_for(batch, waiting)
            self._link.send(batch, records)
        if self._finished:
            self._served()
        return DONE if waiting is None else waiting.future

    def _waiting_for(self, awaited: Ticket | Batch, waiting: Waiting | None) -> Waiting:
        """Of a request, which waits for this, too; None: for nothing so far."""
        waiting = waiting or Waiting(self._loop.create_future())
        waiting.expect()
        awaited.waiting.append(waiting)
        return waiting

    def _begin(self, ticket: Ticket, error: KafkaError | None) -> None:
        """Put it on its way. `error`: why Kafka's client did not take it."""
        if ticket.id is not None:
            self._in_flight[ticket.id] = ticket
        if error is not None:
            ticket.give_up(error)
        elif self._spooling:
            self._to_spool(ticket)
        else:
            self._link.send(ticket, ticket.records)

    def _queue(self, records: Sequence[Record], id_: str | None, at: int) -> KafkaError | None:
        """Hand over what nobody waits for; the error if it was not taken."""
        unawaited = Unawaited(records, id_, at, self._finished)
        self._link.send(unawaited, records, quick=False)
        if unawaited.error is not None:
            return unawaited.error
        self.counts.kafka += 1
        if id_ is not None:
            self._seen.add(id_)
        return None

    def _served(self) -> None:
        while self._finished:
            finished = self._finished[:]
            self._finished.clear()
            for number, ticket in enumerate(finished):
                if isinstance(ticket, Batch):
                    self._all_stored(ticket)
                    continue
                if ticket.error is not None:
                    spooled_before = self._spooling
                    self._begin_spooling(ticket.error)
                    if not spooled_before and ticket.error.code() == KafkaError._QUEUE_FULL:
                        self._finished += finished[number:]  # it found no room: what had some came before it
                        break
                ticket.served()
                if ticket.error is None:
                    self._stored(ticket, KAFKA)
                else:
                    self._to_spool(ticket)
        self._drain.served()

    def _begin_spooling(self, error: KafkaError) -> None:
        if time.monotonic() > self._said_at + SAY_EVERY_S:
            self._said_at = time.monotonic()
            log.warning("Kafka does not take events (%s): they go to the spool.", error.str())
        if self._spooling:
            return
        self._spooling = True
        # What is queued behind goes to the spool now, before events that come later.
        self._link.give_up_queued()

    def _to_spool(self, ticket: Ticket) -> None:
        payload = encoded(ticket.at, ticket.id, ticket.records)
        # What nobody waits for was promised already, and the client's queue bounds it.
        if ticket.waiting and self._pending_bytes + len(payload) > PENDING_BYTES:
            self._nobody(ticket)
            return
        self._pending.append((ticket, payload))
        self._pending_bytes += len(payload)
        self._write_pending()

    def _write_pending(self) -> None:
        if self._pending and self._writing is None and not self._holding:
            self._writing = self._loop.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._pending and not self._holding:
                batch, self._pending = self._pending, []
                self._pending_bytes = 0
                payloads = [payload for _ticket, payload in batch]
                taken = await self._loop.run_in_executor(self._disk, self._append, payloads)
                for number, (ticket, _payload) in enumerate(batch):
                    if number < taken:
                        self._stored(ticket, SPOOL)
                    else:
                        self._nobody(ticket)
        finally:
            self._writing = None
        self._write_pending()  # held meanwhile, and not any more
        self._drain.wake()

    def _append(self, payloads: list[bytes]) -> int:
        try:
            return self._spool.append(payloads)
        except OSError as problem:
            log.error("The spool cannot be written: %s.", problem)
            return 0

    def _stored(self, ticket: Ticket, how: str) -> None:
        id_ = ticket.id
        if id_ is not None:
            self._seen.add(id_)
            self._in_flight.pop(id_, None)
        if how == KAFKA:
            self.counts.kafka += 1
            self.counts.last_success = time.time()
        else:
            self.counts.spooled += 1
        ticket.tell(how)

    def _all_stored(self, batch: Batch) -> None:
        """Kafka has it."""
        ids = batch.ids
        for id_ in ids:
            if id_ is not None:
                self._seen.add(id_)
                self._in_flight.pop(id_, None)
        self.counts.kafka += len(ids)
        self.counts.last_success = time.time()
        batch.tell(KAFKA)

    def _nobody(self, ticket: Ticket) -> None:
        id_ = ticket.id
        if id_ is not None:
            self._in_flight.pop(id_, None)
            self._seen.discard(id_)
        if ticket.waiting:
            self.counts.refused += 1
        else:
            self.counts.lost += 1
        ticket.tell(NOBODY)

    def _drained(self, entry: Entry) -> None:
        self.counts.drained += 1
        self.counts.last_success = time.time()
        if entry.id is not None:
            self._seen.add(entry.id)

    def _nearly_emptied(self) -> None:
        """Keep back what comes until the last of the spool is delivered. Under load there would always be something
        that was written meanwhile, and events would go through the spool for ever."""
        if not self._holding:
            self._holding = True
            self._loop.call_later(HELD_S, self._hold_no_longer)

    def _hold_no_longer(self) -> None:
        self._holding = False
        self._write_pending()

    def _emptied(self) -> None:
        if not self._spooling or self._writing is not None or not self._spool.empty:
            return
        self._spooling = self._holding = False
        log.info("The spool is delivered: events go to Kafka again.")
        held, self._pending, self._pending_bytes = self._pending, [], 0
        for ticket, _payload in held:
            ticket.again()
            if self._wait:
                self._link.send(ticket, ticket.records)
                continue
            error = self._queue(ticket.records, ticket.id, ticket.at)
            if error is not None:
                ticket.give_up(error)
                continue
            if ticket.id is not None:
                self._in_flight.pop(ticket.id, None)
            ticket.tell(KAFKA)

    async def close(self, within: float) -> None:
        """Wait for what is on its way, for so many seconds; then what Kafka has not acknowledged goes to the spool."""
        self._hold_no_longer()
        self._draining.cancel()
        with suppress(asyncio.CancelledError):
            await self._draining
        deadline = time.monotonic() + within
        while (self._link.queued or self._in_flight or self._writing) and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_EVERY_S)
        self._link.close()
        if self._draining_link is not self._link:
            self._draining_link.close()
        while self._writing is not None:
            await asyncio.sleep(LOOK_EVERY_S)
        await self._loop.run_in_executor(self._disk, self._spool.close)
        self._disk.shutdown()
