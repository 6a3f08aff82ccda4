"""Rows that are in a topic already, and are computed once more."""

import json
from typing import Any

from clickstream.tables.engine.writing.written import WrittenRows

ORIGIN = ("p", "o")


def value(partition: int, offset: int, **more: Any) -> bytes:
    return json.dumps({"p": partition, "o": offset, **more}).encode()


def of_topic(rows: WrittenRows, *values: bytes) -> None:
    for one in values:
        rows.add({rows.identity(None, one): 1})


def test_rows_are_told_by_their_origin_even_if_they_are_computed_otherwise() -> None:
    rows = WrittenRows(ORIGIN)
    of_topic(rows, value(0, 1, name="before"), value(1, 1))
    computed = [(None, "...", 0, 1), (None, "...", 0, 2), (None, "...", 1, 1)]
    assert rows.without(computed) == [(None, "...", 0, 2)]
    assert not rows
    assert rows.without(computed) == computed


def test_of_the_rows_of_one_record_those_with_the_same_bytes_are_there() -> None:
    """The second one arrived in its partition, the first one never did."""
    rows = WrittenRows(ORIGIN)
    first, second = value(0, 1, page="a"), value(0, 1, page="b")
    of_topic(rows, second)
    computed = [(None, first.decode(), 0, 1), (None, second.decode(), 0, 1)]
    assert rows.without(computed) == [computed[0]]


def test_where_bytes_differ_the_rows_of_one_record_are_told_by_their_number() -> None:
    rows = WrittenRows(ORIGIN)
    of_topic(rows, value(0, 1, page="a", name="before"), value(0, 1, page="b"))
    computed = [(None, value(0, 1, page=page).decode(), 0, 1) for page in "abc"]
    assert rows.without(computed) == [computed[2]]


def test_without_an_origin_rows_are_told_by_key_and_value() -> None:
    rows = WrittenRows(None)
    rows.add({(None, None, b"k", b"v"): 2, (None, None, None, b"v"): 1})
    assert rows.without([("k", "v"), ("k", "w"), (None, "v"), ("k", "v"), ("k", "v")]) == [("k", "w"), ("k", "v")]
    assert not rows


def test_what_somebody_else_wrote_is_nobodys_row() -> None:
    rows = WrittenRows(ORIGIN)
    of_topic(rows, b"no JSON", b"[]", b'{"p":"0","o":1}')
    assert not rows


def test_what_is_left_can_be_kept_and_taken_up_again() -> None:
    rows, again = WrittenRows(ORIGIN), WrittenRows(ORIGIN)
    of_topic(rows, value(0, 1), value(0, 1), value(0, 2))
    assert rows.without([(None, "...", 0, 2)]) == []
    again.add(rows.left())
    assert again.left() == rows.left() == {(0, 1, None, value(0, 1)): 2}
