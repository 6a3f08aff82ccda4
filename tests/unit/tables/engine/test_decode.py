"""Records to rows in DuckDB: columns of all kinds, keys, tombstones, what is bad."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import duckdb
import numpy as np
import pytest
from confluent_kafka import Message

from clickstream.tables.engine.decoding.decode import Decoded, Decoder, Records
from clickstream.tables.sql.check import check
from clickstream.tables.sql.model import Table

Rows = list[dict[str, Any]]

CLICKS = """
  ip STRING, status INT, price DOUBLE, `_time` BIGINT, moment TIMESTAMP(3),
  ts AS TO_TIMESTAMP_LTZ(`_time`, 3),
  place AS ip || '/' || CAST(src_offset AS STRING),
  src_partition BIGINT METADATA FROM 'partition' VIRTUAL,
  src_offset BIGINT METADATA FROM 'offset' VIRTUAL,
  topic STRING METADATA VIRTUAL,
  sent TIMESTAMP(3) METADATA FROM 'timestamp',
  headers MAP<STRING, BYTES> METADATA,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
"""
EXCEPT_KEY = {"value.fields-include": "EXCEPT_KEY"}
CODES = "code INT, word STRING, PRIMARY KEY (code) NOT ENFORCED"


def table(columns: str, options: Mapping[str, str] = MappingProxyType({})) -> Table:
    """A kafka table; an upsert-kafka table if it has a PRIMARY KEY."""
    upsert = "PRIMARY KEY" in columns
    given = {
        "connector": "upsert-kafka" if upsert else "kafka",
        "topic": "some-topic",
        "properties.bootstrap.servers": "here",
        "value.format": "json",
        **({"key.format": "json"} if upsert else {}),
        **options,
    }
    clauses = ", ".join(f"'{name}' = '{value}'" for name, value in given.items())
    checked = check(f"CREATE TABLE t ({columns}) WITH ({clauses});")
    assert not checked.problems, checked.render()
    return checked.program.tables["t"]


def records(values: list[bytes | None], keys: list[bytes | None] | None = None, **given: Any) -> Records:
    """Records of partition 3 with offsets from 10 on, a second apart."""
    count = len(values)
    plain = {
        "partitions": np.full(count, 3, np.int32),
        "offsets": np.arange(10, 10 + count),
        "timestamps": np.arange(count) * 1000,
        "headers": [],
    }
    return Records(values, keys or [], **{**plain, **given})


def decoded(decoder: Decoder, given: Records) -> tuple[Decoded, Rows]:
    with duckdb.connect() as db:
        done = decoder.decode(db, given, "into")
        found = db.execute('FROM "into"')
        names = [column[0] for column in found.description or []]
        return done, [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def read(decoder: Decoder, *values: bytes | None, keys: list[bytes | None] | None = None) -> tuple[Decoded, Rows]:
    return decoded(decoder, records(list(values), keys))


# --- columns


def test_the_rows_have_the_used_columns_in_the_tables_order_then_the_hidden_ones() -> None:
    _, rows = read(Decoder(table(CLICKS), {"status", "ip"}), b'{"ip":"a","status":200,"_time":1700000000123,"x":1}')
    assert list(rows[0].items()) == [
        ("ip", "a"),
        ("status", 200),
        ("$p", 3),
        ("$o", 10),
        ("$ts", 0),
        ("$t", 1700000000123),
        ("$i", 0),
    ]


def test_the_types_are_duckdbs() -> None:
    every = table("a INT, b BIGINT, c DOUBLE, d STRING, e BOOLEAN, f TIMESTAMP(3), g TIMESTAMP_LTZ(3), h DATE")
    with duckdb.connect() as db:
        Decoder(every, set("abcdefgh")).decode(db, records([b"{}"]), "into")
        types = [row[1] for row in db.execute('DESCRIBE "into"').fetchall()]
    columns = ["INTEGER", "BIGINT", "DOUBLE", "VARCHAR", "BOOLEAN", "TIMESTAMP", "TIMESTAMP", "DATE"]
    assert types == [*columns, "INTEGER", "BIGINT", "BIGINT", "BIGINT", "INTEGER"]


def test_metadata_and_computed_columns() -> None:
    decoder = Decoder(table(CLICKS), {"ts", "place", "src_partition", "topic", "sent", "headers"})
    assert (decoder.needs_keys, decoder.needs_headers) == (False, True)
    headers = [[("h", b"1"), ("h", b"\xff"), ("empty", None)], None]
    given = records([b'{"ip":"a","_time":1}', b'{"ip":"b"}'], headers=headers, timestamps=np.array([1700000000123, -1]))
    _, rows = decoded(decoder, given)
    shown = [{name: str(value) for name, value in row.items() if not name.startswith("$")} for row in rows]
    assert shown == [
        {
            "ts": "1970-01-01 00:00:00.001000",
            "place": "a/10",
            "src_partition": "3",
            "topic": "some-topic",
            "sent": "2023-11-14 22:13:20.123000",
            "headers": str({"h": b"\xff", "empty": None}),
        },
        {
            "ts": "None",
            "place": "b/11",
            "src_partition": "3",
            "topic": "some-topic",
            "sent": "1969-12-31 23:59:59.999000",
            "headers": "{}",
        },
    ]


def test_headers_and_keys_are_asked_for_only_when_they_are_used() -> None:
    decoder = Decoder(table(CLICKS), {"ip"})
    assert (decoder.needs_keys, decoder.needs_headers) == (False, False)


@pytest.mark.parametrize(
    ("watermark", "time"),
    [
        ("", None),
        (", WATERMARK FOR moment AS moment - INTERVAL '5' SECOND", 1699999945500),
        (", WATERMARK FOR sent AS sent", 0),
        (", WATERMARK FOR sent AS TO_TIMESTAMP_LTZ(0, 3)", None),
    ],
)
def test_event_time_is_the_watermarks_column(watermark: str, time: int | None) -> None:
    columns = f"moment TIMESTAMP(3), sent TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'{watermark}"
    _, rows = read(Decoder(table(columns), set()), b'{"moment":"2023-11-14 22:12:25.5"}')
    assert [row["$t"] for row in rows] == [time]


def test_event_time_may_be_null() -> None:
    _, rows = read(Decoder(table(CLICKS), set()), b"{}", b'{"_time":null}', b'{"_time":"never"}', b'{"_time":5}')
    assert [row["$t"] for row in rows] == [None, None, None, 5]


@pytest.mark.parametrize("time", [2**63 - 1, -(2**63), 2**60])
def test_an_event_time_that_no_timestamp_can_hold_is_null(time: int) -> None:
    _, rows = read(Decoder(table(CLICKS), {"ts", "_time"}), b'{"_time":%d}' % time, b'{"_time":5}')
    assert [(row["ts"] is None, row["_time"], row["$t"]) for row in rows] == [(True, time, None), (False, 5, 5)]


def test_a_kafka_timestamp_that_no_timestamp_can_hold_is_null() -> None:
    _, rows = decoded(Decoder(table(CLICKS), {"sent"}), records([b"{}"], timestamps=np.array([2**63 - 1])))
    assert [(row["sent"], row["$ts"]) for row in rows] == [(None, 2**63 - 1)]


def test_times_are_read_in_the_tables_standard() -> None:
    iso = table("moment TIMESTAMP(3)", {"value.json.timestamp-format.standard": "ISO-8601"})
    _, rows = read(Decoder(iso, {"moment"}), b'{"moment":"2023-11-14T22:12"}', b'{"moment":"2023-11-14 22:12:25"}')
    assert [str(row["moment"]) for row in rows] == ["2023-11-14 22:12:00", "None"]


# --- bad records


def test_bad_records_are_told_apart_and_the_others_keep_their_place() -> None:
    values = [b'{"ip":"a"}', b"{", b'{"ip":"b","status":"many"}', None, b"7", b'{"ip":"c"}']
    done, rows = read(Decoder(table(CLICKS), {"ip", "status"}), *values)
    assert [(row["ip"], row["$o"], row["$i"]) for row in rows] == [("a", 10, 0), ("b", 12, 2), ("c", 15, 5)]
    assert [index for index, _ in done.bad] == [1, 3, 4]
    assert dict(done.bad)[3] == "no value"
    assert (done.rows, done.nulled) == (3, {"status": 1})


def test_columns_that_nobody_uses_are_not_looked_at() -> None:
    done, rows = read(Decoder(table(CLICKS), {"ip"}), b'{"ip":"a","status":"many","price":[]}')
    assert (done.nulled, [row["ip"] for row in rows]) == ({}, ["a"])


def test_a_batch_may_be_all_bad_or_empty() -> None:
    decoder = Decoder(table(CLICKS), {"ip"})
    assert read(decoder, b"{", b"") == (
        Decoded(0, [(0, read(decoder, b"{")[0].bad[0][1]), (1, "empty")], Counter()),
        [],
    )
    assert read(decoder) == (Decoded(0, [], Counter()), [])


def test_an_array_is_several_rows_of_one_record() -> None:
    _, rows = read(Decoder(table(CLICKS), {"ip"}), b'[{"ip":"a"},{"ip":"b"}]', b'{"ip":"c"}')
    assert [(row["ip"], row["$o"], row["$i"]) for row in rows] == [("a", 10, 0), ("b", 10, 0), ("c", 11, 1)]


def test_the_order_holds_in_large_batches() -> None:
    count = 130_000
    values: list[bytes | None] = [b'{"status":%d}' % number for number in range(count)]
    _, rows = read(Decoder(table(CLICKS), {"status"}), *values)
    assert [row["status"] for row in rows] == [row["$i"] for row in rows] == list(range(count))


def test_any_text_is_stored_as_it_is() -> None:
    long = "x" * 10_000_000
    values = [rb'{"ip":"\u0000a\u0000"}', '{"ip":"é\U0001f600"}'.encode(), f'{{"ip":"{long}"}}'.encode()]
    _, rows = read(Decoder(table(CLICKS), {"ip"}), *values)
    assert [row["ip"] for row in rows] == ["\0a\0", "é\U0001f600", long]


# --- keys


def test_upsert_tables_have_tombstones_with_the_keys_columns() -> None:
    decoder = Decoder(table(CODES), {"code", "word"})
    assert decoder.needs_keys
    key = b'{"code":1}'
    done, rows = read(decoder, b'{"code":1,"word":"x"}', None, b'{"code":1,"word":"y"}', keys=[key, key, key])
    assert [(row["code"], row["word"], row["$deleted"]) for row in rows] == [
        (1, "x", False),
        (1, None, True),
        (1, "y", False),
    ]
    assert done.bad == []


def test_the_values_own_key_column_holds_if_it_has_one() -> None:
    _, rows = read(Decoder(table(CODES), {"code"}), b'{"code":2}', keys=[b'{"code":1}'])
    assert [row["code"] for row in rows] == [2]


def test_without_the_key_in_the_value_it_comes_from_the_key() -> None:
    decoder = Decoder(table(CODES, EXCEPT_KEY), {"code", "word"})
    _, rows = read(decoder, b'{"code":9,"word":"x"}', None, keys=[b'{"code":1}', b'{"code":2}'])
    assert [(row["code"], row["word"], row["$deleted"]) for row in rows] == [(1, "x", False), (2, None, True)]


BAD_KEYS = [
    (b'{"code":1}', None, "key: no value"),
    (b'{"code":1}', b"", "key: empty"),
    (b'{"code":1}', b"17", "key: a number instead of an object"),
    (b'{"code":1}', b'[{"code":1},{"code":2}]', "key: an array instead of an object"),
    (b'{"word":"x"}', b'{"code":1}', "the primary key column code is missing or NULL"),
    (b'{"code":null}', b'{"code":1}', "the primary key column code is missing or NULL"),
    (b'{"code":"x"}', b'{"code":1}', "the primary key column code is missing or NULL"),
    (None, b'{"word":1}', "the primary key column code is missing or NULL"),
    (None, b'{"code":null}', "the primary key column code is missing or NULL"),
]


@pytest.mark.parametrize(("value", "key", "reason"), BAD_KEYS)
def test_rows_without_their_key_are_bad(value: bytes | None, key: bytes | None, reason: str) -> None:
    good = (b'{"code":5}', b'{"code":5}')
    done, rows = read(Decoder(table(CODES), {"word"}), good[0], value, None, keys=[good[1], key, good[1]])
    assert [(row["$i"], row["$deleted"]) for row in rows] == [(0, False), (2, True)]
    assert done.bad == [(1, reason)]


def test_a_record_is_bad_once_however_much_is_wrong_with_it() -> None:
    done, _ = read(Decoder(table(CODES), {"word"}), b"7", keys=[b"8"])
    assert done.bad == [(0, "a number instead of an object")]


def test_a_keys_prefix_is_not_in_the_key() -> None:
    prefixed = table(
        "k_code INT, word STRING, PRIMARY KEY (k_code) NOT ENFORCED", EXCEPT_KEY | {"key.fields-prefix": "k_"}
    )
    _, rows = read(Decoder(prefixed, {"k_code", "word"}), b'{"word":"x"}', keys=[b'{"code":1}'])
    assert [(row["k_code"], row["word"]) for row in rows] == [(1, "x")]


def test_fields_of_another_type_are_counted_by_their_columns_those_of_keys_too() -> None:
    options = EXCEPT_KEY | {"key.format": "json", "key.fields": "k_code", "key.fields-prefix": "k_"}
    values = [b'{"n":"x","moment":"soon"}', b'[{"n":1},{"n":[]}]']
    made = Decoder(table("k_code INT, n INT, moment TIMESTAMP(3)", options), {"k_code", "n", "moment"})
    done, _ = read(made, *values, keys=[b'{"code":"c"}', b'{"code":3}'])
    assert done.nulled == {"k_code": 1, "n": 2, "moment": 1}


def test_a_raw_key_is_a_text() -> None:
    raw = table("id STRING, word STRING, PRIMARY KEY (id) NOT ENFORCED", EXCEPT_KEY | {"key.format": "raw"})
    done, rows = read(
        Decoder(raw, {"id", "word"}), b'{"word":"x"}', None, b"{}", b"{}", keys=[b"a", b"b", b"\xff", None]
    )
    assert [(row["id"], row["word"], row["$deleted"]) for row in rows] == [("a", "x", False), ("b", None, True)]
    assert done.bad == [(2, "key: invalid UTF-8"), (3, "the primary key column id is missing or NULL")]


def test_kafka_tables_may_have_columns_in_the_key() -> None:
    keyed = table("id STRING, n INT", EXCEPT_KEY | {"key.format": "json", "key.fields": "id"})
    done, rows = read(
        Decoder(keyed, {"id", "n"}), b'{"n":1}', b'{"n":2}', None, keys=[b'{"id":"a"}', b"x", b'{"id":"b"}']
    )
    assert [(row["id"], row["n"]) for row in rows] == [("a", 1)]
    assert [index for index, _ in done.bad] == [1, 2]


def test_the_key_is_not_needed_where_the_value_has_its_columns() -> None:
    keyed = table("id STRING, n INT", {"key.format": "json", "key.fields": "id"})
    decoder = Decoder(keyed, {"id"})
    assert not decoder.needs_keys
    _, rows = read(decoder, b'{"id":"a"}')
    assert [row["id"] for row in rows] == ["a"]


# --- Kafka's messages


def test_records_of_messages() -> None:
    messages = [
        Message(topic="t", partition=1, offset=5, key=b"k", value=b"v", timestamp=(1, 1000), headers=[("h", b"x")]),
        Message(topic="t", partition=0, offset=2**40, key=None, value=None, timestamp=(2, 2000)),
    ]
    made = Records.of(messages, keys=True, headers=True)
    assert (made.values, made.keys, made.headers) == ([b"v", None], [b"k", None], [[("h", b"x")], None])
    assert [one.tolist() for one in (made.partitions, made.offsets, made.timestamps)] == [
        [1, 0],
        [5, 2**40],
        [1000, 2000],
    ]
    bare = Records.of(messages, keys=False, headers=False)
    assert (bare.keys, bare.headers) == ([], [])
