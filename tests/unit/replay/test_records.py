import threading
from pathlib import Path
from typing import Any

import pytest

from clickstream.kafka.produce import Sender
from clickstream.replay import files
from clickstream.replay.lines import MAX_LINE
from clickstream.replay.records import LineRecords
from tests.unit.mockkafka import MockKafka


class Kept:
    """In the place of a Sender."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes | None, bytes]] = []
        self.failed = self.queued = 0

    @property
    def sent(self) -> int:
        return len(self.records)

    acknowledged = sent

    def send_batch(self, topic: str, messages: list[dict[str, Any]]) -> None:
        assert topic == "visits"
        self.records += [(message.get("key"), message["value"]) for message in messages]

    def close(self) -> None:
        self.records.append((None, b"closed"))


def sent(path: Path, text: bytes, key: str | None = None) -> tuple[list[tuple[bytes | None, bytes]], str | None]:
    """What is sent of a file, and what is said about lines that are not."""
    (path / "lines").write_bytes(text)
    kept = Kept()
    lines = LineRecords(files.check([str(path / "lines")]), kept, "visits", key)  # type: ignore[arg-type]
    lines.run(threading.Event())
    assert kept.records.pop() == (None, b"closed")
    return kept.records, lines.skipped


def test_each_line_is_a_record_as_it_is(tmp_path: Path) -> None:
    found, skipped = sent(tmp_path, b'{"a": 1}\r\n\n  \nnot JSON\n"last"')
    assert [value for _, value in found] == [b'{"a": 1}', b"not JSON", b'"last"']
    assert {key for key, _ in found} == {None}
    assert skipped is None


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"a\tb\t\t", b"a\tb\t\t"),
        (b"  indented", b"  indented"),
        (b"a \r\r", b"a \r"),
        (b"\x0bpage\x0c", b"\x0bpage\x0c"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b""])
def test_only_the_end_of_a_line_is_not_sent(tmp_path: Path, line: bytes, value: bytes, end: bytes) -> None:
    """Columns that are empty at the end of a line of tabs are columns."""
    assert sent(tmp_path, line + end) == ([(None, value)], None)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b'{"user": {"id": "anna"}}', b"anna"),
        (b'{"user": {"id": 7}}', b"7"),
        (b'{"user": {"id": [1, "x"]}}', b'[1,"x"]'),
        (b'{"user.id": "ben"}', b"ben"),
    ],
)
def test_a_field_becomes_the_key(tmp_path: Path, line: bytes, key: bytes) -> None:
    assert sent(tmp_path, line, "user.id") == ([(key, line)], None)


def test_lines_without_the_key_are_skipped_and_the_first_is_named(tmp_path: Path) -> None:
    found, skipped = sent(tmp_path, b'{"id": 1}\n{"other": 1}\n{"id": null}\n{"id"\n', "id")
    assert found == [(b"1", b'{"id": 1}')]
    assert skipped is not None
    assert skipped.startswith("3 lines were skipped. The first: ")
    assert skipped.endswith("lines, line 2: it has no field id.")


def test_a_line_that_is_too_long_is_skipped(tmp_path: Path) -> None:
    found, skipped = sent(tmp_path, b"x" * (MAX_LINE + 1) + b"\nshort\n")
    assert found == [(None, b"short")]
    assert skipped is not None
    assert "line 1: the line has 65,537 bytes" in skipped


def test_a_stop_ends_it_after_what_was_read(kafka: MockKafka, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"1\n2\n")
    stop = threading.Event()
    stop.set()
    sender = Sender(kafka.cluster.producer())
    LineRecords(files.check([str(tmp_path / "lines")]), sender, "visits").run(stop)
    assert (sender.sent, sender.acknowledged) == (2, 2)
