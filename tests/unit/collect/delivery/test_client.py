"""Delivery with the real client in front of a mock of Kafka: its reports, its time-outs, its fatal errors."""

import asyncio
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, Producer

from clickstream.collect.delivery.delivery import Delivery
from clickstream.collect.delivery.spool.spool import Bounds, Spool
from clickstream.collect.model import Outgoing, Record
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.statistics import LostBrokers
from tests.support import PATIENCE
from tests.unit.collect.delivery.given import until
from tests.unit.collect.fakes import outgoing
from tests.unit.mockkafka import MockKafka

# As a worker's, but for the time that Kafka has.
SETTINGS = {"message.timeout.ms": 2_000, "linger.ms": 1}


class Given:
    """A Delivery to the topic `t` of the mock."""

    def __init__(
        self,
        kafka: MockKafka,
        folder: Path,
        *,
        wait: bool = True,
        within: float = 60.0,
        message_timeout_ms: int = SETTINGS["message.timeout.ms"],
        first: Mapping[str, Any] | None = None,
    ) -> None:
        """`first` are settings of the first producer only."""
        self._kafka = kafka
        self._first = first or {}
        self._settings = {**SETTINGS, "message.timeout.ms": message_timeout_ms}
        self.made: list[Producer] = []
        self.spool = Spool(folder, Bounds(10**8, free_floor=0))
        loop = asyncio.get_running_loop()
        self.delivery = Delivery(self._make, self.spool, wait=wait, loop=loop, within=within)

    def _make(self, reports_all: bool) -> Producer:
        how = {**self._settings, "delivery.report.only.error": not reports_all}
        how |= {} if self.made else self._first
        self.made.append(self._kafka.cluster.producer(how))
        return self.made[-1]

    def submit(self, *ids: str) -> Awaitable[None]:
        return self.delivery.submit([outgoing(id_) for id_ in ids])


def there(kafka: MockKafka) -> list[bytes | None]:
    found: list[Message] = []
    read_to_end(kafka.cluster, "t", found.append)
    return [record.value() for record in found]


def test_is_told_what_kafka_has(kafka: MockKafka, tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(kafka, tmp_path)
        await asyncio.wait_for(given.submit(*(f"{number}" for number in range(1_000))), 30 * PATIENCE)
        assert given.delivery.counts.kafka == 1_000
        await given.delivery.close(5)

    kafka.create("t", 1)
    asyncio.run(check())
    assert there(kafka) == [f"{number}".encode() for number in range(1_000)]


def test_an_absence_of_kafka_costs_no_event_and_no_order(kafka: MockKafka, tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(kafka, tmp_path)
        await asyncio.wait_for(given.submit("first"), 30 * PATIENCE)
        with kafka.down():
            await asyncio.wait_for(given.submit("1", "2", "3"), 30 * PATIENCE)
            await asyncio.wait_for(given.submit("4"), 30 * PATIENCE)
            assert given.delivery.counts.spooled >= 4
        await until(lambda: not given.delivery.spooling, 30)
        await asyncio.wait_for(given.submit("last"), 30 * PATIENCE)
        await given.delivery.close(5)
        assert len(given.made) == 1

    kafka.create("t", 1)
    asyncio.run(check())
    found = there(kafka)
    assert list(dict.fromkeys(found)) == [b"first", b"1", b"2", b"3", b"4", b"last"]


@pytest.mark.parametrize("wait", [True, False], ids=["kafka", "queue"])
def test_requests_that_do_not_end_cost_no_event(kafka: MockKafka, tmp_path: Path, wait: bool) -> None:
    async def check() -> None:
        # As if the client's own time-out did not see them.
        given = Given(kafka, tmp_path, wait=wait, within=1.0, message_timeout_ms=600_000)
        await asyncio.wait_for(_awaited(given.submit("first")), 30 * PATIENCE)
        await until(lambda: not any(map(len, given.made)), 30)
        with kafka.frozen():
            await asyncio.wait_for(_awaited(given.submit("1", "2")), 30 * PATIENCE)
            await until(lambda: given.delivery.counts.spooled >= 2, 30)
            await asyncio.wait_for(_awaited(given.submit("3")), 30 * PATIENCE)
        await until(lambda: not given.delivery.spooling, 60)
        await asyncio.wait_for(_awaited(given.submit("last")), 30 * PATIENCE)
        await given.delivery.close(10)

    kafka.create("t", 1)
    asyncio.run(check())
    found = there(kafka)
    assert list(dict.fromkeys(found)) == [b"first", b"1", b"2", b"3", b"last"]


async def _awaited(waited: Awaitable[None]) -> None:
    await waited


def test_a_client_that_has_failed_for_good_is_replaced(kafka: MockKafka, tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(kafka, tmp_path)
        await asyncio.wait_for(given.submit("1"), 30 * PATIENCE)
        kafka.break_for_good(given.made[0], KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)
        await asyncio.wait_for(given.submit("2"), 30 * PATIENCE)
        await until(lambda: len(given.made) == 2 and not given.delivery.spooling, 30)
        await asyncio.wait_for(given.submit("3"), 30 * PATIENCE)
        await given.delivery.close(5)

    kafka.create("t", 1)
    asyncio.run(check())
    assert list(dict.fromkeys(there(kafka))) == [b"1", b"2", b"3"]


def test_a_client_that_has_lost_all_brokers_is_replaced(kafka: MockKafka, tmp_path: Path) -> None:
    """It reports that every record has timed out, those that come later, too."""

    def lose(_report: str) -> None:
        raise LostBrokers("there are none")

    async def check() -> None:
        given = Given(kafka, tmp_path, first={"statistics.interval.ms": 20, "stats_cb": lose})
        await until(lambda: len(given.made) == 2, 30)
        await asyncio.wait_for(given.submit("1"), 30 * PATIENCE)
        assert given.delivery.counts.kafka == 1
        await given.delivery.close(5)

    kafka.create("t", 1)
    asyncio.run(check())
    assert there(kafka) == [b"1"]


def test_what_failed_without_waiting_is_sent_again_as_it_was(kafka: MockKafka, tmp_path: Path) -> None:
    event = Outgoing([Record("t", b"visitor", b'{"id":"1"}'), Record("t", b"10.0.0.0", b"click")], "1")
    letter = Outgoing([Record("t", None, b"odd", [("kind", "not-json"), ("empty", None), ("bytes", b"\xff")])])

    async def check() -> None:
        given = Given(kafka, tmp_path, wait=False)
        await asyncio.wait_for(_awaited(given.submit("first")), 30 * PATIENCE)
        await until(lambda: not any(map(len, given.made)), 30)
        with kafka.down():
            await asyncio.wait_for(_awaited(given.delivery.submit([event, letter])), 30 * PATIENCE)
            await until(lambda: given.delivery.counts.spooled >= 2, 30)
        await until(lambda: not given.delivery.spooling, 60)
        await given.delivery.close(10)

    kafka.create("t", 1)
    asyncio.run(check())
    found: list[Message] = []
    read_to_end(kafka.cluster, "t", found.append)
    assert [(one.key(), one.value(), one.headers()) for one in found] == [
        (None, b"first", None),
        (b"visitor", b'{"id":"1"}', None),
        (b"10.0.0.0", b"click", None),
        (None, b"odd", [("kind", b"not-json"), ("empty", None), ("bytes", b"\xff")]),
    ]
