"""The differential tests' oracle: records, fields and expressions, against what is computed by hand."""

from collections import Counter
from typing import Any

import pytest

from clickstream.tables.sql.types import Type
from tests.differential.outcome import Appends
from tests.differential.texts import from_json, load, time_text
from tests.unit.tables.oraclesupport import click, log, outcome, value
from tests.unit.tables.sql.support import sink

# --- records


@pytest.mark.parametrize("data", [None, b"", b"{", b"[1]", b"1", b"null", b'"a"', b'{"ip": NaN}', b'{"ip": "\xff"}'])
def test_what_cannot_be_read_is_noted_and_left_out(data: bytes | None) -> None:
    found = outcome(sink("ip STRING") + "INSERT INTO results SELECT ip FROM clicks;", log(data, click(0, ip="a")))

    assert found.dead == {("clicks", 0, 0)}
    assert found.tables["results"] == Appends(Counter({("null", '{"ip": "a"}'): 1}))


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ('"404"', Type.INT, 404),
        ('" 404 "', Type.INT, 404),
        ("1.9", Type.INT, 1),
        ("-1.9", Type.BIGINT, -1),
        ("2147483648", Type.INT, None),
        ("true", Type.INT, None),
        ("1e2", Type.DOUBLE, 100.0),
        ('"x"', Type.DOUBLE, None),
        ('"TRUE"', Type.BOOLEAN, True),
        ("1", Type.BOOLEAN, False),
        ("1.50", Type.STRING, "1.50"),
        ("true", Type.STRING, "true"),
        ('{"a": [1.50, null]}', Type.STRING, '{"a":[1.5,null]}'),
        ('"1970-01-01 00:00:01.5"', Type.TIMESTAMP, 1_500),
        ('"1970-01-01 00:00:01Z"', Type.TIMESTAMP_LTZ, 1_000),
        ('"1970-01-01"', Type.TIMESTAMP, None),
        ('"2023-02-30"', Type.DATE, None),
        ("null", Type.STRING, None),
    ],
)
def test_fields(text: str, kind: Type, expected: Any) -> None:
    found = from_json(load(text.encode()), kind)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("time", "text"), [(0, "00:00:00"), (500, "00:00:00.5"), (1_120, "00:00:01.12"), (7, "00:00:00.007")]
)
def test_times_have_a_fraction_only_when_it_is_not_zero(time: int, text: str) -> None:
    assert time_text(time) == f"1970-01-01 {text}"


# --- expressions


@pytest.mark.parametrize(
    ("expression", "kind", "expected"),
    [
        ("7 / 2", "INT", 3),
        ("-7 / 2", "INT", -3),
        ("-7 % 3", "INT", -1),
        ("price / 2", "DOUBLE", 1.25),
        ("status + `bytes`", "BIGINT", None),
        ("2147483647 + status", "INT", -2147483646),
        ("ok AND status = 3", "BOOLEAN", None),
        ("ok AND status = 4", "BOOLEAN", False),
        ("ok OR status = 3", "BOOLEAN", True),
        ("NOT ok", "BOOLEAN", None),
        ("ok IS NOT TRUE", "BOOLEAN", True),
        ("status IN (1, 3)", "BOOLEAN", True),
        ("status NOT IN (1, 2)", "BOOLEAN", True),
        ("status BETWEEN 3 AND 4", "BOOLEAN", True),
        ("status NOT BETWEEN 3 AND 4", "BOOLEAN", False),
        ("ip LIKE 'a_%'", "BOOLEAN", True),
        ("ip LIKE '%!%%' ESCAPE '!'", "BOOLEAN", False),
        ("ip NOT LIKE 'b%'", "BOOLEAN", True),
        ("ip NOT LIKE '%!%%' ESCAPE '!'", "BOOLEAN", True),
        ("`bytes` IS DISTINCT FROM 3", "BOOLEAN", True),
        ("CASE WHEN ok THEN 1 WHEN status > 2 THEN 2 END", "INT", 2),
        ("CASE status WHEN 4 THEN 1 END", "INT", None),
        ("COALESCE(`bytes`, status)", "BIGINT", 3),
        ("NULLIF(status, 3)", "INT", None),
        ("CAST(price AS INT)", "INT", 2),
        ("CAST(status AS STRING) || ip", "STRING", "3abc"),
        ("CAST(price > 1 AS STRING)", "STRING", "TRUE"),
        ("TRY_CAST(ip AS INT)", "INT", None),
        ("CAST(ts AS STRING)", "STRING", "1970-01-01 00:00:00.000"),
        ("SUBSTRING(ip, 2)", "STRING", "bc"),
        ("CONCAT_WS('-', ip, CAST(`bytes` AS STRING), ip)", "STRING", "abc-abc"),
        ("DATE_FORMAT(ts, 'dd.MM.yyyy ''at'' HH')", "STRING", "01.01.1970 at 00"),
        ("ts + INTERVAL '1' MINUTE", "TIMESTAMP_LTZ(3)", "1970-01-01 00:01:00Z"),
        ("GREATEST(price, status)", "DOUBLE", 3.0),
    ],
)
def test_expressions(expression: str, kind: str, expected: Any) -> None:
    found = value(expression, kind, ip="abc", status=3, price=2.5)

    assert found == expected
    assert type(found) is type(expected)
