import bz2
import gzip
import lzma
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.replay import files
from clickstream.replay.files import Reader, Source
from clickstream.replay.lines import Lines, Unreadable
from tests.support import PATIENCE


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
            opened.wait(10 * PATIENCE)
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


def test_a_pipe_without_a_writer_is_waited_for_in_turns(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    [source] = files.check([str(path)])
    parts = iter(Reader(source))
    assert next(parts) == Lines(1, [])  # and not an open that would block, even through a Ctrl-C
    with path.open("wb", buffering=0) as pipe:
        pipe.write(b"one\n")
    assert [part for part in parts if part != Lines(1, []) and part != Lines(2, [])] == [Lines(1, [b"one"])]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_standard_input_may_be_compressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "input"
    path.write_bytes(compress(b"one\n") + compress(b"two\n"))
    with path.open("rb") as file:
        monkeypatch.setattr(files, "STANDARD_INPUT", file.fileno())
        parts = list(Reader(files.check(["-"])[0]))
    assert [line for part in parts if isinstance(part, Lines) for line in part.lines] == [b"one", b"two"]


def test_standard_input_that_is_closed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    monkeypatch.setattr(files, "STANDARD_INPUT", reading)
    with pytest.raises(ConfigError, match="standard input is closed"):
        files.check(["-"])


def test_a_file_that_is_truncated_while_it_is_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"line\n" * 100_000)
    [source] = files.check([str(path)])
    parts = iter(Reader(source))
    next(parts)
    path.write_bytes(b"")
    with pytest.raises(ClickstreamError, match=r"ended after 131,072 of 500,000 bytes, so it was rotated or truncated"):
        list(parts)


def test_kinds_that_are_not_read_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    archive, twice, good = tmp_path / "logs.zip", tmp_path / "logs.tar.gz", tmp_path / "good.log"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("access.log", "one")
    with tarfile.open(twice, "w:gz") as tar:
        tar.add(archive, "access.log")
    good.write_bytes(b"one\n")
    with pytest.raises(ConfigError) as caught:
        files.check([str(good), str(archive), str(twice)])
    assert "logs.zip: is a zip archive" in str(caught.value)
    assert "logs.tar.gz: is a tar archive compressed with gzip" in str(caught.value)
    assert "good.log" not in str(caught.value)


def test_a_pipe_of_a_kind_that_is_not_read_is_refused_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    parts = iter(Reader(files.check([str(path)])[0]))
    next(parts)
    with path.open("wb", buffering=0) as pipe:
        pipe.write(b"PK\x03\x04 and so on")
    with pytest.raises(ClickstreamError, match=r"pipe is a zip archive\. Unpack it"):
        list(parts)


def test_damage_found_before_the_start_is_told_only_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "access.log.gz"
    path.write_bytes(b"\x1f\x8b is no gzip")
    [source] = files.check([str(path)])
    with pytest.raises(ClickstreamError, match="cannot be read from its beginning: the gzip data is damaged"):
        list(Reader(source))


def test_the_size_of_all_is_unknown_with_a_pipe_among_them() -> None:
    assert files.total_size([Source("a", Path("a"), 3), Source("b", Path("b"), 4)]) == 7
    assert files.total_size([Source("a", Path("a"), 3), Source("standard input", None, None)]) is None
