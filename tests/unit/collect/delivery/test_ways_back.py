"""From a Kafka that fails to one that takes events again: producers, spool and drain."""

import asyncio
import errno
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message

from tests.support import PATIENCE
from tests.unit.collect.delivery.given import Given, awaited, until
from tests.unit.collect.fakes import outgoing


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
        await asyncio.wait_for(asyncio.gather(*map(awaited, early)), 10 * PATIENCE)
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
        await asyncio.wait_for(asyncio.gather(*map(awaited, waiting)), 10 * PATIENCE)
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


def test_a_spool_that_cannot_be_emptied_any_more_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_args: object, **_options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    async def check() -> None:
        given = Given(tmp_path, kafka_is_away=True)
        await asyncio.wait_for(given.delivery.submit([outgoing("1"), outgoing("2")]), 5 * PATIENCE)
        for name in ("unlink", "replace"):
            monkeypatch.setattr(Path, name, read_only)
        given.drain.automatic = True
        given.delivery.kafka_is_there()
        await until(lambda: not given.delivery.spooling)
        await asyncio.wait_for(given.delivery.submit([outgoing("3")]), 5 * PATIENCE)
        assert given.drain.acknowledged == [b"1", b"2", b"3"]
        await given.close()

    asyncio.run(check())
