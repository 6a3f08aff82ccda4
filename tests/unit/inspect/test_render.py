import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream import terminal
from clickstream.inspect import render
from tests.unit.inspect.records import record


def shown(value: bytes | None) -> Any:
    return json.loads(render.line(record(0, value)))["value"]


def test_a_record_is_one_object() -> None:
    message = record(7, b'{"a": 1}', partition=2, key=b"k", headers=[("reason", b"bad")])
    assert render.line(message) == (
        b'{"topic":"t","partition":2,"offset":7,"timestamp":"2020-09-13T12:26:40.123Z",'
        b'"key":"k","headers":{"reason":"bad"},"value":{"a":1}}'
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (b"", ""),
        (b"plain text", "plain text"),
        (b'"a string"', "a string"),
        (b"404", 404),
        (b"null", None),
        (b"NaN", "NaN"),
        (b'{"a":', '{"a":'),
        (b"[" * 5_000, "[" * 5_000),
        (b"[" * 5_000 + b"]" * 5_000, "[" * 5_000 + "]" * 5_000),
        (b"\xff\x00", {"$base64": base64.b64encode(b"\xff\x00").decode()}),
        (b'{"a":"\xff"}', {"$base64": base64.b64encode(b'{"a":"\xff"}').decode()}),
    ],
)
def test_a_value_is_json_or_text_or_base64(value: bytes | None, expected: Any) -> None:
    assert shown(value) == expected


@pytest.mark.parametrize("number", [b"1.10", b"1e400", b"123456789012345678901234567890", b"-0.0"])
def test_numbers_keep_their_digits(number: bytes) -> None:
    assert render.line(record(0, number)).endswith(b'"value":' + number + b"}")


@given(st.text())
def test_text_comes_back(content: str) -> None:
    assert render.compact_json(content.encode()) is not None or shown(content.encode()) == content


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.sampled_from([None, 2]),
)
def test_json_comes_back_on_one_harmless_line(value: Any, indent: int | None) -> None:
    line = render.line(record(0, json.dumps(value, ensure_ascii=False, indent=indent).encode()))
    assert json.loads(line)["value"] == value
    assert not terminal.has_controls(line.decode())


@given(st.binary(), st.binary())
def test_any_bytes_make_one_harmless_line(key: bytes, value: bytes) -> None:
    line = render.line(record(0, value, key=key, headers=[("h", value)])).decode()
    json.loads(line)
    assert not terminal.has_controls(line)


def test_a_header_that_is_repeated_is_a_list() -> None:
    message = record(0, headers=[("a", b"1"), ("b", None), ("a", b"\xff")])
    assert json.loads(render.line(message))["headers"] == {"a": ["1", {"$base64": "/w=="}], "b": None}


def test_a_record_without_a_time() -> None:
    assert json.loads(render.line(record(0, timestamp=None)))["timestamp"] is None
