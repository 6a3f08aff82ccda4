"""The reading process: how it ends, how its engine ends with it, what it says."""

import os
import signal
from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
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
