"""Rows of an input in Avro: values by the same rules as of JSON, and what cannot be decoded."""

import datetime
import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from clickstream.avro import waiting
from clickstream.avro.codec import encoder
from clickstream.avro.wire import framed
from clickstream.errors import ClickstreamError
from clickstream.kafka.patience import Stopped
from clickstream.sinks.inputs import described, for_messages, of_table, plain
from clickstream.sinks.model import Avro, Input
from clickstream.sinks.parquet.columns import records
from clickstream.sinks.rabbitmq.message import outgoing
from clickstream.sinks.reading import Found, RecordReader
from clickstream.stop import Stop
from clickstream.tables.engine.decoding import avro
from clickstream.tables.sql.check import check
from tests.unit.avro.fakeregistry import FakeRegistry, fake_registry
from tests.unit.sinks.archives import record

HIT = {
    "type": "record", "name": "Hit", "fields": [
        {"name": "id", "type": "string"},
        {"name": "n", "type": ["null", "long"], "default": None},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": None},
    ],
}  # fmt: skip
COLUMNS = "id STRING, n INT, `at` TIMESTAMP_LTZ(3)"
NOT_AVRO = "not Avro of a schema registry: first byte 0x7b (looks like JSON)"


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as found:
        yield found


def hit(fake: FakeRegistry, **fields: Any) -> bytes:
    return encoder(fake.registry(), "hits-value", json.dumps(HIT), register=True).encode(json.dumps(fields).encode())


def described_as(fake: FakeRegistry, **more: Any) -> Avro:
    return Avro(fake.registry(), fake.registry(), **more)


def read(source: Input, *given: tuple[bytes | None, bytes | None], **more: Any) -> Found:
    messages = [record(number, value, key=key) for number, (key, value) in enumerate(given)]
    return RecordReader(source, early=False, **more).read(messages)


def rows(found: Found) -> list[dict[str, Any]]:
    return [
        {name: one for name, one in row.items() if not name.startswith("$")} for row in found.rows.table.to_pylist()
    ]


def reasons(found: Found) -> Sequence[str]:
    return [reason for _, reason in found.bad]


def test_fields_become_columns(fake: FakeRegistry) -> None:
    source = described("hits", COLUMNS, "id", described_as(fake))
    value = hit(fake, id="a", n=7, at=1_585_163_149_123_456)
    found = read(source, (b'{"id":"a"}', value), (b'{"id":"a"}', None), (b'{"id":"b"}', b'{"id":"b"}'))
    moment = datetime.datetime(2020, 3, 25, 19, 5, 49, 123_000)
    assert rows(found) == [{"id": "a", "n": 7, "at": moment}, {"id": "a", "n": None, "at": None}]
    assert found.rows.table["$deleted"].to_pylist() == [False, True]
    assert reasons(found) == [NOT_AVRO]


def test_a_value_of_another_type_is_null_and_counted_as_in_json(fake: FakeRegistry) -> None:
    found = read(described("hits", COLUMNS, None, described_as(fake)), (None, hit(fake, id="a", n=2**40)))
    assert rows(found) == [{"id": "a", "n": None, "at": None}]
    assert found.nulled == {"n": 1}


def test_no_numbers_are_told_apart(fake: FakeRegistry) -> None:
    schema = '{"type": "record", "name": "D", "fields": [{"name": "d", "type": "double"}]}'
    by = encoder(fake.registry(), "d-value", schema, register=True)
    numbers = [struct.pack("<d", number) for number in (1.5, float("inf"), float("-inf"), float("nan"))]
    source = described("d", "d DOUBLE", None, described_as(fake))
    found = read(source, *[(None, framed(by.schema_id, number)) for number in numbers])
    assert [str(row["d"]) for row in rows(found)] == ["1.5", "inf", "-inf", "nan"]


def test_keys_are_json_or_avro(fake: FakeRegistry) -> None:
    source = described("hits", COLUMNS, "id", described_as(fake))
    key, value = hit(fake, id="a"), hit(fake, id="a", n=7)
    found = read(source, (key, None), (b'{"id":"b"}', None), (framed(77, b"x"), value))
    assert [row["id"] for row in rows(found)] == ["a", "b"]
    assert [reason.partition(":")[0] for reason in reasons(found)] == ["key"]


