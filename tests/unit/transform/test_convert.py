"""Records from Avro to JSON: what becomes of their keys."""

import struct
from collections.abc import Iterator

import pytest

from clickstream.avro.wire import framed
from clickstream.transform.api import Record
from clickstream.transform.convert import to_json
from clickstream.transform.model import Answered, FunctionAway, Outcome
from tests.unit.avro.fakeregistry import USER, FakeRegistry, fake_registry

VALUE = framed(1, b"\x02\x00")


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as found:
        found.schemas[1] = {"schema": USER}
        yield found


def converted(fake: FakeRegistry, key: bytes | None) -> Outcome:
    return to_json(fake.registry(), unknown_waits=True)._function(Record(VALUE, key))


@pytest.mark.parametrize("number", [0, 1, 2**24 - 1, 2**24, 2**40 + 5, 2**56 - 1])
def test_a_key_that_is_a_long_of_java_stays_one(fake: FakeRegistry, number: int) -> None:
    key = struct.pack(">q", number)
    assert converted(fake, key) == Answered([Record(b'{"id":1,"name":null}', key)])


def test_a_key_in_avro_becomes_json_also_when_it_is_as_long_as_a_number(fake: FakeRegistry) -> None:
    fake.schemas[2] = {"schema": '{"type":"record","name":"K","fields":[{"name":"k","type":"string"}]}'}
    assert len(framed(2, b"\x04ab")) == 8
    for key, text in ((framed(1, b"\x04\x00"), b'{"id":2,"name":null}'), (framed(2, b"\x04ab"), b'{"k":"ab"}')):
        assert converted(fake, key) == Answered([Record(b'{"id":1,"name":null}', text)])


def test_numbers_as_keys_cost_one_request_each_and_their_values_none(fake: FakeRegistry) -> None:
    convert = to_json(fake.registry(), unknown_waits=True)._function
    for number in (7, 8, 8, 9):
        assert isinstance(convert(Record(VALUE, struct.pack(">q", number << 24))), Answered)
    assert [path for _, path, _ in fake.requests] == [f"/schemas/ids/{number}" for number in (1, 7, 8, 9)]


def test_a_key_of_an_unknown_schema_waits(fake: FakeRegistry) -> None:
    assert isinstance(converted(fake, framed(9, b"\x02abcdef")), FunctionAway)
