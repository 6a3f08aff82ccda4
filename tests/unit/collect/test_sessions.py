import logging
import multiprocessing
import os
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.collect.visitors.sessions import GAP_MS, Sessions
from tests.support import PATIENCE
from tests.unit.collect.sent import DAY, MINUTE, NOON

MIDNIGHT = NOON + DAY // 2


def test_it_ends_after_half_an_hour_without_an_event() -> None:
    sessions = Sessions(None)
    first, new = sessions.session("v", NOON)
    assert new
    assert sessions.session("v", NOON + GAP_MS) == (first, False)
    assert sessions.session("v", NOON + 2 * GAP_MS) == (first, False)
    second, new = sessions.session("v", NOON + 3 * GAP_MS + 1)
    assert new
    assert second != first
    assert len(first) == 32


def test_visitors_have_their_own() -> None:
    sessions = Sessions(None)
    assert len({sessions.session(str(n), NOON)[0] for n in range(1_000)}) == 1_000


def test_an_event_that_comes_late_does_not_shorten_it() -> None:
    sessions = Sessions(None)
    first, _ = sessions.session("v", NOON)
    sessions.session("v", NOON - 20 * MINUTE)
    assert sessions.session("v", NOON + 29 * MINUTE) == (first, False)


def test_memory_is_bounded_and_the_session_that_is_silent_for_longest_gives_way() -> None:
    sessions = Sessions(None, capacity=8)
    of = [sessions.session(str(n), NOON + n)[0] for n in range(8)]
    sessions.session("0", NOON + 8)
    sessions.session("another", NOON + 9)
    assert sessions.session("0", NOON + 10) == (of[0], False)
    assert sessions.session("1", NOON + 11)[1], "it was the oldest"


def test_over_midnight_under_another_id() -> None:
    sessions = Sessions(None)
    first, _ = sessions.session("of today", MIDNIGHT - MINUTE)
    assert sessions.session("of tomorrow", MIDNIGHT + MINUTE, "of today") == (first, False)
    assert sessions.session("of tomorrow", MIDNIGHT + 31 * MINUTE) == (first, False)
    assert sessions.session("other", MIDNIGHT + 31 * MINUTE, "of today")[1], "half an hour, not longer"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40)), max_size=60))
def test_it_is_what_a_person_would_count(steps: list[tuple[str, int]]) -> None:
    sessions, now = Sessions(None, capacity=64), NOON - DAY // 4
    last: dict[str, tuple[int, str]] = {}
    for visitor, minutes in steps:
        now += minutes * MINUTE
        session, new = sessions.session(visitor, now, visitor)
        known = last.get(visitor)
        goes_on = known is not None and now - known[0] <= GAP_MS
        assert new is not goes_on
        assert known is None or (session == known[1]) is goes_on
        last[visitor] = (now, session)


def _of_a_worker(folder: str, together: Barrier, told: "Queue[list[tuple[str, bool]]]") -> None:
    sessions = Sessions(Path(folder), capacity=4_096)
    found = []
    for number in range(300):
        together.wait(timeout=60 * PATIENCE)
        found.append(sessions.session(str(number), NOON))
    told.put(found)


def test_workers_that_see_a_visitor_at_the_same_time_agree(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    together, told = spawn.Barrier(2), spawn.Queue()
    workers = [spawn.Process(target=_of_a_worker, args=(str(tmp_path), together, told)) for _ in range(2)]
    for one in workers:
        one.start()
    first, second = told.get(timeout=60 * PATIENCE), told.get(timeout=60 * PATIENCE)
    for one in workers:
        one.join()
    assert [session for session, _ in first] == [session for session, _ in second]
    assert sum(new for _, new in first + second) == 300, "it begins once"


def test_a_restart_ends_none(tmp_path: Path) -> None:
    before = Sessions(tmp_path)
    first, _ = before.session("v", NOON)
    before.close()
    assert Sessions(tmp_path).session("v", NOON + MINUTE) == (first, False)
    assert Sessions(tmp_path, capacity=1_024).session("v", NOON + MINUTE)[1], "another size, another file"


def test_its_files_are_for_its_owner_and_go_with_the_salts(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path)
    (tmp_path / "sessions-notes").touch()
    sessions.session("v", NOON)
    [path] = tmp_path.glob("sessions-[0-9]*")
    assert path.stat().st_mode & 0o777 == 0o600
    sessions.maintain(NOON + DAY)
    assert path.exists()
    sessions.maintain(MIDNIGHT + DAY)
    assert not path.exists()
    assert (tmp_path / "sessions-notes").exists()


def test_a_file_has_all_of_its_blocks(tmp_path: Path) -> None:
    """A hole that is written to on a full disk ends the process: SIGBUS."""
    sessions = Sessions(tmp_path)
    sessions.maintain(NOON)
    [path] = tmp_path.iterdir()
    assert os.stat(path).st_blocks * 512 >= path.stat().st_size == 8 << 20


def test_without_room_on_the_disk_they_are_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sessions = Sessions(tmp_path / "gone")
    with caplog.at_level(logging.WARNING):
        first, new = sessions.session("v", NOON)
    assert new
    assert sessions.session("v", NOON + MINUTE) == (first, False)
    assert len(caplog.records) == 1
