"""From the spool to Kafka, oldest first, as soon as Kafka takes records again."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from confluent_kafka import KafkaError
from msgspec import MsgspecError

from clickstream.collect.delivery.entry import Entry, decoded
from clickstream.collect.delivery.link import Link
from clickstream.collect.delivery.spool.spool import Chunk, Spool
from clickstream.collect.delivery.tickets import Ticket
from clickstream.collect.model import Record

log = logging.getLogger(__name__)

CHUNK_BYTES = 512 * 1024
LITTLE_BYTES = 128 * 1024
AGAIN_AFTER_S = 0.5
ADOPT_EVERY_S = 5.0
SAY_EVERY_S = 30.0

# What no waiting helps against, should a record fail so that is sent alone.
_NEVER = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.POLICY_VIOLATION,
    }
)


@dataclass
class _Sent:
    payload: bytes
    entry: Entry
    records: Sequence[Record]  # of the entry, those that were not acknowledged yet
    error: KafkaError | None = None  # of the last attempt
    dated: bool = True  # its records get the time when they came


class Drain:
    """`run` is its work; a chunk of the spool is taken off it once Kafka has acknowledged all of it."""

    def __init__(
        self,
        spool: Spool,
        disk: Executor,
        link: Link,
        *,
        delivered: Callable[[Entry], None],
        nearly_emptied: Callable[[], None],
        emptied: Callable[[], None],
    ) -> None:
        """`disk` runs what uses the spool; `emptied` is called when nothing was found in it, `nearly_emptied` when
        little was, and Kafka takes records."""
        self._spool = spool
        self._disk = disk
        self._link = link
        self._delivered = delivered
        self._nearly_emptied = nearly_emptied
        self._emptied = emptied
        self._flows = False  # Kafka has taken the last chunk at once
        self._said_at = float("-inf")
        self._reports: list[Ticket] = []
        self._reported = asyncio.Event()
        self._more = asyncio.Event()

    def wake(self) -> None:
        """There is something in the spool."""
        self._more.set()

    def served(self) -> None:
        """Reports came."""
        self._reported.set()

    async def run(self) -> None:
        """Until it is cancelled: what was not acknowledged then is sent again by whoever has the spool next."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                await self._step(loop)
            except OSError as problem:
                log.error("The spool cannot be read: %s.", problem)
                await asyncio.sleep(ADOPT_EVERY_S)

    async def _step(self, loop: asyncio.AbstractEventLoop) -> None:
        """Deliver a chunk, or wait until there is one, or look for what others have left."""
        self._more.clear()
        chunk = await loop.run_in_executor(self._disk, self._read)
        if chunk is not None:
            if self._flows and chunk.last and sum(map(len, chunk.payloads)) < LITTLE_BYTES:
                self._nearly_emptied()
            await self._send(chunk)
            await loop.run_in_executor(self._disk, self._spool.delivered, chunk)
            return
        self._flows = False
        self._emptied()
        try:
            async with asyncio.timeout(ADOPT_EVERY_S):
                await self._more.wait()
        except TimeoutError:
            await loop.run_in_executor(self._disk, self._spool.adopt)

    def _read(self) -> Chunk | None:
        return self._spool.read(CHUNK_BYTES)

    async def _send(self, chunk: Chunk) -> None:
        left = [sent for sent in map(self._prepared, chunk.payloads) if sent is not None]
        self._flows = True
        while left := await self._attempt(left):
            self._flows = False
            self._say_refused(left[0].error)
            await asyncio.sleep(AGAIN_AFTER_S)
            left = [sent for sent in left if not await self._is_settled_alone(sent)]

    def _say_refused(self, error: KafkaError | None) -> None:
        if error is not None and time.monotonic() > self._said_at + SAY_EVERY_S:
            self._said_at = time.monotonic()
            log.warning("Kafka does not take what is in the spool (%s): it is tried again.", error.str())

    def _prepared(self, payload: bytes) -> _Sent | None:
        try:
            entry = decoded(payload)
            return _Sent(payload, entry, entry.outgoing)
        except MsgspecError as problem:
            self._spool.refuse(payload, f"it cannot be decoded ({type(problem).__name__})")
            return None

    async def _attempt(self, sent: list[_Sent]) -> list[_Sent]:
        """Those that failed, to be sent again in their order."""
        self._reports.clear()
        tickets = [Ticket(one.records, one.entry.id, one.entry.at, self._reports) for one in sent]
        for one, ticket in zip(sent, tickets, strict=True):
            self._link.send(ticket, ticket.records, ticket.at if one.dated else 0)
        while len(self._reports) < len(tickets):
            self._reported.clear()
            await self._reported.wait()
        for one, ticket in zip(sent, tickets, strict=True):
            one.error, one.records = ticket.error, ticket.records
            if ticket.error is None:
                self._delivered(one.entry)
            elif ticket.error.code() == KafkaError.INVALID_TIMESTAMP:
                # It came while the clock was wrong, or longer ago than the topic allows; its value says when, too.
                one.dated = False
        return [one for one in sent if one.error is not None]

    async def _is_settled_alone(self, sent: _Sent) -> bool:
        """What was refused for its size is sent by itself: its batch may have been too large, or the record is."""
        if sent.error is None or sent.error.code() not in _NEVER:
            return False
        if not await self._attempt([sent]):
            return True
        if sent.error.code() not in _NEVER:
            return False
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._disk, self._spool.refuse, sent.payload, sent.error.str())
        return True
