"""Fetching jars, with downloads made up here."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.java import jars
from clickstream.java.jars import FetchError, ensure
from clickstream.java.lockfile import Jar, JarSet
from clickstream.java.progress import Progress
from tests.support import PATIENCE

CONTENT = {f"g:a{number}:1": f"content of {number}".encode() * 1000 for number in range(4)}


@pytest.fixture(autouse=True)
def lock(mocker: MockerFixture) -> JarSet:
    """A lock file with one set of four small jars."""
    pinned = tuple(Jar(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in CONTENT.items())
    made = JarSet("kafka", ("g:a0:1",), pinned)
    mocker.patch.object(jars, "read", return_value={"kafka": made})
    return made


class Repository:
    """Delivers the right files, unless `answer` says otherwise; counts what it was asked for."""

    def __init__(self, answer: Callable[[Jar, int], bytes | Exception] | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self._answer = answer
        self._mutex = threading.Lock()

    def __call__(self, jar: Jar, directory: Path, progress: Progress) -> Path:
        with self._mutex:
            self.asked[jar.coordinate] += 1
            time = self.asked[jar.coordinate]
        got = self._answer(jar, time) if self._answer else CONTENT[jar.coordinate]
        if isinstance(got, Exception):
            raise got
        directory.mkdir()
        file = directory / jar.file_name
        file.write_bytes(got)
        progress.add(len(got))
        return file


def quiet(_line: str) -> None:
    pass


def test_everything_missing_is_fetched_once_and_only_once(tmp_path: Path) -> None:
    repository = Repository()
    first = ensure("kafka", quiet, cache=tmp_path, fetch=repository)
    again = ensure("kafka", quiet, cache=tmp_path, fetch=repository)
    assert [path.read_bytes() for path in first] == list(CONTENT.values())
    assert again == first
    assert repository.asked == Counter(dict.fromkeys(CONTENT, 1))


@pytest.mark.parametrize("damage", [b"", CONTENT["g:a1:1"][:-1], CONTENT["g:a1:1"] + b"!", CONTENT["g:a1:1"][::-1]])
def test_a_damaged_file_is_fetched_again_and_named(tmp_path: Path, damage: bytes) -> None:
    said: list[str] = []
    paths = ensure("kafka", quiet, cache=tmp_path, fetch=Repository())
    paths[1].write_bytes(damage)
    repository = Repository()
    ensure("kafka", said.append, cache=tmp_path, fetch=repository)
    assert paths[1].read_bytes() == CONTENT["g:a1:1"]
    assert repository.asked == Counter({"g:a1:1": 1})
    assert "damaged, fetching again: a1-1.jar" in said


def test_what_arrives_damaged_is_fetched_a_second_time(tmp_path: Path) -> None:
    def once_truncated(jar: Jar, time: int) -> bytes:
        whole = CONTENT[jar.coordinate]
        return whole[:100] if jar.coordinate == "g:a3:1" and time == 1 else whole

    repository = Repository(once_truncated)
    paths = ensure("kafka", quiet, cache=tmp_path, fetch=repository)
    assert paths[3].read_bytes() == CONTENT["g:a3:1"]
    assert repository.asked["g:a3:1"] == 2


def test_what_arrives_damaged_twice_is_an_error_and_never_used(tmp_path: Path) -> None:
    repository = Repository(
        lambda jar, _: b"<html>login</html>" if jar.coordinate == "g:a3:1" else CONTENT[jar.coordinate]
    )
    with pytest.raises(ClickstreamError, match=r"g:a3:1: 18 bytes arrived, twice.*run the same command again"):
        ensure("kafka", quiet, cache=tmp_path, fetch=repository)
    assert repository.asked["g:a3:1"] == 2
    assert not (tmp_path / "a3-1.jar").exists()


def test_without_a_network_one_try_and_one_clear_error(tmp_path: Path) -> None:
    repository = Repository(lambda _jar, _time: FetchError("no connection (repository)"))
    with pytest.raises(ClickstreamError, match=r"no connection \(repository\)\. Check the network") as caught:
        ensure("kafka", quiet, cache=tmp_path, fetch=repository)
    assert "\n" not in str(caught.value)
    assert max(repository.asked.values()) == 1


def test_a_connection_that_breaks_once_is_tried_again(tmp_path: Path) -> None:
    begun = threading.Event()

    def breaks(jar: Jar, time: int) -> bytes | Exception:
        if jar.coordinate == "g:a0:1" and time == 1:
            assert begun.wait(5 * PATIENCE)
            return FetchError("the connection broke")
        begun.set()
        return CONTENT[jar.coordinate]

    def add_first(jar: Jar, directory: Path, progress: Progress) -> Path:
        progress.add(1)  # something came through already
        return repository(jar, directory, progress)

    repository = Repository(breaks)
    paths = ensure("kafka", quiet, cache=tmp_path, fetch=add_first)
    assert all(path.exists() for path in paths)
    assert repository.asked["g:a0:1"] == 2


def test_what_was_fetched_before_an_interruption_is_not_fetched_again(tmp_path: Path, mocker: MockerFixture) -> None:
    def interrupted(jar: Jar, _time: int) -> bytes | Exception:
        return FetchError("gone") if jar.coordinate == "g:a3:1" else CONTENT[jar.coordinate]

    mocker.patch.object(jars, "_THREADS", 1)  # one after the other: the last fails
    with pytest.raises(ClickstreamError):
        ensure("kafka", quiet, cache=tmp_path, fetch=Repository(interrupted))
    (tmp_path / ".download-killed").mkdir()
    repository = Repository()
    ensure("kafka", quiet, cache=tmp_path, fetch=repository)
    assert repository.asked == Counter({"g:a3:1": 1})
    assert list(tmp_path.glob(".download-*")) == []


def test_two_at_once_download_once(tmp_path: Path) -> None:
    repository = Repository()
    both = threading.Barrier(2)

    def one() -> None:
        both.wait()
        ensure("kafka", quiet, cache=tmp_path, fetch=repository)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert repository.asked == Counter(dict.fromkeys(CONTENT, 1))


def test_a_full_disk_names_the_directory_and_the_way_out(tmp_path: Path) -> None:
    full = OSError(28, "No space left on device")
    with pytest.raises(ClickstreamError, match=r"No space left on device.*CLICKSTREAM_CACHE_DIR") as caught:
        ensure("kafka", quiet, cache=tmp_path, fetch=Repository(lambda _jar, _time: full))
    assert str(tmp_path) in str(caught.value)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_CACHE_DIR", "/somewhere")
    assert jars.cache_dir() == Path("/somewhere/jars")
    monkeypatch.delenv("CLICKSTREAM_CACHE_DIR")
    assert jars.cache_dir().parts[-2:] == ("clickstream", "jars")


def test_a_cache_in_a_home_that_does_not_exist_is_an_error_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLICKSTREAM_CACHE_DIR", "~nosuchuser/jars")
    with pytest.raises(ConfigError, match="set CLICKSTREAM_CACHE_DIR to a directory"):
        jars.cache_dir()
