"""A Delivery for tests, on producers that do what they are told."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from clickstream.collect.delivery.delivery import Delivery
from clickstream.collect.delivery.spool.spool import Bounds, Spool
from clickstream.collect.model import Outgoing, Record
from tests.support import PATIENCE
from tests.unit.collect.fakes import LinkedProducer

ROOMY = Bounds(10**8, free_floor=0)
NO_ROOM = Bounds(0, free_floor=0)

# An event is told by its id when it comes again. A click has none.
VIEW = Outgoing([Record("events", None, b"event"), Record("clicks", None, b"click")], "1")


async def until(condition: Callable[[], Any], within: float = 10.0) -> None:
    """Wait for it; fails when it does not come."""
    async with asyncio.timeout(within * PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)


class Given:
    """A Delivery on producers of the test's; `made` are all of them, `now` is the one in use for what comes, `drain`
    the one for what comes from the spool: another one without `wait`."""

    def __init__(
        self,
        folder: Path,
        bounds: Bounds = ROOMY,
        *,
        wait: bool = True,
        room: int = 10**6,
        within: float = 60.0,
        kafka_is_away: bool = False,
    ) -> None:
        self.made: list[LinkedProducer] = []
        self._room = room
        self._wait = wait
        self.spool = Spool(folder, bounds)
        loop = asyncio.get_running_loop()
        self.delivery = Delivery(
            self._make, self.spool, wait=wait, loop=loop, within=within, kafka_is_away=kafka_is_away
        )

    def _make(self, reports_all: bool) -> Producer:
        self.made.append(LinkedProducer(self._room, only_errors=not reports_all))
        return self.made[-1].client

    @property
    def now(self) -> LinkedProducer:
        return [one for one in self.made if one.only_errors is not self._wait][-1]

    @property
    def drain(self) -> LinkedProducer:
        return [one for one in self.made if not one.only_errors][-1]

    async def close(self) -> None:
        await self.delivery.close(0.0)


def is_done(waited: Awaitable[None]) -> bool:
    return not isinstance(waited, asyncio.Future) or waited.done()


async def awaited(waited: Awaitable[None]) -> None:
    await waited
