import io
import json
from datetime import date
from decimal import Decimal
from typing import Any

import fastavro
import pytest

from clickstream.avro.codec import Decoder, Encoder, NoFit, NotAvro, UnknownSchema, encoder
from clickstream.avro.wire import framed
from clickstream.errors import ClickstreamError
from tests.unit.avro.fakeregistry import USER, FakeRegistry

EVERYTHING: dict[str, Any] = {
    "type": "record",
    "name": "Everything",
    "namespace": "of.types",
    "fields": [
        {"name": "ms", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "us", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
        {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}], "default": None},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "uuid", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "octets", "type": "bytes"},
        {"name": "four", "type": {"type": "fixed", "name": "Four", "size": 4}},
        {"name": "suit", "type": {"type": "enum", "name": "Suit", "symbols": ["HEARTS", "SPADES"]}},
        {"name": "tags", "type": {"type": "map", "values": {"type": "array", "items": ["null", "long", "string"]}}},
        {
            "name": "child",
            "type": [
                "null",
                {"type": "record", "name": "Child", "fields": [{"name": "next", "type": ["null", "Child"]}]},
            ],
        },
        {"name": "real", "type": "double"},
        {"name": "yes", "type": "boolean"},
        {"name": "any", "type": {"type": "string", "logicalType": "json"}},
    ],
}
AS_JSON: dict[str, Any] = {
    "ms": -1,
    "us": 2**62,
    "local": 1_700_000_000_000,
    "clock": 86_399_999,
    "day": "1969-12-31",
    "price": "-12.30",
    "uuid": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "octets": "AP8=",
    "four": "AAECAw==",
    "suit": "SPADES",
    "tags": {"ü": [None, 1, "one"]},
    "child": {"next": {"next": None}},
    "real": 1.5,
    "yes": True,
    "any": {"deep": [1, {"er": None}]},
}


def registered(fake: FakeRegistry, schema: Any) -> tuple[Encoder, Decoder]:
    registry = fake.registry()
    return encoder(registry, "s-value", json.dumps(schema), register=True), Decoder(registry)


def test_every_type_comes_back_as_it_went(fake: FakeRegistry) -> None:
    encode, decode = registered(fake, EVERYTHING)
    assert json.loads(decode.to_json(encode.encode(json.dumps(AS_JSON).encode()))) == AS_JSON


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_times_of_others_are_the_same_in_every_zone(
    fake: FakeRegistry, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    _, decode = registered(fake, EVERYTHING)
    raw = {
        **AS_JSON,
        "day": date(1969, 12, 31),
        "price": Decimal("-12.30"),
        "octets": b"\x00\xff",
        "four": b"\0\1\2\3",
        "any": "{}",
    }
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(EVERYTHING), raw)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert json.loads(decode.to_json(framed(1, out.getvalue()))) == {**AS_JSON, "any": {}}
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ms": 1.5}, r"ms: 1.5 is no whole number"),
        ({"ms": True}, r"ms: true is no whole number"),
        ({"ms": 2**63}, r"ms: 9223372036854775808 is too large for long"),
        ({"clock": 2**31}, r"clock: 2147483648 is too large for int"),
        ({"day": "yesterday"}, r'day: "yesterday" is no date'),
        ({"price": 12.3}, r"price: 12.3 is no decimal: a text is expected"),
        ({"price": "1.234"}, r"price: .* does not fit DECIMAL\(9, 2\)"),
        ({"price": "12345678.9"}, r"price: .* does not fit DECIMAL\(9, 2\)"),
        ({"price": "NaN"}, r"price: .* does not fit"),
        ({"octets": "?"}, r"octets: .* is no base64"),
        ({"four": "AAEC"}, r"four: it has 3 bytes, 4 are expected"),
        ({"suit": "CLUBS"}, r'suit: "CLUBS" is none of HEARTS, SPADES'),
        ({"tags": {"a": [1, 1.5]}}, r"tags.a.1: 1.5 is of none of its types"),
        ({"child": {"next": {"nest": None}}}, r"child.next.nest: the schema of.types.Child has no such field"),
        ({"yes": "true"}, r'yes: "true" is neither true nor false'),
        ({"more": 1}, r"more: the schema of.types.Everything has no such field"),
        ({"ms": None}, r"ms: null is no whole number"),
    ],
)
def test_what_the_schema_has_no_place_for_is_refused(fake: FakeRegistry, change: dict[str, Any], words: str) -> None:
    encode, _ = registered(fake, EVERYTHING)
    with pytest.raises(NoFit, match=words):
        encode.encode(json.dumps({**AS_JSON, **change}).encode())


