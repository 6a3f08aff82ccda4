"""How much the broker's files take, and which limit of each partition keeps their sum below the bound."""

from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from clickstream.broker import disk, wire
from clickstream.broker.disk import NO_LIMIT, Bound, Usage, Watch, limit_for, segment_bytes, usage
from tests.support import PATIENCE

BOUND = 1_000_000_000
SEGMENT = segment_bytes(BOUND)


def partition(data: Path, name: str, records: int, *, file: str = "0.log") -> None:
    (data / name).mkdir(exist_ok=True, parents=True)
    (data / name / file).write_bytes(b"x" * records)


def test_usage_tells_records_from_what_is_being_deleted_and_from_the_rest(tmp_path: Path) -> None:
    partition(tmp_path, "a-b-0", 40_960)
    partition(tmp_path, "a-b-1", 8_192)
    partition(tmp_path, "a-b-1", 4_096, file="0.log.deleted")
    partition(tmp_path, "a-b-1", 4_096, file="0.index")
    partition(tmp_path, "c-2.123-delete", 8_192)
    (tmp_path / "meta.properties").write_bytes(b"x" * 4_096)
    with (tmp_path / "a-b-0" / "0.timeindex").open("wb") as index:
        index.truncate(10_000_000)  # as Kafka makes them: nothing on the disk
    found = usage(tmp_path)
    assert sorted(found.partitions["a-b"]) == [8_192, 40_960]
    assert set(found.partitions) == {"a-b"}
    assert found.doomed == 12_288
    assert found.total == 40_960 + 8_192 + 4_096 + 4_096 + 8_192 + 4_096


def test_usage_before_the_first_start(tmp_path: Path) -> None:
    assert usage(tmp_path / "data") == Usage(0, 0, {})


# --- the warning of who uses it


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "WATCH_EVERY", 0.01)


def test_a_command_that_runs_warns_once(tmp_path: Path, often: None, caplog: pytest.LogCaptureFixture) -> None:
    partition(tmp_path, "a-0", 4_096)
    watch = Watch(tmp_path, 1_000_000)
    assert watch.look() is None
    watch.start()
    partition(tmp_path, "a-0", 900_000)
    watch.join(60 * PATIENCE)  # it has nothing more to say
    assert not watch.is_alive()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("The embedded Kafka's records take 0.0 of 0.001 GB (90%). From 90% on it ")


def test_what_was_said_at_the_beginning_is_not_said_again(
    tmp_path: Path, often: None, caplog: pytest.LogCaptureFixture
) -> None:
    partition(tmp_path, "a-0", 900_000)
    watch = Watch(tmp_path, 1_000_000)
    assert "records take" in str(watch.look())
    watch.start()
    watch.join(60 * PATIENCE)
    assert not watch.is_alive()
    assert not caplog.records


@pytest.mark.parametrize("bound", [0, 1_000_000])
def test_a_command_that_ends_needs_no_warning(tmp_path: Path, bound: int) -> None:
    watch = Watch(tmp_path, bound)
    watch.start()
    watch.end()
    watch.join(60 * PATIENCE)
    assert not watch.is_alive()


def test_a_disk_that_cannot_be_looked_at_is_looked_at_again(
    tmp_path: Path, often: None, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    full = Usage(900_000, 0, {})
    mocker.patch.object(disk, "usage", side_effect=[PermissionError(13, "Permission denied"), full])
    watch = Watch(tmp_path, 1_000_000)
    watch.start()
    watch.join(60 * PATIENCE)
    assert len(caplog.records) == 1


def test_without_need_there_is_no_limit() -> None:
    assert limit_for(Usage(BOUND // 2, 0, {"t": [BOUND // 2]}), ["t"], BOUND) == NO_LIMIT


def test_what_is_about_to_go_is_no_need() -> None:
    assert limit_for(Usage(BOUND, BOUND // 2, {"t": [BOUND // 2]}), ["t"], BOUND) == NO_LIMIT


@pytest.mark.parametrize(
    ("partitions", "rest", "left"),
    [
        ({"t": [1_000_000_000]}, 0, 900_000_000),
        ({"t": [600_000_000, 600_000_000]}, 0, 450_000_000),
        ({"t": [600_000_000], "u": [100_000_000, 600_000_000]}, 0, 400_000_000),  # the small one keeps all
        ({"t": [500_000_000], "fixed": [500_000_000]}, 200_000_000, 200_000_000),
    ],
)
def test_the_largest_give_what_is_needed(partitions: dict[str, list[int]], rest: int, left: int) -> None:
    total = sum(map(sum, partitions.values())) + rest
    limit = limit_for(Usage(total, 0, partitions), [name for name in partitions if name != "fixed"], BOUND)
    assert limit + SEGMENT == left


def test_what_cannot_be_shortened_does_not_cost_the_others_everything() -> None:
    found = Usage(2 * BOUND, 0, {"fixed": [2 * BOUND - 5], "t": [5]})
    assert limit_for(found, ["t"], BOUND) == SEGMENT
    assert limit_for(found, [], BOUND) == SEGMENT


@pytest.mark.parametrize(("bound", "size"), [(10**8, 1024 * 1024), (10**10, 10**8), (10**12, 256 * 1024 * 1024)])
def test_the_size_of_files_follows_the_bound(bound: int, size: int) -> None:
    assert segment_bytes(bound) == size


def test_limits_are_set_when_they_change_and_again_when_that_failed(tmp_path: Path, mocker: MockerFixture) -> None:
    said: list[str] = []
    full = Usage(BOUND, 0, {"t": [BOUND]})
    mocker.patch.object(
        disk, "usage", side_effect=[Usage(0, 0, {}), Usage(0, 0, {}), full, full, full, Usage(0, 0, {})]
    )
    mocker.patch.object(wire, "shortened_topics", return_value=["t"])
    limit = mocker.patch.object(wire, "limit_partitions", side_effect=[None, OSError("away"), None, None])
    bound = Bound(tmp_path, BOUND, said.append)
    for _ in range(6):
        bound.look(9092)
    expected = 900_000_000 - SEGMENT
    assert [call.args[2] for call in limit.call_args_list] == [None, expected, expected, None]
    assert [line.split(":")[0] for line in said] == [
        "the disk's bound cannot be kept now",
        "1,000,000,000 of 1,000,000,000 bytes are in use",
    ]
