"""Rows as PostgreSQL takes them."""

import csv
import io
from typing import Any

import pyarrow as pa
import pytest

from clickstream.sinks.inputs import described, plain
from clickstream.sinks.model import DELETED, FINAL, OFFSET, PARTITION, Input, Rows
from clickstream.sinks.postgres.columns import wanted
from clickstream.sinks.postgres.rows import NUL, SURROGATE, YEAR, Staged, staged
from clickstream.sinks.target import Refused
from clickstream.tables.names import engine_name

US = 1_000_000


def rows_of(source: Input, values: dict[str, pa.Array], deleted: list[bool] | None = None) -> Rows:
    count = len(next(iter(values.values())))
    about = {
        PARTITION: pa.array([0] * count, pa.int32()),
        OFFSET: pa.array(range(count), pa.int64()),
        DELETED: pa.array(deleted or [False] * count),
        FINAL: pa.array([True] * count),
    }
    return Rows(source, pa.table({**{engine_name(name): one for name, one in values.items()}, **about}), [])


def stage(source: Input, values: dict[str, pa.Array], deleted: list[bool] | None = None, **types: str) -> Staged:
    return staged(rows_of(source, values, deleted), wanted(source, early=False), types)


def read(found: Staged) -> list[dict[str, str]]:
    lines = csv.reader(io.StringIO(found.csv.to_pybytes().decode(), newline=""))
    return [dict(zip(found.names, line, strict=True)) for line in lines]


def test_of_each_key_the_last_row_is_left() -> None:
    source = described("t", "a STRING NOT NULL, b INT NOT NULL, n INT", "a, b")
    values = {"a": pa.array(["x", "y", "x", "x"]), "b": pa.array([1, 1, 2, 1], pa.int32())}

    found = stage(source, {**values, "n": pa.array([10, 11, 12, None], pa.int32())}, [False, False, False, True])

    left = [(one["a"], one["b"], one["n"]) for one in read(found)]
    assert left == [("y", "1", "11"), ("x", "2", "12"), ("x", "1", "")]
    assert (found.count, found.deleted) == (3, 1)


def test_keys_that_become_one_when_they_are_cleaned_are_one() -> None:
    found = stage(described("t", "a STRING NOT NULL", "a"), {"a": pa.array(["x\0", "x\ufffd"])})

    assert (found.count, dict(found.cleaned)) == (1, {("a", NUL): 1})


def test_no_line_begins_with_what_a_record_says() -> None:
    found = stage(plain("t"), {"key": pa.array(["\\."]), "value": pa.array([None], pa.string()),
                               "timestamp": pa.array([0], pa.timestamp("us"))})  # fmt: skip

    assert found.csv.to_pybytes() == b'0,0,"\\.",,1970-01-01 00:00:00.000000,false\n'


@pytest.mark.parametrize(
    ("kind", "values", "shown"),
    [
        (
            pa.timestamp("us"),
            [-62_135_596_800 * US, -62_135_596_800 * US - 1, 253_402_300_800 * US - 1, 253_402_300_800 * US],
            ["0001-01-01 00:00:00.000000", "", "9999-12-31 23:59:59.999999", ""],
        ),
        (pa.date32(), [-719_162, -719_163, 2_932_896, 2_932_897], ["0001-01-01", "", "9999-12-31", ""]),
    ],
)
def test_years_that_others_cannot_read_are_null(kind: Any, values: list[int], shown: list[str]) -> None:
    name = "DATE" if kind == pa.date32() else "TIMESTAMP(3)"

    found = stage(described("t", f"v {name}", None), {"v": pa.array(values, kind)})

    assert [one["v"] for one in read(found)] == shown
    assert dict(found.cleaned) == {("v", YEAR): 2}


def test_a_key_that_has_no_such_time_is_refused() -> None:
    source = described("t", "v TIMESTAMP(3) NOT NULL", "v")

    with pytest.raises(Refused, match="23502") as refused:
        stage(source, {"v": pa.array([10**18 - 1], pa.timestamp("us"))})
    assert refused.value.column == "v"


@pytest.mark.parametrize("parts", [("x" * 2_001, ""), ("é" * 500, "x" * 1_001)])
def test_a_key_that_is_too_long_is_refused(parts: tuple[str, str]) -> None:
    source = described("t", "a STRING NOT NULL, b STRING NOT NULL", "a, b")

    with pytest.raises(Refused, match="54000: the key has 2,001 bytes"):
        stage(source, {"a": pa.array([parts[0]]), "b": pa.array([parts[1]])})


@pytest.mark.parametrize(
    ("text", "clean", "rules"),
    [
        (r'"\u0000"', r'"\ufffd"', {NUL}),
        (r'"\\u0000"', r'"\\u0000"', set()),
        (r'"\\\u0000"', r'"\\\ufffd"', {NUL}),
        (r'"\ud83d\ude00"', r'"\ud83d\ude00"', set()),
        (r'"\ud83d"', r'"\ufffd"', {SURROGATE}),
        (r'"\ude00\ud83d\u0000"', r'"\ufffd\ufffd\ufffd"', {SURROGATE, NUL}),
        (r'"\ud83d\ud83d\ude00"', r'"\ufffd\ud83d\ude00"', {SURROGATE}),
    ],
)
def test_jsonb_without_escapes_that_it_does_not_take(text: str, clean: str, rules: set[str]) -> None:
    values = {"key": pa.array(["k"]), "value": pa.array([text]), "timestamp": pa.array([0], pa.timestamp("us"))}

    found = stage(plain("t"), values, value="jsonb")

    assert read(found)[0]["value"] == clean
    assert {rule for _, rule in found.cleaned} == rules


def test_headers_are_an_object() -> None:
    pairs = [[("a", b"x"), ("b", None), ("c", b"\xff\0")]]
    source = described("t", "h MAP<STRING, BYTES> METADATA FROM 'headers'", None)

    found = stage(source, {"h": pa.array(pairs, pa.map_(pa.string(), pa.binary()))})

    assert read(found)[0]["h"] == r'{"a": "x", "b": null, "c": "\ufffd\ufffd"}'
    assert found.cleaned.total() == 2
