"""Which clicks a result includes."""

import pytest

from bench.tables_latency import STREAM, TABLE, Arrivals

MS = 1_700_000_040_000  # a full minute: 2023-11-14 22:14:00


@pytest.fixture
def arrivals() -> Arrivals:
    found = Arrivals()
    found.sent(7, 0, MS, at=1.0)
    found.sent(8, 0, MS + 1, at=2.0)
    found.sent(7, 0, MS + 2, at=3.0)
    found.sent(7, 0, MS + 60_000, at=4.0)
    return found


def table_row(user: int, events: int, minute: str = "22:14") -> dict[str, object]:
    return {"userid": user, "window_start": f"2023-11-14 {minute}:00", "events": events}


def test_a_row_of_a_stream_is_the_click_with_its_offset(arrivals: Arrivals) -> None:
    arrivals.stream_row({"src_partition": 0, "src_offset": 1}, at=5.0)
    assert arrivals.latencies[STREAM] == [(2.0, 3.0)]


def test_a_count_includes_the_first_clicks_of_its_user_and_window(arrivals: Arrivals) -> None:
    arrivals.table_row(table_row(7, 1), at=5.0)
    arrivals.table_row(table_row(7, 2), at=6.0)
    assert arrivals.latencies[TABLE] == [(1.0, 4.0), (3.0, 3.0)]


def test_a_repeated_count_adds_nothing(arrivals: Arrivals) -> None:
    for at in (5.0, 6.0):
        arrivals.table_row(table_row(7, 1, "22:15"), at)
    assert arrivals.latencies[TABLE] == [(4.0, 1.0)]


def test_it_is_complete_when_both_have_all(arrivals: Arrivals) -> None:
    for offset in range(4):
        arrivals.stream_row({"src_partition": 0, "src_offset": offset}, at=5.0)
    arrivals.table_row(table_row(7, 2), at=5.0)
    arrivals.table_row(table_row(8, 1), at=5.0)
    assert not arrivals.complete(4)
    arrivals.table_row(table_row(7, 1, "22:15"), at=5.0)
    assert arrivals.complete(4)
