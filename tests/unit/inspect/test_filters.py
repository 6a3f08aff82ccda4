import json
from typing import Any

import pytest

from clickstream.inspect import filters
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
