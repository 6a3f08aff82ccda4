import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from clickstream.sinks.documents import NO_TEXT, NO_YEAR, NOT_A_NUMBER, documents
from clickstream.sinks.model import Input, Rows
from clickstream.tables.names import engine_name
from clickstream.tables.sql.model import Column
from clickstream.tables.sql.types import Type


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kathmandu"], autouse=True)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def of(kind: Type, values: pa.Array, name: str = "a") -> tuple[list[object], dict[tuple[str, str], int]]:
    table = pa.table({engine_name(name): values})
    rows = Rows(Input("t", "t", (Column(name, kind),)), table, [None] * len(values))  # type: ignore[list-item]
    found, cleaned = documents(rows)
    return [one[name] for one in found], dict(cleaned)


def test_times_are_utc_texts_in_every_zone() -> None:
    ticks = np.array([0, -1_000, 1_585_163_149_123_000, 1_699_164_000_000_000], "datetime64[us]")
    found, cleaned = of(Type.TIMESTAMP, pa.array(ticks))
    assert found == [
        "1970-01-01T00:00:00.000Z",
        "1969-12-31T23:59:59.999Z",
        "2020-03-25T19:05:49.123Z",
        "2023-11-05T06:00:00.000Z",
    ]
    assert cleaned == {}


def test_years_that_nobody_reads_are_null_and_counted() -> None:
    first, last = -62_135_596_800_000_000, 253_402_300_799_999_000
    ticks = pa.array([first, last, first - 1, last + 1_000_000, None], pa.int64()).view(pa.timestamp("us"))
    found, cleaned = of(Type.TIMESTAMP_LTZ, ticks)
    assert found == ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", None, None, None]
    assert cleaned == {("a", NO_YEAR): 2}


def test_dates_are_texts() -> None:
    days = pa.array([0, -1, 2_932_896, 2_932_897, None], pa.int32()).view(pa.date32())
    found, cleaned = of(Type.DATE, days)
    assert found == ["1970-01-01", "1969-12-31", "9999-12-31", None, None]
    assert cleaned == {("a", NO_YEAR): 1}


def test_what_json_has_no_number_for_is_null_and_counted() -> None:
    found, cleaned = of(Type.DOUBLE, pa.array([1.5, float("nan"), float("-inf"), None, 1e308]))
    assert found == [1.5, None, None, None, 1e308]
    assert cleaned == {("a", NOT_A_NUMBER): 2}


def test_whole_numbers_and_texts_are_as_they_are() -> None:
    assert of(Type.BIGINT, pa.array([2**63 - 1, -(2**63), None]))[0] == [2**63 - 1, -(2**63), None]
    assert of(Type.STRING, pa.array(["a\0b", "ü", None]), name='Odd "Name" ü')[0] == ["a\0b", "ü", None]


def test_headers_are_an_object() -> None:
    pairs = pa.array([[("a", b"x"), ("b", b"\xff"), ("c", None)], None], pa.map_(pa.string(), pa.binary()))
    found, cleaned = of(Type.HEADERS, pairs)
    assert found == [{"a": "x", "b": "/w==", "c": None}, None]
    assert cleaned == {("a", NO_TEXT): 1}
