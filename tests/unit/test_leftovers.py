"""What `clickstream clean` finds, removes and leaves alone."""

from pathlib import Path

import pytest

from clickstream.collect.delivery.spool.folder import Folder
from clickstream.collect.spoollock import only_collector
from clickstream.collect.visitors.salts import Salts
from clickstream.collect.visitors.sessions import Sessions
from clickstream.errors import ClickstreamError
from clickstream.java.locks import FileLock
from clickstream.leftovers import leftovers, remove, unused
from clickstream.tables.engine.state.place import prepared

OURS = (
    *("state/broker.json", "state/supervisor.lock", "state/data/t-0/0.log", "state/kafka.log.1", "state/pinned"),
    *("state/tables/cluster/clicks/state.duckdb", "state/tables/cluster/clicks/spill/1"),
    *("state/flink/cluster/savepoints/1/_metadata", "state/flink/run-1/flink.log"),
    *("cache/jars/kafka-4.jar", "cache/jars/.download-1/x", "cache/class-data/1.jsa"),
)
THEIRS = ("state/notes.txt", "state/tables/my.sql", "state/tables/cluster/mine/readme", "cache/jars/readme", "cache/x")


def fill(root: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * 4096)


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_all_that_is_ours_goes_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path, OURS + THEIRS)
    found = leftovers(tmp_path / "state", tmp_path / "cache")
    assert [one.what.split()[0] for one in found] == ["records", "states", "Flink's", "downloaded", "prepared"]
    assert all(one.size >= 4096 * len(one.paths) for one in found)
    remove(found)
    assert files(tmp_path) == set(THEIRS)


def test_no_empty_directories_are_left(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    state, cache = tmp_path / "root" / "state", tmp_path / "root" / "cache"
    fill(tmp_path / "root", OURS)
    remove(leftovers(state, cache))
    assert list((tmp_path / "root").iterdir()) == []  # and this, although it is empty now, is not ours


def collect(folder: Path, spool: Path) -> None:
    """What a collector leaves when it is killed, with events that Kafka had not taken."""
    with only_collector(spool):
        Salts(folder).of(0)
        sessions, worker = Sessions(folder), Folder.create(spool)
        sessions.session("visitor", 0)
        sessions.close()
        worker.next_segment().write_bytes(b"events")
        worker.release()
        fill(folder, ("schemas.json",))
        fill(spool, ("refused.bad",))


def test_nothing_of_a_collector_stays(tmp_path: Path) -> None:
    state = tmp_path / "state"
    collect(state / "collect", state / "collect" / "spool")
    with unused(state):
        [found] = leftovers(state, None)
        remove([found])
    assert found.what == "the collector's salts, sessions and spool"
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_is_elsewhere_stays(tmp_path: Path) -> None:
    state, spool = tmp_path / "state", tmp_path / "spool"
    collect(state / "collect", spool)
    kept = files(spool)
    with unused(state, spool):
        remove(leftovers(state, None))
    assert (files(spool), state.exists()) == (kept, False)


def test_tables_of_the_old_layout_go_too(tmp_path: Path) -> None:
    fill(tmp_path, ("state/tables/clicks [1]/state.duckdb", "state/tables/clicks 1/mine"))
    remove(leftovers(tmp_path / "state", None))
    assert files(tmp_path) == {"state/tables/clicks 1/mine"}


def test_a_directory_that_no_broker_has_used_keeps_files_that_are_called_alike(tmp_path: Path) -> None:
    fill(tmp_path, ("state/data/letters", "state/tmp/x"))
    assert leftovers(tmp_path / "state", tmp_path / "cache") == []


def test_downloads_can_stay(tmp_path: Path) -> None:
    fill(tmp_path, OURS)
    remove(leftovers(tmp_path / "state", None))
    assert {name.split("/")[0] for name in files(tmp_path)} == {"cache"}


def test_a_link_is_removed_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    fill(tmp_path, ("state/supervisor.lock", "elsewhere/precious"))
    (tmp_path / "state" / "data").symlink_to(tmp_path / "elsewhere")
    remove(leftovers(tmp_path / "state", None))
    assert files(tmp_path) == {"elsewhere/precious"}


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        ("state/supervisor.lock", "embedded Kafka .* runs"),
        ("state/jvm.lock", "embedded Kafka .* runs"),
        ("state/lease.lock", "embedded Kafka .* runs"),
        ("state/flink/cluster/jobmanager/lock", "flink cluster stop"),
        ("state/flink/run-1/lock", "A Flink runs"),
    ],
)
def test_what_is_used_is_refused(tmp_path: Path, lock: str, words: str) -> None:
    fill(tmp_path, (*OURS, lock))
    with FileLock(tmp_path / lock) as taken:
        assert taken.try_acquire()
        with pytest.raises(ClickstreamError, match=words), unused(tmp_path / "state"):
            pass
    with unused(tmp_path / "state"):
        pass


def test_tables_at_work_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, OURS)
    with (
        prepared(tmp_path / "state/tables/cluster/clicks"),
        pytest.raises(ClickstreamError),
        unused(tmp_path / "state"),
    ):
        pass


@pytest.mark.parametrize("spool", ["state/collect/spool", "elsewhere"])
def test_a_collector_at_work_is_refused(tmp_path: Path, spool: str) -> None:
    refused = pytest.raises(ClickstreamError, match="A collector runs")
    with only_collector(tmp_path / spool), refused, unused(tmp_path / "state", tmp_path / spool):
        pass
    with unused(tmp_path / "state", tmp_path / spool):
        pass
