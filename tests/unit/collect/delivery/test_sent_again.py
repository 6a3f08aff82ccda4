"""What was acknowledged of an event is not sent again, and all else is."""

import asyncio
from pathlib import Path

import pytest
from confluent_kafka import Message

from clickstream.collect.delivery.tickets import Ticket, Unawaited
from tests.support import PATIENCE
from tests.unit.collect.delivery.given import VIEW, Given, awaited, until
from tests.unit.collect.fakes import TIMED_OUT, outgoing


@pytest.mark.parametrize("clicks_first", [False, True])
def test_of_an_event_only_what_was_not_acknowledged_is_sent_again(tmp_path: Path, clicks_first: bool) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        waited = given.delivery.submit([VIEW])
        if clicks_first:
            given.now.queue.reverse()
        given.now.acknowledge(1)
        given.now.fail()
        await asyncio.wait_for(awaited(waited), 5 * PATIENCE)
        given.now.automatic = True
        given.now.acknowledge()
        await until(lambda: not given.delivery.spooling)
        assert sorted(given.now.acknowledged) == [b"click", b"event"]
        await given.close()

    asyncio.run(check())


def test_of_an_event_only_what_found_no_room_is_sent_again(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path, room=1)
        waited = given.delivery.submit([VIEW])
        given.now.acknowledge()
        await asyncio.wait_for(awaited(waited), 5 * PATIENCE)
        given.now.room, given.now.automatic = 10, True
        given.now.acknowledge()
        await until(lambda: not given.delivery.spooling)
        assert given.now.acknowledged == [b"event", b"click"]
        await given.close()

    asyncio.run(check())


def test_from_the_spool_only_what_was_not_acknowledged_is_sent_again(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        given.delivery.submit([VIEW])
        given.now.fail()
        await until(lambda: len(given.now.queue) == 2)
        given.now.acknowledge(1)
        given.now.fail()
        await until(lambda: given.now.queue)
        given.now.automatic = True
        given.now.acknowledge()
        await until(lambda: not given.delivery.spooling)
        assert given.now.acknowledged == [b"event", b"click"]
        await given.close()

    asyncio.run(check())


def test_what_is_never_reported_is_sent_again_as_a_whole() -> None:
    finished: list[Ticket] = []
    ticket = Ticket(VIEW.records, "1", 7, finished)
    ticket.reported(None, Message(topic="events", value=b"event"))
    ticket.give_up(TIMED_OUT)
    assert [one.records for one in finished] == [VIEW.records]


def test_a_failure_that_does_not_say_of_what_is_one_of_all() -> None:
    finished: list[Ticket] = []
    ticket = Ticket(VIEW.records, "1", 7, finished)
    for error in (TIMED_OUT, None):
        ticket.reported(error, None)
    assert [one.records for one in finished] == [VIEW.records]


def test_without_waiting_only_what_failed_is_sent_again(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path, wait=False)
        given.delivery.submit([outgoing("1", "a", "b"), outgoing("2", "c", "d")])
        given.now.acknowledge(1)
        given.now.fail(number=1)
        await until(lambda: given.delivery.counts.spooled == 2)  # the other one was given up, so that order holds
        given.drain.automatic = True
        given.drain.acknowledge()
        await until(lambda: not given.delivery.spooling)
        assert given.now.acknowledged == [b"a"]
        assert given.drain.acknowledged == [b"b", b"c", b"d"]
        assert given.delivery.counts.spooled == given.delivery.counts.drained == 2
        await given.close()

    asyncio.run(check())


def test_without_waiting_records_of_an_event_may_fail_one_after_the_other(tmp_path: Path) -> None:
    finished: list[Ticket] = []
    ticket = Unawaited(outgoing("1", "a", "b").records, "1", 7, finished)
    for value in (b"a", b"b"):
        ticket.reported(TIMED_OUT, Message(topic="t", value=value))
        [failed] = finished
        assert ([record.value for record in failed.records], failed.at) == ([value], 7)
        failed.served()
        finished.clear()


def test_without_waiting_what_is_handed_over_in_part_is_sent_again_as_a_whole(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path, wait=False, room=3)
        given.drain.room = 100
        waited = given.delivery.submit([outgoing("1", "a", "b"), outgoing("2", "c", "d")])
        await asyncio.wait_for(awaited(waited), 5 * PATIENCE)
        given.now.acknowledge()
        given.drain.automatic = True
        given.drain.acknowledge()
        await until(lambda: not given.delivery.spooling)
        # What was queued of it was given up with all else that was.
        assert given.drain.acknowledged == [b"a", b"b", b"c", b"d"]
        await given.close()

    asyncio.run(check())
