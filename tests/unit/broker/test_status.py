"""broker.json in every state that it can be found in."""

import json
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from clickstream.broker.status import FORMAT, KAFKA_VERSION, NewerVersionError, Status, read_status, write_status
from clickstream.broker.storage import StateDir

GOOD = {"state": "running", "port": 9092, "format": FORMAT, "kafka_version": KAFKA_VERSION, "started_at": 1.5}


def found(tmp_path: Path, content: str | bytes) -> Status | None:
    state = StateDir(tmp_path)
    state.status_file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_status(state)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    status = Status("running", "127.0.0.1:1", 1, 2, 3, 4, "id", "/java", 5.5, 6, "none")
    write_status(StateDir(tmp_path), status)
    assert read_status(StateDir(tmp_path)) == status
    assert [path.name for path in tmp_path.iterdir()] == ["broker.json"]


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert read_status(StateDir(tmp_path)) is None
    assert read_status(StateDir(tmp_path / "missing")) is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "null", "[]", '"x"', "{}", b"\xff\xfe", "\0" * 300, json.dumps({**GOOD, "port": "9092"}),
     json.dumps({**GOOD, "format": None}), json.dumps({**GOOD, "kafka_version": 4})],
)  # fmt: skip
def test_damaged_is_as_good_as_nothing(tmp_path: Path, content: str | bytes) -> None:
    assert found(tmp_path, content) is None


def test_unknown_and_missing_fields_are_no_obstacle(tmp_path: Path) -> None:
    status = found(tmp_path, json.dumps({**GOOD, "something": "else"}))
    assert status == Status("running", port=9092, started_at=1.5)


@pytest.mark.parametrize("newer", [{"format": FORMAT + 1}, {"kafka_version": "4.10.0"}, {"kafka_version": "5"}])
def test_a_newer_version_is_not_touched(tmp_path: Path, newer: dict[str, Any]) -> None:
    with pytest.raises(NewerVersionError):
        found(tmp_path, json.dumps({**GOOD, **newer}))


def test_an_older_kafka_is_upgraded(tmp_path: Path) -> None:
    status = found(tmp_path, json.dumps({**GOOD, "kafka_version": "4.2.9"}))
    assert status is not None
    assert status.kafka_version == KAFKA_VERSION


def test_on_a_full_disk_the_status_is_still_told(tmp_path: Path, mocker: MockerFixture) -> None:
    state = StateDir(tmp_path)
    write_status(state, Status("running", error="a longer text than the next " * 10))
    mocker.patch("clickstream.files.tempfile.mkstemp", side_effect=OSError(28, "No space left on device"))
    write_status(state, Status("failed", error="No space left on device"))
    assert read_status(state) == Status("failed", error="No space left on device")
