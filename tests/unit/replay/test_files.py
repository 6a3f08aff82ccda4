import gzip
import os
import threading
from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.replay import files
from clickstream.replay.files import Reader, Source
from clickstream.replay.lines import Lines, Unreadable


def read(path: Path) -> list[bytes]:
    parts = list(Reader(files.check([str(path)])[0]))
    return [line for part in parts if isinstance(part, Lines) for line in part.lines]


def test_plain_and_gzip_whatever_the_name(tmp_path: Path) -> None:
    plain, zipped = tmp_path / "a.gz", tmp_path / "b.log"
    plain.write_bytes(b"one\ntwo\n")
    zipped.write_bytes(gzip.compress(b"one\ntwo\n"))
    assert read(plain) == read(zipped) == [b"one", b"two"]


def test_line_ends_of_windows_and_none_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\r\ntwo")
    assert read(path) == [b"one\r", b"two"]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    assert read(path) == []


def test_consumed_is_counted_as_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(gzip.compress(b"x\n" * 500_000))
    [source] = files.check([str(path)])
    reader = Reader(source)
    assert reader.consumed == 0
    for _part in reader:
        pass
    assert reader.consumed == source.size == path.stat().st_size


def test_a_truncated_file_ends_in_an_error_after_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress(b"".join(b"line %d\n" % n for n in range(1, 50_001)))[:-5000])
    parts = []

    def read() -> None:
        for part in Reader(files.check([str(path)])[0]):
            parts.append(part)  # noqa: PERF402 - what came before the error is the point

    with pytest.raises(ClickstreamError, match=r"access\.log\.gz cannot be read past line .*ends early"):
        read()
    lines = [line for part in parts if isinstance(part, Lines) for line in part.lines]
    assert lines == [b"line %d" % n for n in range(1, len(lines) + 1)]
    assert len(lines) > 10_000
    # What is left of the line that was cut may look like a line, and is none.
    assert isinstance(parts[-1], Unreadable)
    assert parts[-1].number == len(lines) + 1


def test_all_that_is_wrong_is_named_before_anything_is_read(tmp_path: Path) -> None:
    good = tmp_path / "good.log"
    good.touch()
    with pytest.raises(ConfigError) as caught:
        files.check([str(good), "missing.log", str(tmp_path), "-", "-"])
    message = str(caught.value)
    assert "missing.log: No such file or directory" in message
    assert f"{tmp_path}: is a folder" in message
    assert "standard input can be read only once" in message
    assert "good.log" not in message


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.log"
    path.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)  # the super-user may read every file
    with pytest.raises(ConfigError, match=r"secret\.log: no permission"):
        files.check([str(path)])


def test_a_file_that_goes_between_check_and_reading(tmp_path: Path) -> None:
    with pytest.raises(ClickstreamError, match="No such file"):
        list(Reader(Source("gone", tmp_path / "gone", 0)))


def test_a_pipe_gives_lines_as_they_come_and_empty_batches_between(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    [source] = files.check([str(path)])
    assert source.size is None
    opened = threading.Event()

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            pipe.write(b"one\ntw")
            opened.wait(10)
            pipe.write(b"o\n")

    writer = threading.Thread(target=write)
    writer.start()
    parts = iter(Reader(source))
    assert next(parts) == Lines(1, [b"one"])
    assert next(parts) == Lines(2, [])  # and not a read that would block
    opened.set()
    rest = [part for part in parts if part != Lines(2, [])]
    writer.join()
    assert rest == [Lines(2, [b"two"])]


def test_the_size_of_all_is_unknown_with_a_pipe_among_them() -> None:
    assert files.total_size([Source("a", Path("a"), 3), Source("b", Path("b"), 4)]) == 7
    assert files.total_size([Source("a", Path("a"), 3), Source("standard input", None, None)]) is None
