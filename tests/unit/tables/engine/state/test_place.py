"""Where states lie."""

from pathlib import Path

from clickstream.tables.engine.state.place import COMMITS, FILE, clusters_with, directory_of, reset


def test_each_cluster_has_a_state_of_its_own(tmp_path: Path) -> None:
    one, other = directory_of(tmp_path, "abc-_1", "clicks"), directory_of(tmp_path, "x/../y", "clicks")
    assert one == tmp_path / "tables" / "abc-_1" / "clicks"
    assert other.parent.parent == tmp_path / "tables"
    assert clusters_with(tmp_path, "clicks") == []
    one.mkdir(parents=True)
    (one / FILE).touch()
    assert clusters_with(tmp_path, "clicks") == ["abc-_1"]
    assert clusters_with(tmp_path, "others") == []


def test_a_state_of_the_old_layout_is_moved_once(tmp_path: Path) -> None:
    old = tmp_path / "tables" / "clicks"
    old.mkdir(parents=True)
    (old / FILE).write_text("a state")
    place = directory_of(tmp_path, "abc", "clicks")
    assert (place / FILE).read_text() == "a state"
    assert not old.exists()
    assert directory_of(tmp_path, "def", "clicks") != place
    assert not (tmp_path / "tables" / "def").exists()


def test_reset_forgets_the_state_and_nothing_else(tmp_path: Path) -> None:
    for name in (FILE, f"{FILE}.wal", COMMITS, "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "spill").mkdir()
    reset(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "notes.txt"]
