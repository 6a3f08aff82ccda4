from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from clickstream.inspect import offsets, sizes
from clickstream.inspect.offsets import Limits
from clickstream.inspect.sizes import TopicSummary
from clickstream.kafka.clients import Cluster
from tests.unit.inspect.records import Log, record


def test_size_on_disk_is_that_of_the_log_segments(tmp_path: Path) -> None:
    for folder, files in {
        "clicks-0": {"00.log": 10, "20.log": 5, "00.index": 1_000},
        "clicks-1": {"00.log": 7, "00.log.deleted": 1_000},
        "clicks-2.5f0a-delete": {"00.log": 1_000},
        "clicks-extra-0": {"00.log": 3},
    }.items():
        (tmp_path / folder).mkdir()
        for name, size in files.items():
            (tmp_path / folder / name).write_bytes(b"x" * size)
    (tmp_path / "meta.properties").touch()
    assert sizes.on_disk(tmp_path, ["clicks", "clicks-extra", "none"]) == {"clicks": 22, "clicks-extra": 3, "none": 0}


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert sizes.on_disk(tmp_path / "none", ["clicks"]) == {"clicks": 0}


def test_a_folder_that_goes_while_it_is_looked_at_holds_nothing(tmp_path: Path, mocker: MockerFixture) -> None:
    (tmp_path / "clicks-0").mkdir()
    mocker.patch.object(Path, "glob", side_effect=FileNotFoundError)
    assert sizes.on_disk(tmp_path, ["clicks"]) == {"clicks": 0}


def summary(name: str, written: int | None) -> TopicSummary:
    return TopicSummary(name, 1, written, written, None, None)


@pytest.mark.parametrize(
    ("before", "after", "rate"),
    [(100, 300, 100.0), (100, 100, 0.0), (None, 5, None), (5, None, None), (300, 100, None)],
)
def test_rates(before: int | None, after: int | None, rate: float | None) -> None:
    assert sizes.rates([summary("a", before)], [summary("a", after)], 2.0) == {"a": rate}


def test_a_new_topic_has_no_rate_yet() -> None:
    assert sizes.rates([], [summary("a", 1)], 1.0) == {"a": None}


def test_an_old_broker_is_read_for_the_last_write(mocker: MockerFixture) -> None:
    mocker.patch("clickstream.inspect.offsets.ask", side_effect=offsets.UnsupportedByBroker)
    log = Log([record(3, timestamp=5_000), record(4, timestamp=6_000)], {("t", 0): 7})
    mocker.patch("clickstream.inspect.sizes.reader", return_value=log)
    limits = {("t", 0): Limits(0, 7), ("t", 1): Limits(2, 2)}
    assert sizes.last_writes(Cluster("k"), mocker.Mock(), limits) == {("t", 0): 6_000}
