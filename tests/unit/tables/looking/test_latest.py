from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.tables.looking import latest
from clickstream.tables.looking.latest import Latest, by_key, by_record, by_window
from clickstream.tables.looking.rows import Row
from clickstream.tables.sql.check import check
from tests.unit.tables.sql.support import TABLES, sink

WINDOWS = check(sink("window_start TIMESTAMP(3), userid INT, hits BIGINT", key="userid, window_start"))
COLUMNS = WINDOWS.program.tables["results"].columns
ORDER = by_window(COLUMNS)
assert ORDER is not None


def row(start: int, user: int, hits: int = 1, deleted: bool = False) -> Row:
    return Row((start, user, hits), (user, start), (start, 0, hits), deleted=deleted)


def taken(rows: Iterable[Row], wanted: int = 3) -> Latest:
    found = Latest(wanted, ORDER)  # type: ignore[arg-type]
    for one in rows:
        found.take(one)
    return found


def test_the_latest_row_of_each_key_by_window_and_then_by_key() -> None:
    found = taken([row(2, 1), row(1, 9), row(2, 0), row(2, 1, hits=5)])
    assert found.highest(9) == [row(1, 9), row(2, 0), row(2, 1, hits=5)]
    assert found.highest(2) == [row(2, 0), row(2, 1, hits=5)]
    assert (len(found), found.complete) == (3, True)


def test_a_tombstone_removes_a_row_and_one_of_an_unknown_key_nothing() -> None:
    found = taken([row(1, 1), row(2, 2), row(1, 1, deleted=True), row(3, 3, deleted=True)])
    assert found.highest(9) == [row(2, 2)]


def test_a_row_without_a_window_comes_first() -> None:
    start_not_in_key = sink("userid INT, window_start TIMESTAMP(3)", key="userid")
    order = by_window(check(start_not_in_key).program.tables["results"].columns)
    assert order is not None
    rows = [Row((1, 5), (1,), (0, 0, 0)), Row((2, None), (2,), (0, 0, 1)), Row((3, None), (3,), (0, 0, 2))]
    assert [one.key for one in sorted(rows, key=order)] == [(2,), (3,), (1,)]


def test_without_windows_there_is_no_order_by_them() -> None:
    assert by_window(check(TABLES).program.tables["users"].columns) is None


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2), st.sampled_from([0, 0, 1])), max_size=120),
    st.integers(1, 4),
)
def test_as_a_plain_dict_of_all_rows_and_never_more_than_promised(
    records: list[tuple[int, int, int]], wanted: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latest, "SPARE", 2)
        found, oracle = Latest(wanted, ORDER), {}  # type: ignore[arg-type]
        for number, (start, user, deleted) in enumerate(records):
            one = row(start, user, number, deleted=bool(deleted))
            found.take(one)
            oracle[one.key] = one
            assert len(found) <= 2 * (wanted + latest.SPARE)
    alive = sorted((one for one in oracle.values() if not one.deleted), key=ORDER)
    if found.complete:
        assert found.highest(wanted) == alive[-wanted:]
    else:
        # What is there is the highest, though it may be fewer than there are.
        there = found.highest(len(found))
        assert there == alive[len(alive) - len(there) :]


@given(st.permutations(range(12)))
def test_rows_of_references_by_their_records(order: list[int]) -> None:
    found = Latest(20, by_record)
    for number, user in enumerate(order):
        found.take(Row((user,), (user,), (number, 0, 0)))
    assert [one.key[0] for one in found.highest(3)] == order[-3:]
    assert [one.key[0] for one in sorted(found.highest(20), key=by_key)] == list(range(12))
