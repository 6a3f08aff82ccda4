"""Writers, and whether the registry still has what they write with."""

import json
import threading
from typing import Any

import pytest

from clickstream.avro.codec import Encoder, encoder
from clickstream.avro.guard import MAKE_SURE_EVERY_S, keep_sure
from clickstream.avro.schema import same
from clickstream.avro.wire import framed
from clickstream.errors import ClickstreamError
from tests.support import wait_until
from tests.unit.avro.fakeregistry import USER, FakeRegistry

VALUE = b'{"id": 1}'
WRITTEN = framed(1, b"\x02\x00")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def problem_of(encode: Encoder) -> str | None:
    try:
        encode.encode(VALUE)
    except ClickstreamError as problem:
        return str(problem)
    return None


def make_sure(encode: Encoder, fake: FakeRegistry, clock: Clock, value: bytes) -> None:
    """Have it ask once, and get the answer."""
    before = len(fake.requests)
    clock.now += MAKE_SURE_EVERY_S
    encode.encode(value)
    wait_until(lambda: len(fake.requests) > before and not encode._guard._asking.locked(), what="an answer")


@pytest.mark.parametrize(
    ("schemas", "words"), [({}, "no longer has schema 1"), ({1: {"schema": '"string"'}}, "now has another schema 1")]
)
def test_a_writer_stops_when_its_id_means_something_else(
    fake: FakeRegistry, schemas: dict[int, Any], words: str
) -> None:
    clock = Clock()
    fake.schemas[1] = {"schema": USER}
    encode = Encoder(fake.registry(), 1, USER, clock)
    fake.schemas = schemas
    assert encode.encode(VALUE) == WRITTEN
    assert not fake.requests
    clock.now = MAKE_SURE_EVERY_S
    assert words in wait_until(lambda: problem_of(encode), what="the end of the writer")
    with pytest.raises(ClickstreamError, match=words):
        encode.write({"id": 1, "name": None})


def test_a_writer_goes_on_while_the_registry_is_away(fake: FakeRegistry) -> None:
    clock = Clock()
    encode = Encoder(fake.registry(), 1, USER, clock)
    fake.fail = 503, b""
    make_sure(encode, fake, clock, VALUE)
    assert encode.encode(VALUE) == WRITTEN


def test_a_writer_does_not_wait_for_a_registry_that_is_silent(fake: FakeRegistry) -> None:
    clock, wrote = Clock(), threading.Event()
    encode = Encoder(fake.registry(timeout_s=3_600), 1, USER, clock)
    fake.speaks.clear()

    def write() -> None:
        for _ in range(3):
            clock.now += MAKE_SURE_EVERY_S
            encode.encode(VALUE)
        wrote.set()

    threading.Thread(target=write, daemon=True).start()
    wait_until(wrote.is_set, what="three records")
    wait_until(lambda: fake.requests, what="a request")
    assert encode._guard._asking.locked(), "it is still waited for"
    assert len(fake.requests) == 1
    fake.speaks.set()
    assert "no longer has schema 1" in wait_until(lambda: problem_of(encode), what="the end of the writer")


# As Avro's own library writes a schema, whose text Confluent's registry keeps.
GIVEN = {
    "type": "record",
    "name": "shop.Order",
    "doc": "What was bought.",
    "fields": [
        {"name": "id", "type": {"type": "long"}},
        {"name": "at", "type": {"logicalType": "timestamp-millis", "type": "long"}, "default": 0},
        {"name": "state", "type": {"name": "shop.State", "type": "enum", "symbols": ["NEW"]}},
    ],
}
KEPT = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "doc": "What was bought.",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW"]}},
    ],
}


def test_a_writer_goes_on_with_a_schema_that_the_registry_has_written_anew(fake: FakeRegistry) -> None:
    clock = Clock()
    fake.rewrites = lambda _text: json.dumps(KEPT)
    registry, text = fake.registry(), json.dumps(GIVEN)
    encoder(registry, "orders-value", text, register=True)
    found = encoder(registry, "orders-value", text, register=False)
    encode = Encoder(registry, found.schema_id, found.text, clock)
    value = b'{"id": 1, "at": 2, "state": "NEW"}'
    written = encode.encode(value)
    make_sure(encode, fake, clock, value)
    assert encode.encode(value) == written


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ('"string"', '{"type": "string"}', True),
        (USER, json.dumps(json.loads(USER) | {"doc": "Who."}), True),
        (USER, json.dumps(json.loads(USER) | {"name": "Customer"}), False),
        (USER, USER.replace('"long"', '"int"'), False),
        ('["null", "shop.Unknown"]', '["null","shop.Unknown"]', True),
        ('["null", "shop.Unknown"]', '["null"]', False),
        ("{", '"string"', False),
    ],
)
def test_a_schema_is_the_same_however_it_is_written(one: str, other: str, equal: bool) -> None:
    assert same(one, other) is equal


def test_those_who_only_look_are_told_too(fake: FakeRegistry) -> None:
    written = Encoder(fake.registry(), 1, USER)
    with pytest.raises(ClickstreamError, match="no longer has schema 1"):
        keep_sure(fake.registry(), [written], threading.Event(), every_s=0.0)
