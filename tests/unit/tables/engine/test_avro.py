"""Rows of a table out of Avro: the same as of JSON, with times, keys, tombstones and what cannot be read."""

import datetime
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from clickstream.avro import waiting
from clickstream.avro.codec import encoder
from clickstream.avro.wire import framed
from clickstream.errors import ClickstreamError
from clickstream.tables.engine.decoding import avro
from clickstream.tables.engine.decoding.decode import Decoder
from tests.unit.avro.fakeregistry import FakeRegistry, fake_registry
from tests.unit.tables.engine.test_decode import decoded, records, table

ROW = {
    "type": "record", "name": "Row", "fields": [
        {"name": "id", "type": "long"},
        {"name": "moment", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": None},
        {"name": "fine", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
        {"name": "more", "type": "string"},
    ],
}  # fmt: skip
VALUE = {"id": 7, "moment": -1, "fine": 1_000_001, "day": "2020-02-29", "price": "1.50", "more": "x"}
COLUMNS = "id BIGINT, moment TIMESTAMP_LTZ(3), fine TIMESTAMP(3), `day` DATE, price DOUBLE, absent STRING"


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as found:
        yield found


def options(fake: FakeRegistry, part: str = "value") -> dict[str, str]:
    return {f"{part}.format": "avro-confluent", f"{part}.avro-confluent.url": fake.url}


def written(fake: FakeRegistry, schema: Any, value: Any) -> bytes:
    name = "x-value"
    return encoder(fake.registry(), name, json.dumps(schema), register=True).encode(json.dumps(value).encode())


def test_fields_become_columns_by_their_names_and_types(fake: FakeRegistry) -> None:
    decoder = Decoder(table(COLUMNS, options(fake)), {"id", "moment", "fine", "day", "price", "absent"})
    good = written(fake, ROW, VALUE)
    done, (row,) = decoded(decoder, records([good, b'{"id": 1}', None]))
    assert {name: row[name] for name in ("id", "moment", "fine", "day", "price", "absent")} == {
        "id": 7,
        "moment": datetime.datetime(1969, 12, 31, 23, 59, 59, 999_000),
        "fine": datetime.datetime(1970, 1, 1, 0, 0, 1),
        "day": datetime.date(2020, 2, 29),
        "price": 1.5,
        "absent": None,
    }
    assert done.bad == [
        (1, "not Avro of a schema registry: first byte 0x7b (looks like JSON)"),
        (2, "no value"),
    ]


def test_what_is_no_number_stays_so(fake: FakeRegistry) -> None:
    schema = {"type": "record", "name": "Row", "fields": [{"name": "size", "type": "double"}]}
    found = encoder(fake.registry(), "x-value", json.dumps(schema), register=True)
    decoder = Decoder(table("size DOUBLE", options(fake)), {"size"})
    values = (1.5, math.inf, -math.inf, math.nan)
    done, rows = decoded(decoder, records([found.write({"size": one}) for one in values]))
    assert [repr(row["size"]) for row in rows] == [repr(one) for one in values]
    assert not done.nulled


def test_a_time_is_a_number_for_a_column_of_numbers(fake: FakeRegistry) -> None:
    decoder = Decoder(table("moment BIGINT", options(fake)), {"moment"})
    _, (row,) = decoded(decoder, records([written(fake, ROW, VALUE)]))
    assert row["moment"] == -1


def test_a_time_beyond_all_years_is_null_and_counted(fake: FakeRegistry) -> None:
    decoder = Decoder(table("moment TIMESTAMP(3), id BIGINT", options(fake)), {"moment", "id"})
    done, (row,) = decoded(decoder, records([written(fake, ROW, {**VALUE, "moment": 2**62})]))
    assert (row["moment"], row["id"]) == (None, 7)
    assert done.nulled == {"moment": 1}


def test_keys_are_avro_too_where_the_table_says_so(fake: FakeRegistry) -> None:
    key = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]}
    both = {**options(fake), **options(fake, "key")}
    decoder = Decoder(table("id BIGINT, more STRING, PRIMARY KEY (id) NOT ENFORCED", both), {"id", "more"})
    value, keyed = written(fake, ROW, VALUE), written(fake, key, {"id": 9})
    given = records([value, None, value], [keyed, keyed, b"9"])
    done, rows = decoded(decoder, given)
    assert [(row["id"], row["more"], row["$deleted"]) for row in rows] == [(7, "x", False), (9, None, True)]
    assert done.bad == [(2, "key: not Avro of a schema registry: first byte 0x39 (looks like plain text)")]


def test_without_anybody_to_end_the_wait_it_ends(fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro, "PATIENCE_S", 0.05)
    monkeypatch.setattr(waiting, "ASK_EVERY_S", 0.05)
    decoder = Decoder(table(COLUMNS, options(fake)), {"id"})
    with pytest.raises(ClickstreamError, match="does not know schema 9"):
        decoded(decoder, records([framed(9, b"x")]))
    fake.fail = 503, b""
    with pytest.raises(ClickstreamError, match="answers 503"):
        decoded(decoder, records([framed(9, b"x")]))


def test_json_has_nothing_of_avro_in_its_way() -> None:
    assert Decoder(table("id BIGINT"), {"id"})._rows._avro_values is None
