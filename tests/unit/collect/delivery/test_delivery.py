"""Delivery: who waits is told when Kafka or the spool has the event, and nothing is stored twice."""

import asyncio
from pathlib import Path

import pytest

from clickstream.collect.delivery import delivery
from clickstream.collect.delivery.seen import SeenIds
from clickstream.collect.delivery.tickets import NobodyTookIt
from tests.support import PATIENCE
from tests.unit.collect.delivery.given import NO_ROOM, Given, awaited, is_done, until
from tests.unit.collect.fakes import outgoing


def test_waits_until_all_records_of_all_events_are_acknowledged(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        waited = given.delivery.submit([outgoing("1", "a", "b"), outgoing("2", "c")])
        given.now.acknowledge(2)
        await until(lambda: not given.now.reports)
        assert not is_done(waited)
        given.now.acknowledge()
        await asyncio.wait_for(waited, 5 * PATIENCE)
        assert given.delivery.counts.kafka == 2
        assert given.now.acknowledged == [b"a", b"b", b"c"]
        assert given.delivery.counts.last_success is not None
        await given.close()

    asyncio.run(check())


def test_nothing_to_deliver_does_not_wait(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        await asyncio.wait_for(given.delivery.submit([]), 1 * PATIENCE)
        await given.close()

    asyncio.run(check())


def test_an_id_counts_as_seen_only_once_it_is_acknowledged(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        first = given.delivery.submit([outgoing("1")])
        verdicts = ["waiting"]
        second = given.delivery.submit([outgoing("1")], verdicts)
        assert verdicts == ["duplicate"]
        assert not is_done(second)  # the first one may still fail
        given.now.acknowledge()
        await asyncio.wait_for(asyncio.gather(first, second), 5 * PATIENCE)
        await asyncio.wait_for(given.delivery.submit([outgoing("1")]), 1 * PATIENCE)
        assert given.now.acknowledged == [b"1"]
        assert given.delivery.counts.duplicates == 2
        await given.close()

    asyncio.run(check())


def test_who_shares_the_wait_shares_the_failure(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path, NO_ROOM)
        first, second = given.delivery.submit([outgoing("1")]), given.delivery.submit([outgoing("1")])
        given.now.fail()
        for waited in (first, second):
            with pytest.raises(NobodyTookIt):
                await asyncio.wait_for(waited, 5 * PATIENCE)
        assert given.delivery.waiting == 0
        await given.close()

    asyncio.run(check())


def test_events_without_an_id_are_all_sent(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        given.now.automatic = True
        await asyncio.wait_for(given.delivery.submit([outgoing(None, "x"), outgoing(None, "x")]), 5 * PATIENCE)
        assert given.now.acknowledged == [b"x", b"x"]
        await given.close()

    asyncio.run(check())


@pytest.mark.parametrize("wait", [True, False], ids=["kafka", "queue"])
def test_what_kafka_does_not_take_goes_to_the_spool_and_then_to_kafka_in_order(tmp_path: Path, wait: bool) -> None:
    async def check() -> None:
        given = Given(tmp_path, wait=wait)
        early = [given.delivery.submit([outgoing(f"{number}")]) for number in range(3)]
        given.now.fail()
        await until(lambda: given.delivery.spooling)
        late = [given.delivery.submit([outgoing(f"{number}")]) for number in range(3, 6)]
        await asyncio.wait_for(asyncio.gather(*map(awaited, early + late)), 5 * PATIENCE)
        assert given.delivery.counts.spooled == 6
        assert given.drain.acknowledged == []
        await until(lambda: given.drain.queue)
        given.drain.automatic = True
        given.drain.fail()  # still away, the first time
        await until(lambda: not given.delivery.spooling)
        assert given.drain.acknowledged == [b"0", b"1", b"2", b"3", b"4", b"5"]
        assert given.delivery.counts.drained == 6
        assert given.spool.empty
        given.now.automatic = True
        await asyncio.wait_for(given.delivery.submit([outgoing("6")]), 5 * PATIENCE)
        assert given.now.acknowledged[-1] == b"6"
        await given.close()

    asyncio.run(check())


def test_what_waits_behind_the_first_that_fails_is_not_overtaken(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        early = [given.delivery.submit([outgoing(f"{number}")]) for number in range(3)]
        given.now.fail(number=1)  # the others have not timed out yet
        await until(lambda: given.delivery.spooling)
        late = given.delivery.submit([outgoing("3")])
        given.now.automatic = True
        given.now.acknowledge()  # what the spool has given it before
        await asyncio.wait_for(asyncio.gather(*map(awaited, [*early, late])), 5 * PATIENCE)
        await until(lambda: not given.delivery.spooling)
        assert given.now.acknowledged == [b"0", b"1", b"2", b"3"]
        await given.close()

    asyncio.run(check())


def test_a_full_queue_leads_to_the_spool_in_order(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path, wait=False, room=2)
        await asyncio.wait_for(given.delivery.submit([outgoing(f"{number}") for number in range(1, 5)]), 5 * PATIENCE)
        assert given.delivery.counts.spooled >= 2
        assert given.delivery.spooling
        given.now.acknowledge()
        given.drain.automatic = True
        given.drain.acknowledge()
        given.drain.room = 100
        await until(lambda: not given.delivery.spooling)
        assert [*given.now.acknowledged, *given.drain.acknowledged] == [b"1", b"2", b"3", b"4"]
        await given.close()

    asyncio.run(check())


def test_what_nobody_takes_is_told_and_is_not_seen(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path, NO_ROOM)
        verdicts = ["waiting"]
        waited = given.delivery.submit([outgoing("1")], verdicts)
        given.now.fail()
        with pytest.raises(NobodyTookIt):
            await asyncio.wait_for(waited, 5 * PATIENCE)
        assert verdicts == ["nobody"]
        assert given.delivery.counts.refused == 1
        given.now.automatic = True
        await until(lambda: not given.delivery.spooling)
        await asyncio.wait_for(given.delivery.submit([outgoing("1")]), 5 * PATIENCE)
        assert given.now.acknowledged == [b"1"]
        await given.close()

    asyncio.run(check())


def test_without_waiting_what_is_lost_is_counted(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path, NO_ROOM, wait=False)
        await asyncio.wait_for(given.delivery.submit([outgoing("1")]), 1 * PATIENCE)
        given.now.fail()
        await until(lambda: given.delivery.counts.lost == 1)
        given.now.automatic = True
        await until(lambda: not given.delivery.spooling)
        await asyncio.wait_for(given.delivery.submit([outgoing("1")]), 1 * PATIENCE)
        assert given.now.acknowledged == [b"1"]  # it is none that was seen
        await given.close()

    asyncio.run(check())


def test_what_finds_no_room_before_the_disk_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PENDING_BYTES", 100)

    async def check() -> None:
        given = Given(tmp_path, kafka_is_away=True)
        verdicts = ["waiting", "waiting"]
        waited = given.delivery.submit([outgoing("1"), outgoing("2", "x" * 100)], verdicts)
        with pytest.raises(NobodyTookIt):
            await asyncio.wait_for(waited, 5 * PATIENCE)
        assert verdicts[1] == "nobody"
        assert (given.delivery.counts.refused, given.delivery.counts.lost) == (1, 0)
        await until(lambda: given.delivery.counts.spooled == 1)
        assert not given.delivery.waiting
        await given.close()

    asyncio.run(check())


def test_what_was_promised_is_spooled_however_much_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PENDING_BYTES", 100)

    async def check() -> None:
        given = Given(tmp_path, wait=False)
        for number in range(50):
            await asyncio.wait_for(awaited(given.delivery.submit([outgoing(f"{number}", "x" * 50)])), 5 * PATIENCE)
        given.now.fail()
        await until(lambda: given.delivery.counts.spooled == 50)
        assert given.delivery.counts.lost == 0
        await given.close()

    asyncio.run(check())


def test_the_end_puts_what_is_not_acknowledged_into_the_spool(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        waited = given.delivery.submit([outgoing("1"), outgoing("2")])
        given.now.acknowledge(1)
        await given.delivery.close(0.05)
        await asyncio.wait_for(waited, 1 * PATIENCE)
        again = Given(tmp_path)
        again.now.automatic = True
        assert again.delivery.spooling  # what comes now must not overtake it
        await asyncio.wait_for(again.delivery.submit([outgoing("3")]), 5 * PATIENCE)
        await until(lambda: not again.delivery.spooling)
        assert again.now.acknowledged == [b"2", b"3"]
        await again.close()

    asyncio.run(check())


def test_who_has_left_does_not_disturb(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        waited = given.delivery.submit([outgoing("1")])
        assert isinstance(waited, asyncio.Future)
        waited.cancel()
        given.now.acknowledge()
        await until(lambda: given.delivery.counts.kafka == 1)
        await given.close()

    asyncio.run(check())


def test_seen_ids_are_bounded() -> None:
    seen = SeenIds(100)
    for number in range(1_000):
        seen.add(f"{number}")
        assert f"{number}" in seen
    assert len(seen) <= 200
    assert all(f"{number}" in seen for number in range(900, 1_000))
    assert "1" not in seen
    seen.discard("999")
    assert "999" not in seen
