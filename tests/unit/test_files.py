"""Files that are replaced whole: what is seen of them meanwhile, and who else may write them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.files import whole
from clickstream.inspect.export import Stopped

WRITER = """
import sys
from pathlib import Path
from clickstream.files import whole
with whole(Path(sys.argv[1])) as file:
    file.write(b"theirs")
    print("writing", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_writer(target: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that is writing `target`, and finishes it when its stdin ends."""
    words = [sys.executable, "-c", WRITER, str(target)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process


def hidden(path: Path) -> str:
    """The name of an unfinished file without what is random in it."""
    name, _, end = path.name.rpartition(".")
    return f"{name.rpartition('.')[0]}.{end}"


def test_a_second_writer_of_the_same_file_is_told(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with another_writer(target) as process:
        with pytest.raises(ClickstreamError, match=f"^Another process is writing {target}: "), whole(target):
            pass
        with whole(tmp_path / "out") as file:  # a name that begins alike is another file
            file.write(b"ours")
        process.communicate()
    assert target.read_bytes() == b"theirs"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "out", target]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with another_writer(target) as process:
        process.send_signal(signal.SIGKILL)
    assert len(list(tmp_path.iterdir())) == 1
    with whole(target) as file:
        file.write(b"ours")
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["out.csv.partial", ".out.csv.abcdefgh.partial"])
def test_a_link_that_somebody_planted_is_not_followed(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / name).symlink_to(victim)
    with whole(tmp_path / "out.csv") as file:
        file.write(b"x")
    assert victim.read_text() == "precious"


def test_a_pipe_that_somebody_planted_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".out.abcdefgh.partial")
    with whole(tmp_path / "out") as file:
        file.write(b"x")
    assert (tmp_path / "out").read_bytes() == b"x"


def test_an_unfinished_file_is_private_and_a_finished_one_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    (tmp_path / "old").chmod(0o640)
    (tmp_path / "plain").touch()
    for name in ("old", "new"):
        with whole(tmp_path / name):
            (unfinished,) = tmp_path.glob("*.partial")
            assert unfinished.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_name_as_long_as_can_be(tmp_path: Path) -> None:
    with whole(tmp_path / ("n" * 255)) as file:
        file.write(b"x")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("before")
    with whole(target) as file:
        file.write(b"after")
        assert target.read_text() == "before"
        assert [hidden(path) for path in tmp_path.iterdir() if path != target] == [".out.csv.partial"]
    assert target.read_text() == "after"
    assert list(tmp_path.iterdir()) == [target]


def half_write(target: Path, problem: type[BaseException]) -> None:
    with whole(target) as file:
        file.write(b"half")
        raise problem


@pytest.mark.parametrize("problem", [Stopped, KeyboardInterrupt, ClickstreamError])
def test_a_failed_file_leaves_what_was_there(tmp_path: Path, problem: type[BaseException]) -> None:
    target = tmp_path / "out.csv"
    target.write_text("before")
    with pytest.raises(problem):
        half_write(target, problem)
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_keeps_pointing_where_it_does(tmp_path: Path) -> None:
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to("real")
    with whole(tmp_path / "link") as file:
        file.write(b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x"


def test_a_device_is_written_to_and_not_replaced() -> None:
    with whole(Path("/dev/null")) as file:
        file.write(b"x")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("where", ["missing/out.csv", "."])
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, where: str) -> None:
    with pytest.raises(ClickstreamError, match=f"^Cannot write {tmp_path / where}: "), whole(tmp_path / where):
        pass


def test_a_full_disk_is_named(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch("os.fsync", side_effect=OSError(28, "No space left on device"))
    with pytest.raises(ClickstreamError, match="No space left on device"), whole(tmp_path / "out") as file:
        file.write(b"x")
    assert list(tmp_path.iterdir()) == []
