from pathlib import Path

from clickstream.ui.access import MIN_CHARACTERS, token


def test_it_is_kept_and_for_this_user_alone(tmp_path: Path) -> None:
    made = token(tmp_path / "ui")
    assert len(made) >= MIN_CHARACTERS
    assert token(tmp_path / "ui") == made
    assert (tmp_path / "ui" / "token").stat().st_mode & 0o077 == 0
    assert [path.name for path in (tmp_path / "ui").iterdir()] == ["token"]


def test_each_place_has_another(tmp_path: Path) -> None:
    assert token(tmp_path / "a") != token(tmp_path / "b")


def test_one_that_others_can_read_or_that_is_none_is_replaced(tmp_path: Path) -> None:
    made = token(tmp_path)
    (tmp_path / "token").chmod(0o644)
    second = token(tmp_path)
    assert second != made
    (tmp_path / "token").write_text("short")
    assert len(token(tmp_path)) >= MIN_CHARACTERS


def test_where_nothing_can_be_written_it_is_for_one_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = token(tmp_path / "file" / "below")
    assert len(made) >= MIN_CHARACTERS
    assert token(tmp_path / "file" / "below") != made
