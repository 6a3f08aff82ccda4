"""The events of one request go to Kafka together, and each is what it would be by itself."""

import asyncio
from collections import Counter
from pathlib import Path

from confluent_kafka import Message
from hypothesis import given as for_all
from hypothesis import strategies as st

from clickstream.collect.delivery.batch import Batch
from clickstream.collect.delivery.tickets import DUPLICATE, KAFKA, SPOOL, WAITING, Ticket
from clickstream.collect.model import Outgoing, Record
from tests.support import PATIENCE
from tests.unit.collect.delivery.given import Given, awaited, is_done, until
from tests.unit.collect.fakes import TIMED_OUT, outgoing


def test_only_what_fails_of_a_request_is_sent_again(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        waited = given.delivery.submit([outgoing("1"), outgoing("2"), outgoing("3")])
        given.now.acknowledge(1)
        given.now.fail(number=1)
        given.now.acknowledge()
        await asyncio.wait_for(awaited(waited), 5 * PATIENCE)
        assert (given.delivery.counts.kafka, given.delivery.counts.spooled) == (2, 1)
        given.now.automatic = True
        given.now.acknowledge()
        await until(lambda: not given.delivery.spooling)
        assert given.now.acknowledged == [b"1", b"3", b"2"]
        await given.close()

    asyncio.run(check())


def test_a_failure_keeps_no_other_event_from_being_seen(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        given.now.frozen = True  # a failure purges nothing: what follows is with a broker already
        waited = given.delivery.submit([outgoing("1"), outgoing("2"), outgoing("3")])
        given.now.acknowledge(1)
        given.now.fail(number=1)
        await until(lambda: given.delivery.counts.spooled == 1)
        # The first is acknowledged, the second in the spool, the third on its way.
        for id_ in "12":
            assert is_done(given.delivery.submit([outgoing(id_)]))
        third = given.delivery.submit([outgoing("3")])
        assert not is_done(third)
        assert not is_done(waited)
        given.now.acknowledge()
        await asyncio.wait_for(awaited(waited), 5 * PATIENCE)
        await asyncio.wait_for(awaited(third), 5 * PATIENCE)
        assert given.delivery.counts.duplicates == 3
        await given.close()

    asyncio.run(check())


def test_who_sends_one_of_them_again_waits_for_it(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        first = given.delivery.submit([outgoing("1"), outgoing("2")])
        second = given.delivery.submit([outgoing("2"), outgoing("3")])
        given.now.acknowledge(1)
        given.now.fail(number=1)
        given.now.acknowledge()
        for waited in (first, second):
            await asyncio.wait_for(awaited(waited), 5 * PATIENCE)
        assert given.now.acknowledged == [b"1", b"3"]
        assert given.delivery.waiting == 0
        await given.close()

    asyncio.run(check())


def test_what_is_in_a_request_twice_is_sent_once(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        verdicts = [WAITING] * 2
        waited = given.delivery.submit([outgoing("1"), outgoing("1")], verdicts)
        given.now.acknowledge()
        await asyncio.wait_for(awaited(waited), 5 * PATIENCE)
        assert given.now.acknowledged == [b"1"]
        assert verdicts == [KAFKA, DUPLICATE]
        await given.close()

    asyncio.run(check())


def test_each_event_has_a_verdict_of_its_own(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        verdicts = [WAITING] * 3
        waited = given.delivery.submit([outgoing("1"), outgoing("2"), outgoing("3")], verdicts)
        given.now.fail(number=1)
        given.now.acknowledge()
        await asyncio.wait_for(awaited(waited), 5 * PATIENCE)
        assert verdicts == [SPOOL, KAFKA, KAFKA]
        await given.close()

    asyncio.run(check())


def test_what_finds_no_room_is_sent_once_and_in_order(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path, room=3)
        waited = given.delivery.submit([outgoing("1", "a", "b"), outgoing("2", "c", "d"), outgoing("3", "e")])
        await asyncio.wait_for(awaited(waited), 5 * PATIENCE)
        given.now.room, given.now.automatic = 10, True
        given.now.acknowledge()
        await until(lambda: not given.delivery.spooling)
        assert given.now.acknowledged == [b"a", b"b", b"c", b"d", b"e"]
        await given.close()

    asyncio.run(check())


def test_of_what_is_handed_over_in_part_the_rest_is_not_acknowledged() -> None:
    finished: list[Ticket | Batch] = []
    batch = Batch(1, finished, {})
    for number, values in enumerate(("ab", "cd", "e")):
        batch.add(Outgoing([Record(value, None, value.encode()) for value in values], str(number)), None)
    batch.cut(3, TIMED_OUT)
    for value in "abc":
        batch.reported(None, Message(topic=value, value=value.encode()))
    found = {
        one.id: [record.topic for record in one.records] for one in finished if isinstance(one, Ticket) and one.error
    }
    assert found == {"1": ["d"], "2": ["e"]}
    assert batch.over


def test_a_failure_that_does_not_say_of_what_is_one_of_all_that_is_not_acknowledged() -> None:
    finished: list[Ticket | Batch] = []
    batch = Batch(1, finished, {})
    for number in range(3):
        batch.add(Outgoing([Record("t", None, b"%d" % number)], str(number)), None)
    batch.reported(None, Message(topic="t", value=b"1"))
    batch.reported(TIMED_OUT, None)
    assert batch.over
    found = {one.id: one.error for one in finished if isinstance(one, Ticket)}
    assert found == {"0": TIMED_OUT, "1": None, "2": TIMED_OUT}


# Two records may be the same, and each is acknowledged, fails, or is never reported.
RECORDS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([True, False, None])), min_size=1, max_size=12)


@for_all(st.lists(RECORDS, min_size=1, max_size=5), st.randoms())
def test_what_is_sent_again_is_what_was_not_acknowledged(
    events: list[list[tuple[str, bool | None]]], order: object
) -> None:
    """Of each value as many as were not acknowledged, whatever comes first."""
    finished: list[Ticket | Batch] = []
    batch = Batch(1, finished, {})
    reports = []
    for number, records in enumerate(events):
        # A topic for each record: of an event whose topic failed, all records of that topic are sent again.
        made = [Record(f"{place}", None, value.encode()) for place, (value, _) in enumerate(records)]
        batch.add(Outgoing(made, str(number)), None)
        reports += [(one, how) for one, (_, how) in zip(made, records, strict=True)]
    order.shuffle(reports)  # type: ignore[attr-defined]
    for record, how in reports:
        if how is not None:
            batch.reported(None if how else TIMED_OUT, Message(topic=record.topic, value=record.value))
    complete = all(how for _, how in reports)
    assert (batch in finished) is complete
    batch.give_up(TIMED_OUT)
    assert batch.over
    again = [ticket for ticket in finished if isinstance(ticket, Ticket) and ticket.error is not None]
    stored = Counter(ticket.id for ticket in finished if isinstance(ticket, Ticket) and ticket.error is None)
    assert complete or len(again) + stored.total() == len(events)
    left = Counter((record.topic, record.value) for ticket in again for record in ticket.records)
    missing = Counter((record.topic, record.value) for record, how in reports if not how)
    assert not missing - left