def test_a_topic_of_which_nothing_is_known_has_json_as_its_value(fake: FakeRegistry) -> None:
    source = plain("hits", described_as(fake))
    found = read(source, (b"k", hit(fake, id="a")), (hit(fake, id="k"), None), (b"k", b"{}"))
    assert [(row["key"], row["value"]) for row in rows(found)] == [
        ("k", '{"id":"a","n":null,"at":null}'),
        ('{"id":"k","n":null,"at":null}', None),
    ]
    assert reasons(found) == [NOT_AVRO]
    assert [message.value() for message, _ in found.bad] == [b"{}"]  # the dead letter has what was sent


def test_the_table_of_a_file_says_that_it_is_avro(fake: FakeRegistry) -> None:
    checked = check(
        f"CREATE TABLE t ({COLUMNS}, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'upsert-kafka', "
        "'topic' = 'hits', 'properties.bootstrap.servers' = 'x', "
        f"'key.format' = 'avro-confluent', 'key.avro-confluent.url' = '{fake.url}', "
        f"'value.format' = 'avro-confluent', 'value.avro-confluent.url' = '{fake.url}');"
    )
    source = of_table(checked.program.tables["t"], unknown_waits=False)
    key, value = hit(fake, id="a"), hit(fake, id="a", n=7)
    found = read(source, (key, value), (key, None), (b'{"id":"a"}', value), (key, framed(77, b"x")))
    assert [(row["id"], row["n"]) for row in rows(found)] == [("a", 7), ("a", None)]
    assert reasons(found) == [
        f"key: {NOT_AVRO}",
        f"the schema registry at {fake.url} does not know schema 77",
    ]


def test_an_archive_has_the_columns_and_the_bytes(fake: FakeRegistry) -> None:
    value = hit(fake, id="a", n=7)
    found = read(described("hits", COLUMNS, None, described_as(fake)), (b"k", value))
    (row,) = records(found.rows).to_pylist()
    assert (row["id"], row["n"], row["_key"], row["_value"]) == ("a", 7, b"k", value)


def test_a_message_for_rabbitmq_is_json(fake: FakeRegistry) -> None:
    found = read(plain("hits", described_as(fake)), (b"k", hit(fake, id="a")), (b"k", None))
    (one, gone), _ = outgoing(found.rows, "topic-id")
    assert (one.body, one.content_type) == (b'{"id":"a","n":null,"at":null}', "application/json")
    assert (gone.body, gone.deleted) == (b"", True)


def test_for_messages_a_key_may_be_anything(fake: FakeRegistry) -> None:
    source = for_messages(plain("hits", described_as(fake)))
    found = read(source, (framed(77, b"\xc8"), hit(fake, id="a")), (b"\xc8", hit(fake, id="b")))
    assert (found.bad, dict(found.changed)) == ([], {})
    messages, _ = outgoing(found.rows, "topic-id")
    assert [one.body for one in messages] == [b'{"id":"a","n":null,"at":null}', b'{"id":"b","n":null,"at":null}']
    assert messages[1].headers["clickstream-key"] == b"\xc8"


def test_an_unknown_schema_is_waited_for_until_the_end(fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "ASK_EVERY_S", 0.01)
    stop = Stop()
    stop.set()
    with pytest.raises(Stopped):
        read(plain("hits", described_as(fake)), (None, framed(77, b"x")), stop=stop)
    monkeypatch.setattr(avro, "PATIENCE_S", 0.05)
    with pytest.raises(ClickstreamError, match="does not know schema 77"):
        read(plain("hits", described_as(fake)), (None, framed(77, b"x")))


def test_an_unknown_schema_is_asked_for_once(fake: FakeRegistry) -> None:
    source = plain("hits", described_as(fake, unknown_waits=False))
    found = read(source, *[(None, framed(77, b"x"))] * 50)
    assert len(reasons(found)) == 50
    assert len(fake.requests) == 1


def test_a_wiped_registry_ends_it_with_words(fake: FakeRegistry) -> None:
    value = hit(fake, id="a")
    reader = RecordReader(plain("hits", described_as(fake, unknown_waits=False)), early=False)
    assert len(reader.read([record(0, value)]).rows) == 1
    fake.schemas.clear()
    with pytest.raises(ClickstreamError, match="no longer has schema 1: it was wiped"):
        reader.read([record(1, framed(2, b"x"))])
