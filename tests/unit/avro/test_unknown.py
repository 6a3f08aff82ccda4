"""Ids that the registry does not know: numbers look like Avro, and each of them has another one."""

import struct

import pytest

from clickstream.avro import viewing
from clickstream.avro.codec import Decoder, NotAvro, UnknownSchema
from clickstream.avro.unknown import IN_A_ROW, MOST, UNKNOWN_FOR_S, UnknownIds
from clickstream.avro.viewing import Viewer
from clickstream.avro.wire import framed
from tests.unit.avro.fakeregistry import USER, FakeRegistry
from tests.unit.inspect.records import record

NUMBERS = [struct.pack(">q", (number << 24) + 1) for number in range(2, 10_002)]
REST_S = 10.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_topic_of_numbers_is_not_asked_about_record_by_record(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewing, "REST_S", 3_600.0)
    fake.schemas[1] = {"schema": USER}
    viewer = Viewer(fake.registry())
    viewer.open(record(0, framed(1, b"\x02\x00"), key=NUMBERS[0]))
    fake.requests.clear()
    for offset, number in enumerate(NUMBERS[1:]):
        message = record(offset, framed(1, b"\x02\x00"), key=number)
        viewer.open(message)
        assert (message.key(), message.value()) == (number, b'{"id":1,"name":null}')
    asked = [path for _, path, _ in fake.requests]
    assert asked == [f"/schemas/ids/{number}" for number in range(3, 2 + IN_A_ROW)]
    assert len(viewer._decoders["t", "key"]._unknown) == IN_A_ROW
    other = record(0, framed(1, b"\x04\x00"), topic="other")
    viewer.open(other)
    assert other.value() == b'{"id":2,"name":null}', "another topic"


def test_what_is_remembered_of_them_is_bounded() -> None:
    unknown = UnknownIds(UNKNOWN_FOR_S, 0.0, Clock())
    for number in range(10_000):
        unknown.add(number)
        assert len(unknown) <= MOST
        assert not unknown.may_be_asked_for(number)


def test_after_a_rest_one_is_asked_for(fake: FakeRegistry) -> None:
    clock = Clock()
    decode = Decoder(fake.registry(), rest_s=REST_S, clock=clock)

    def asked(*numbers: int) -> int:
        for number in numbers:
            with pytest.raises(UnknownSchema):
                decode.to_json(framed(number, b"x"))
        paths = {path for _, path, _ in fake.requests}
        return sum(f"/schemas/ids/{number}" in paths for number in numbers)

    assert asked(*range(10, 30)) == IN_A_ROW
    clock.now = REST_S
    assert asked(*range(30, 50)) == 1
    clock.now *= 2
    fake.schemas[1] = {"schema": USER}
    assert decode.to_json(framed(1, b"\x02\x00")) == b'{"id":1,"name":null}'
    assert asked(*range(50, 70)) == IN_A_ROW, "those before the record that could be read are forgotten"


def test_one_that_is_not_there_yet_makes_nobody_rest(fake: FakeRegistry) -> None:
    clock = Clock()
    decode = Decoder(fake.registry(), unknown_for_s=UNKNOWN_FOR_S, rest_s=REST_S, clock=clock)
    for _ in range(2 * IN_A_ROW):
        clock.now += UNKNOWN_FOR_S
        with pytest.raises(UnknownSchema):
            decode.to_json(framed(1, b"\x02\x00"))
    fake.schemas[1] = {"schema": USER}
    clock.now += UNKNOWN_FOR_S
    assert decode.to_json(framed(1, b"\x02\x00")) == b'{"id":1,"name":null}'


def test_a_schema_that_is_not_understood_is_asked_for_once(fake: FakeRegistry) -> None:
    fake.schemas[1] = {"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"}
    decode = Decoder(fake.registry())
    for _ in range(3):
        with pytest.raises(NotAvro, match="PROTOBUF, not Avro"):
            decode.to_json(framed(1, b"x"))
    assert len(fake.requests) == 1