def test_a_field_may_be_missing_that_may_be_null_or_has_a_default(fake: FakeRegistry) -> None:
    encode, decode = registered(fake, EVERYTHING)
    value = {name: one for name, one in AS_JSON.items() if name not in ("day", "child")}
    assert json.loads(decode.to_json(encode.encode(json.dumps(value).encode()))) == {
        **value,
        "day": None,
        "child": None,
    }
    del value["yes"]
    with pytest.raises(NoFit, match="yes: it is missing"):
        encode.encode(json.dumps(value).encode())


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b"[1]", b'"x"', b"[" * 100_000])
def test_what_is_no_object_of_json_is_refused(fake: FakeRegistry, value: bytes) -> None:
    encode, _ = registered(fake, EVERYTHING)
    with pytest.raises(NoFit):
        encode.encode(value)


def test_a_body_that_is_not_of_its_schema_is_no_record(fake: FakeRegistry) -> None:
    encode, decode = registered(fake, json.loads(USER))
    good = encode.encode(b'{"id": 1, "name": "Ann"}')
    for bad in (good[:-1], good + b"x", framed(1, b"\x02\x09")):
        with pytest.raises(NotAvro):
            decode.to_json(bad)


@pytest.mark.parametrize("text", ["no json", '1,"n":7', "", '{"a":1}}', "NaN", "[" * 100_000])
def test_a_text_that_should_be_json_adds_nothing_to_the_record(fake: FakeRegistry, text: str) -> None:
    kind = {"type": "string", "logicalType": "json"}
    schema = {"type": "record", "name": "P", "fields": [{"name": "p", "type": kind}, {"name": "n", "type": "long"}]}
    _, decode = registered(fake, schema)

    def written(text: str) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(schema), {"p": text, "n": 1})
        return framed(1, out.getvalue())

    assert decode.to_json(written('{"a": [1.5]}')) == b'{"p":{"a":[1.5]},"n":1}'
    for read in (decode.to_json, decode.record):
        with pytest.raises(NotAvro, match="not what its schema says"):
            read(written(text))


def test_a_schema_is_asked_for_once_and_an_unknown_one_again(fake: FakeRegistry) -> None:
    decode = Decoder(fake.registry())
    value = framed(1, b"\x02\x00")
    with pytest.raises(UnknownSchema):
        decode.to_json(value)
    fake.schemas[1] = {"schema": USER}
    for _ in range(3):
        assert decode.to_json(value) == b'{"id":1,"name":null}'
    assert len(fake.requests) == 2


def test_a_reader_that_meets_a_wiped_registry_stops(fake: FakeRegistry) -> None:
    encode, decode = registered(fake, json.loads(USER))
    decode.to_json(encode.encode(b'{"id": 1}'))
    with pytest.raises(UnknownSchema):
        decode.to_json(framed(2, b""))
    fake.schemas.clear()
    with pytest.raises(ClickstreamError, match="no longer has schema 1: it was wiped"):
        decode.to_json(framed(2, b""))


def test_schemas_of_other_kinds_are_no_avro(fake: FakeRegistry) -> None:
    fake.schemas[1] = {"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"}
    fake.schemas[2] = {"schema": '{"type": "record", "name": "X", "fields": [{"name": "a", "type": "Nowhere"}]}'}
    fake.schemas[3] = {"schema": "{"}
    for number, words in ((1, "PROTOBUF, not Avro"), (2, "not understood"), (3, "no JSON")):
        with pytest.raises(NotAvro, match=words):
            Decoder(fake.registry()).to_json(framed(number, b"x"))


def test_a_schema_is_registered_only_when_asked_for(fake: FakeRegistry) -> None:
    with pytest.raises(ClickstreamError, match="does not have the schema"):
        encoder(fake.registry(), "users-value", USER, register=False)
    with pytest.raises(ClickstreamError, match="has no subject users-value"):
        encoder(fake.registry(), "users-value", None, register=False)
    assert not fake.schemas
    assert encoder(fake.registry(), "users-value", USER, register=True).schema_id == 1
    assert encoder(fake.registry(), "users-value", None, register=False).schema_id == 1
