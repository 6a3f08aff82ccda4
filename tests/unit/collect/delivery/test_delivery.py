"""Delivery: who waits is told when Kafka or the spool has the event, and nothing is stored twice."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, Producer

from clickstream.collect.delivery import delivery
from clickstream.collect.delivery.delivery import Delivery
from clickstream.collect.delivery.seen import SeenIds
from clickstream.collect.delivery.spool.spool import Bounds, Spool
from clickstream.collect.delivery.tickets import NobodyTookIt, Ticket, Unawaited
from clickstream.collect.model import Outgoing, Record
from tests.support import PATIENCE
from tests.unit.collect.fakes import TIMED_OUT, LinkedProducer, outgoing

ROOMY = Bounds(10**8, free_floor=0)
NO_ROOM = Bounds(0, free_floor=0)


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


def test_waits_until_all_records_of_all_events_are_acknowledged(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        waited = given.delivery.submit([outgoing("1", "a", "b"), outgoing("2", "c")])
        given.now.acknowledge(2)
        await until(lambda: given.delivery.counts.kafka == 1)
        assert not is_done(waited)
        given.now.acknowledge()
        await asyncio.wait_for(waited, 5 * PATIENCE)
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
        await asyncio.wait_for(asyncio.gather(*map(_awaited, early + late)), 5 * PATIENCE)
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
        await asyncio.wait_for(asyncio.gather(*map(_awaited, [*early, late])), 5 * PATIENCE)
        await until(lambda: not given.delivery.spooling)
        assert given.now.acknowledged == [b"0", b"1", b"2", b"3"]
        await given.close()

    asyncio.run(check())


async def _awaited(waited: Awaitable[None]) -> None:
    await waited


# An event is told by its id when it comes again. A click has none.
VIEW = Outgoing([Record("events", None, b"event"), Record("clicks", None, b"click")], "1")


@pytest.mark.parametrize("clicks_first", [False, True])
def test_of_an_event_only_what_was_not_acknowledged_is_sent_again(tmp_path: Path, clicks_first: bool) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        waited = given.delivery.submit([VIEW])
        if clicks_first:
            given.now.queue.reverse()
        given.now.acknowledge(1)
        given.now.fail()
        await asyncio.wait_for(_awaited(waited), 5 * PATIENCE)
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
        await asyncio.wait_for(_awaited(waited), 5 * PATIENCE)
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


def test_a_full_queue_leads_to_the_spool(tmp_path: Path) -> None:
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
        assert sorted({*given.now.acknowledged, *given.drain.acknowledged}) == [b"1", b"2", b"3", b"4"]
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
        await asyncio.wait_for(_awaited(waited), 5 * PATIENCE)
        given.now.acknowledge()
        given.drain.automatic = True
        given.drain.acknowledge()
        await until(lambda: not given.delivery.spooling)
        # What was queued of it was given up with all else that was.
        assert given.drain.acknowledged == [b"c", b"d", b"a", b"b"]
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
            await asyncio.wait_for(_awaited(given.delivery.submit([outgoing(f"{number}", "x" * 50)])), 5 * PATIENCE)
        given.now.fail()
        await until(lambda: given.delivery.counts.spooled == 50)
        assert given.delivery.counts.lost == 0
        await given.close()

    asyncio.run(check())


def test_a_producer_that_cannot_go_on_is_replaced(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        given.now.refusal = KafkaError(KafkaError._FATAL)
        waited = given.delivery.submit([outgoing("1")])
        await until(lambda: len(given.made) == 2)
        given.now.automatic = True
        given.now.acknowledge()
        await asyncio.wait_for(waited, 5 * PATIENCE)
        await until(lambda: given.now.acknowledged == [b"1"])
        await given.close()

    asyncio.run(check())


@pytest.mark.parametrize("wait", [True, False], ids=["kafka", "queue"])
def test_what_is_never_reported_goes_to_the_spool_in_order(tmp_path: Path, wait: bool) -> None:
    async def check() -> None:
        given = Given(tmp_path, wait=wait, within=0.2)
        frozen = given.now
        early = [given.delivery.submit([outgoing(f"{number}")]) for number in range(3)]
        if wait:
            frozen.frozen = True  # without waiting, nobody else knows what is left
        await until(lambda: given.delivery.spooling)
        await asyncio.wait_for(asyncio.gather(*map(_awaited, early)), 10 * PATIENCE)
        assert given.now is not frozen
        given.drain.automatic = True
        given.drain.acknowledge()
        await until(lambda: not given.delivery.spooling)
        assert given.drain.acknowledged == [b"0", b"1", b"2"]
        for _value, report in frozen.queue:  # at last, and nobody is told twice
            report(None, Message(topic="t"))
        assert given.delivery.counts.drained == given.delivery.counts.spooled == 3
        await given.close()

    asyncio.run(check())


def test_what_kafka_refuses_for_its_time_is_sent_without_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def check() -> None:
        given = Given(tmp_path, kafka_is_away=True)
        given.drain.automatic = given.drain.undated = True
        await asyncio.wait_for(given.delivery.submit([outgoing("1"), outgoing("2")]), 5)
        given.delivery.kafka_is_there()
        await until(lambda: not given.delivery.spooling)
        assert given.drain.acknowledged == [b"1", b"2"]
        await given.close()

    asyncio.run(check())
    assert "Kafka does not take what is in the spool (Broker: Invalid timestamp)" in caplog.text


@pytest.mark.parametrize("wait", [True, False], ids=["kafka", "queue"])
def test_while_kafka_was_never_there_nothing_is_produced(tmp_path: Path, wait: bool) -> None:
    async def check() -> None:
        given = Given(tmp_path, wait=wait, kafka_is_away=True)
        for one in given.made:
            one.automatic = True
        await asyncio.wait_for(given.delivery.submit([outgoing("1"), outgoing("2")]), 5 * PATIENCE)
        assert given.delivery.spooling
        assert not any(one.acknowledged for one in given.made)
        given.delivery.kafka_is_there()
        await until(lambda: not given.delivery.spooling)
        assert given.drain.acknowledged == [b"1", b"2"]
        await given.close()

    asyncio.run(check())


def test_a_drain_that_hears_nothing_begins_again(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path, within=0.2)
        waited = given.delivery.submit([outgoing("1")])
        given.now.fail()
        await asyncio.wait_for(waited, 5 * PATIENCE)
        await until(lambda: given.drain.queue)
        frozen = given.drain
        frozen.frozen = True
        await until(lambda: given.drain is not frozen)
        given.drain.automatic = True
        await until(lambda: not given.delivery.spooling)
        assert given.drain.acknowledged == [b"1"]
        await given.close()

    asyncio.run(check())


def test_what_goes_wrong_in_a_callback_ends_no_reports(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        waited = given.delivery.submit([outgoing("1")])
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        given.now.trouble = ValueError("of a callback")
        await until(lambda: given.now.trouble is None)
        given.now.acknowledge()
        await asyncio.wait_for(waited, 5 * PATIENCE)
        await given.close()

    asyncio.run(check())


@pytest.mark.parametrize("wait", [True, False], ids=["kafka", "queue"])
def test_the_spool_is_left_behind_while_events_keep_coming(tmp_path: Path, wait: bool) -> None:
    async def check() -> None:
        given = Given(tmp_path, wait=wait)
        waiting = [given.delivery.submit([outgoing("0")])]
        given.now.fail()
        await until(lambda: given.delivery.spooling)
        if not wait:
            given.now.automatic = True
        passes = 0
        while given.delivery.spooling:
            waiting.append(given.delivery.submit([outgoing(f"{len(waiting)}")]))
            passes += 1
            if passes % 5 == 0:  # Kafka needs longer than the next event
                given.drain.acknowledge()
            assert passes < 5_000, "it never catches up"
            await asyncio.sleep(0.002)
        waiting.append(given.delivery.submit([outgoing(f"{len(waiting)}")]))
        given.now.automatic = True
        given.now.acknowledge()
        await asyncio.wait_for(asyncio.gather(*map(_awaited, waiting)), 10 * PATIENCE)
        found = given.drain.acknowledged + ([] if wait else given.now.acknowledged)
        assert [int(value) for value in found] == list(range(len(waiting)))
        assert given.delivery.waiting == 0
        await given.close()

    asyncio.run(check())


def test_a_record_that_kafka_never_takes_holds_up_no_other(tmp_path: Path) -> None:
    async def check() -> None:
        given = Given(tmp_path)
        waited = given.delivery.submit([outgoing("large")])
        given.now.fail(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
        await asyncio.wait_for(waited, 5 * PATIENCE)
        await asyncio.wait_for(given.delivery.submit([outgoing("small")]), 5 * PATIENCE)
        while given.delivery.spooling:
            for value, report in given.now.queue:
                error = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE) if value == b"large" else None
                given.now.reports.append((value, report, error))
                if error is None:
                    given.now.acknowledged.append(value)
            given.now.queue = []
            await asyncio.sleep(0.002)
        assert given.now.acknowledged == [b"small"]
        assert b"large" in (tmp_path / "refused.bad").read_bytes()
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
