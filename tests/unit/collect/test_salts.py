import logging
import multiprocessing
from pathlib import Path

import pytest

from clickstream.collect.visitors.salts import FILE, RETRY_MS, Salts
from tests.unit.collect.sent import DAY, NOON

MIDNIGHT = NOON + DAY // 2


def test_a_salt_lasts_from_midnight_to_midnight() -> None:
    salts = Salts(None)
    assert salts.of(NOON) == salts.of(MIDNIGHT - 1) != salts.of(MIDNIGHT)
    assert len(salts.of(MIDNIGHT)) == 32


def test_the_one_of_the_day_before_is_kept_for_a_day() -> None:
    salts = Salts(None)
    assert salts.before(NOON) is None
    first = salts.of(NOON)
    assert salts.before(NOON + DAY) == first
    assert salts.before(NOON + 2 * DAY) != first


def test_a_salt_that_was_deleted_does_not_come_back(tmp_path: Path) -> None:
    salts = Salts(tmp_path)
    first = salts.of(NOON)
    salts.maintain(MIDNIGHT + DAY)
    assert first.hex() not in (tmp_path / FILE).read_text()
    assert salts.of(NOON) != first
    assert Salts(tmp_path).of(NOON) != first


def test_a_restart_keeps_it_and_deletes_what_became_too_old_meanwhile(tmp_path: Path) -> None:
    first = Salts(tmp_path).of(NOON)
    assert Salts(tmp_path).of(NOON + 60_000) == first
    Salts(tmp_path).maintain(NOON + 9 * DAY)
    assert first.hex() not in (tmp_path / FILE).read_text()


def test_one_that_a_killed_process_was_writing_is_deleted_too(tmp_path: Path) -> None:
    unfinished = tmp_path / ".salts.json.8gx2k"
    unfinished.write_text("{}")
    salts = Salts(tmp_path)
    salts.maintain(MIDNIGHT)
    assert not unfinished.exists()


def test_a_clock_that_goes_back_over_midnight_finds_its_salt_again(tmp_path: Path) -> None:
    salts = Salts(tmp_path)
    before, after = salts.of(MIDNIGHT - 1), salts.of(MIDNIGHT)
    assert salts.of(MIDNIGHT - 1) == before
    assert salts.of(MIDNIGHT) == after


def test_its_age() -> None:
    salts = Salts(None)
    assert salts.age(NOON) == DAY // 2
    assert salts.age(NOON + DAY) == DAY + DAY // 2
    assert salts.age(NOON + 2 * DAY) == DAY + DAY // 2


def _salt(folder: str) -> str:
    return Salts(Path(folder)).of(NOON).hex()


def test_workers_that_begin_together_have_the_same(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(_salt, [str(tmp_path)] * 12, chunksize=1))) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"20785": "short"}', '{"x": "y"}', '{"20785": 5}'])
def test_a_damaged_file_is_replaced(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_text(text)
    first = Salts(tmp_path).of(NOON)
    assert Salts(tmp_path).of(NOON) == first


def test_a_folder_that_cannot_be_written_any_more_is_said_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "state"
    salts = Salts(folder)
    salts.of(NOON)
    folder.rename(tmp_path / "away")
    with caplog.at_level(logging.WARNING):
        alone = salts.of(MIDNIGHT)
        assert salts.of(MIDNIGHT + 1) == alone
    assert len(caplog.records) == 1, "not once a request"
    assert "Cannot keep the salts" in caplog.text
    assert alone.hex() not in caplog.text
    (tmp_path / "away").rename(folder)
    shared = salts.of(MIDNIGHT + RETRY_MS)
    assert shared == Salts(folder).of(MIDNIGHT)
