import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.inspect import filters, render
from clickstream.inspect.filters import Filter
from tests.unit.inspect.records import record

VALUE = {
    "status": 404,
    "ratio": 1.5,
    "ok": True,
    "gone": None,
    "name": "Ann",
    "digits": "404",
    "empty": "",
    "user": {"country": "NO", "tags": ["new", {"id": 7}]},
    "a.b": {"c.d": "dotted"},
}


def accepts(text: str, value: Any = VALUE) -> bool:
    return filters.keep([filters.parse(text)], record(0, json.dumps(value).encode()))


@pytest.mark.parametrize(
    "text",
    [
        "status=404",
        "status=404.0",
        "ratio=1.50",
        "ok=true",
        "gone=null",
        "name=Ann",
        "digits=404",
        "empty=",
        "user.country=NO",
        "user.tags.0=new",
        "user.tags.1.id=7",
        "a.b.c.d=dotted",
    ],
)
def test_a_field_with_the_value(text: str) -> None:
    assert accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "status=40",
        "status=",
        "status=abc",
        "ok=1",
        "ok=True",
        "gone=",
        "name=ann",
        "digits=404.0",
        "nothing=null",
        "user=NO",
        'user={"country":"NO"}',
        "user.tags.9=new",
        "user.tags.-1=new",
        "user.country.x=NO",
        "status.x=404",
    ],
)
def test_a_field_without_it(text: str) -> None:
    assert not accepts(text)


LONG = "1" * 5000


@pytest.mark.parametrize(
    "number",
    [
        "1e400",
        "-1e400",
        "1e-400",
        "0.1",
        "12345678901234567890123",
        "0.1234567890123456789012",
        LONG,
        "1e9999999999999999999",
    ],
)
@pytest.mark.parametrize("other", ["", ',"more":1e400', f',"more":{LONG}'])
def test_every_number_is_found_that_a_line_shows(number: str, other: str) -> None:
    value = f'{{"n":{number},"status":404{other}}}'.encode()
    shown = render.compact_json(value)
    assert shown is not None
    assert number in shown
    message = record(0, value)
    assert filters.keep([filters.parse(f"n={number}")], message)
    assert filters.keep([filters.parse("status=404")], message)
    assert not filters.keep([filters.parse("n=1e401")], message)
    assert not filters.keep([filters.parse("n=2")], message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(JSON.map(lambda value: json.dumps(value).encode()), st.integers(0, 40), st.binary(max_size=2), st.integers(0, 2))
def test_a_filter_takes_for_json_what_a_line_shows_as_json(value: bytes, at: int, new: bytes, removed: int) -> None:
    damaged = value[:at] + new + value[at + removed :]
    assert (render.decoded(damaged) is render.NO_JSON) == (render.compact_json(damaged) is None)


def test_the_value_may_contain_an_equals_sign() -> None:
    assert filters.parse("query=a=b") == Filter("query", "a=b")


@pytest.mark.parametrize("text", ["status", "", "=404"])
def test_malformed_filters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="field=value is expected"):
        filters.parse(text)


def test_all_filters_must_accept() -> None:
    message = record(0, json.dumps(VALUE).encode())
    assert filters.keep([Filter("status", "404"), Filter("name", "Ann")], message)
    assert not filters.keep([Filter("status", "404"), Filter("name", "Bob")], message)


@pytest.mark.parametrize("value", [None, b"", b"text", b"\xff", b"[" * 5_000, b"404", b'"status=404"'])
def test_values_without_fields_are_kept_only_without_filters(value: bytes | None) -> None:
    assert filters.keep([], record(0, value))
    assert not filters.keep([Filter("status", "404")], record(0, value))
