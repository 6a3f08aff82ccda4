import csv
import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream import terminal
from clickstream.inspect import flatten, render
from clickstream.inspect.flatten import Row


def row(value: bytes | None, key: bytes | None = None) -> Row:
    return Row(0, 1, 1_600_000_000_123, key, "", value)


def cells(value: bytes | None, *fields: str) -> list[str]:
    """The cells of the fields and the last one, for the rest."""
    return flatten.cells(row(value), fields)[len(flatten.FIXED) :]


def read_back(cell: str) -> Any:
    """What the cell says, by the documented rule: JSON if it reads as JSON, else text."""
    try:
        return json.loads(cell, parse_constant=_not_json)
    except ValueError:
        return cell


def _not_json(constant: str) -> None:
    raise ValueError(constant)  # Python reads Infinity and NaN, which are no JSON


def test_fields_have_columns_of_their_own() -> None:
    assert flatten.header(["a", "b"]) == [*flatten.FIXED, "value.a", "value.b", "value"]
    assert cells(b'{"b": [1, 2], "a": "x"}', "a", "b") == ["x", "[1,2]", ""]


def test_what_is_no_object_stands_in_the_last_column() -> None:
    assert cells(b"some text", "a") == ["", "some text"]
    assert cells(b"[1]", "a") == ["", "[1]"]
    assert cells(None, "a") == ["", ""]


def test_an_absent_field_and_a_null_are_told_apart() -> None:
    assert cells(b'{"a":null}', "a", "b") == ["null", "", ""]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ('"404"', '"404"'),
        ("404", "404"),
        ("1.10", "1.10"),
        ('"null"', '"null"'),
        ('""', '""'),
        ('" 1 "', '" 1 "'),
        ('"{}"', '"{}"'),
        ('"{"', "{"),
        ('"404 Not Found"', "404 Not Found"),
        ('"two\\nlines"', '"two\\nlines"'),
        ('"\x9b"', '"\\u009b"'),
    ],
)
def test_a_text_that_reads_as_json_or_has_controls_is_quoted(value: str, cell: str) -> None:
    assert cells(f'{{"a":{value}}}'.encode(), "a") == [cell, ""]


@pytest.mark.parametrize("odd", [b"{}", b'{"a":1,"a":2}', b'{"\\u0061":1,"a":2}', b'{"a":"\\ud800"}', b'{"a":"\xff"}'])
def test_objects_that_columns_cannot_hold_stay_in_one_piece(odd: bytes) -> None:
    assert cells(odd, "a") == ["", flatten.value_cell(odd)]


def test_a_key_that_is_a_number_stands_as_it_is() -> None:
    assert flatten.key_cell(b"42") == "42"


@pytest.mark.parametrize(("key", "cell"), [(None, ""), (b"", '""'), (b'"', '"\\""'), (b"\xff", '{"$base64":"/w=="}')])
def test_odd_keys(key: bytes | None, cell: str) -> None:
    assert flatten.key_cell(key) == cell


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.dictionaries(st.text(), json_values, min_size=1))
def test_every_object_can_be_told_from_its_row(value: dict[str, Any]) -> None:
    raw = json.dumps(value, ensure_ascii=False).encode()
    fields = list(flatten.fields_of(raw) or ())
    *found, rest = cells(raw, *fields, "absent field")
    assert rest == ""
    assert {name: read_back(cell) for name, cell in zip(fields, found, strict=False) if cell} == value


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()) | st.text().map(str.encode))
def test_every_other_value_can_be_told_from_its_cell(value: bytes) -> None:
    assert read_back(flatten.value_cell(value)) == json.loads(msgspec.json.encode(render.value(value)))


@given(st.binary() | st.none(), st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_a_record_is_one_line_without_controls(key: bytes | None, value: bytes) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(flatten.cells(row(value, key), list(flatten.fields_of(value) or ())))
    line, end = out.getvalue()[:-1], out.getvalue()[-1]
    assert end == "\n"
    assert not terminal.has_controls(line)
