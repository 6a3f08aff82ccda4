"""The reading process: how it ends, how its engine ends with it, what it says."""

import os
import signal
import threading
from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
from clickstream.tables.engine import engine as engine_module
from clickstream.tables.engine.engine import Engine
from clickstream.tables.engine.sources import source as source_module
from tests.integration.support import make_topic, produce, running
from tests.integration.tablesupport import (
    MINUTES,
    AtWork,
    at_work,
    click,
    command,
    engine_of,
    per_minute,
    script,
    to_end,
)
from tests.support import wait_until


@pytest.fixture
def minutes(kafka: str, topic_name: str, tmp_path: Path) -> Path:
    make_topic(kafka, topic_name, 2)
    return script(tmp_path, topic_name, MINUTES)


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_engine_ends_when_its_reading_process_dies_and_goes_on_later(
    kafka: str, topic_name: str, minutes: Path
) -> None:
    produce(kafka, topic_name, [click(1), click(2)], partition=0)
    work = AtWork(engine_of(kafka, minutes))
    work.until_read(2)
    os.kill(work.reader, signal.SIGKILL)
    with pytest.raises(ClickstreamError, match=r"process that reads the topics has died \(signal SIGKILL\)"):
        work.until(lambda: False, "it ends")
    work.end()
    produce(kafka, topic_name, [click(3)], partition=1)
    to_end(kafka, minutes)
    assert per_minute(kafka, f"{topic_name}-per_min") == {0: 3}


def test_the_reading_process_ends_with_its_engine_however_that_ends(kafka: str, topic_name: str, minutes: Path) -> None:
    produce(kafka, topic_name, [click(1)])
    for ending in (signal.SIGKILL, signal.SIGTERM):
        with running(*command(kafka, minutes)) as part:
            reader = wait_until(lambda: children(part.process.pid), 30, "the reading process")[0]
            # What it has to know, passwords among it, is not on its command line.
            words = ["-P", "-m", "clickstream.tables.engine.fetching.process_main", ""]
            wait_until(lambda: Path(f"/proc/{reader}/cmdline").read_text().split("\0")[1:] == words, 10)  # noqa: B023
            os.kill(part.process.pid, ending)
            wait_until(lambda: not alive(reader), 15, "it ends")  # noqa: B023
            part.wait(30)
            assert "Traceback" not in part.said()


def test_a_reading_process_that_is_told_to_stop_leaves_that_to_its_engine(
    kafka: str, topic_name: str, minutes: Path
) -> None:
    with at_work(engine_of(kafka, minutes)) as work:
        produce(kafka, topic_name, [click(1)])
        work.until_read(1)
        reader = work.reader
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(reader, number)
        produce(kafka, topic_name, [click(2)])
        work.until_read(2)
        assert alive(reader)
    assert not alive(reader)


def lags(engine: Engine) -> list[dict[int, int | None]]:
    """What an engine tells of its partitions until they lack nothing, without what it tells again."""
    found: list[dict[int, int | None]] = []

    def lacks_nothing() -> bool:
        engine.turn()
        now = {one.partition: one.lag for one in engine.positions()}
        if now and now not in found:
            found.append(now)
        return set(now.values()) == {0}

    engine.start(threading.Event())
    wait_until(lacks_nothing, 60, lambda: f"lags: {found}")
    assert engine.gauges()["lag"] == 0
    engine.drain()
    engine.close()
    return found


def test_the_lag_is_told_from_the_first_batch_on_and_without_one_after_a_start(
    kafka: str, topic_name: str, minutes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "POSITIONS_EVERY_S", 0.0)
    monkeypatch.setattr(source_module, "BATCH_RECORDS", 2)
    produce(kafka, topic_name, [click(second) for second in range(5)], partition=0)

    first, *_, last = lags(engine_of(kafka, minutes))
    assert (first[0], last) == (3, {0: 0, 1: 0})

    unknown, *_, last = lags(engine_of(kafka, minutes))
    assert (unknown, last) == ({0: None, 1: None}, {0: 0, 1: 0})
