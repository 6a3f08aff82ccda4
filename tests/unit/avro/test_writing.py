"""Records on their way to topics, and readers that wait."""

import logging
import threading
from typing import Any

import pytest

from clickstream.avro import waiting
from clickstream.avro.codec import Decoder, Encoder, NotAvro
from clickstream.avro.schema import name_of
from clickstream.avro.viewing import Looked, Viewer
from clickstream.avro.waiting import Ended, patient_json
from clickstream.avro.wire import framed
from clickstream.avro.writing import TopicEncoders
from clickstream.errors import ClickstreamError
from clickstream.kafka.produce import Sender
from tests.unit.avro.fakeregistry import USER, FakeRegistry
from tests.unit.fakes import FakeProducer
from tests.unit.inspect.records import record


@pytest.fixture
def encoders(fake: FakeRegistry) -> TopicEncoders:
    fake.schemas[1] = {"schema": USER}
    return TopicEncoders({"users": Encoder(fake.registry(), 1, USER)})


def test_every_way_of_sending_encodes_once(encoders: TopicEncoders) -> None:
    producer = FakeProducer()
    sender = Sender(producer.client, encode=encoders)
    messages = [{"key": b"k", "value": b'{"id": 2}'}]
    sender.send("users", b'{"id": 1}')
    sender.send_batch("users", messages)
    assert sender.offer("users", b'{"id": 3}')
    sender.send("others", b'{"id": 4}')
    sender.send("users", None, b"k")
    producer.deliver()
    assert [one.value for one in producer.delivered] == [
        framed(1, b"\x02\x00"),
        framed(1, b"\x04\x00"),
        framed(1, b"\x06\x00"),
        b'{"id": 4}',
        None,
    ]
    assert messages == [{"key": b"k", "value": b'{"id": 2}'}], "the caller's own"


def test_what_is_malformed_on_purpose_goes_as_it_is_and_is_said_now_and_then(
    encoders: TopicEncoders, caplog: pytest.LogCaptureFixture
) -> None:
    assert [encoders("users", b'{"id":'), encoders("users", b"{}")] == [b'{"id":', b"{}"]
    assert encoders.left == 2
    assert [one.levelno for one in caplog.records] == [logging.WARNING]


def test_people_see_what_can_be_read_and_are_told_once_of_the_rest(
    fake: FakeRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    fake.schemas[1] = {"schema": USER}
    viewer = Viewer(fake.registry())
    good, text, other = (
        record(1, framed(1, b"\x02\x00"), key=framed(1, b"\x04\x00")),
        record(2, b"text"),
        framed(9, b"x"),
    )
    for message in (good, text, record(3, other), record(4, other)):
        viewer.open(message)
    assert (good.key(), good.value(), text.value()) == (b'{"id":2,"name":null}', b'{"id":1,"name":null}', b"text")
    assert len(caplog.records) == 1
    fake.fail = 503, b""
    with pytest.raises(ClickstreamError, match="answers 503"):
        viewer.open(record(5, framed(10, b"x")))


def test_one_who_looks_is_told_what_it_is(fake: FakeRegistry) -> None:
    fake.schemas[1] = {"schema": USER}
    fake.schemas[2] = {"schema": '{"type": "long", "logicalType": "timestamp-millis"}'}
    viewer = Viewer(fake.registry(), ["letters"])
    assert viewer.look(framed(1, b"\x02\x00")) == Looked(1, "User", b'{"id":1,"name":null}')
    assert viewer.look(framed(2, b"\x02")) == Looked(2, "long", b"1")
    assert viewer.look(b"{}") is None
    bad = viewer.look(framed(1, b"\x02\x00\x00"))
    assert bad is not None
    assert (bad.json, bad.words) == (None, "1 bytes more than its schema says")
    fake.fail = 503, b""
    away = viewer.look(framed(7, b"x"))
    assert away is not None
    assert (away.schema_id, away.name, away.words) == (7, None, f"the schema registry at {fake.url} answers 503")
    letter = record(1, framed(1, b"\x02\x00"), topic="letters")
    viewer.open(letter)
    assert letter.value() == framed(1, b"\x02\x00"), "it may be sent again"


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ({"type": "record", "name": "A", "namespace": "b"}, "b.A"),
        ({"type": "record", "name": "b.A"}, "b.A"),
        ({"type": {"type": "string"}}, "string"),
        (["null", "long"], "union"),
    ],
)
def test_names_of_schemas(schema: Any, name: str) -> None:
    assert name_of(schema) == name


def test_patience_has_an_end(fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "ASK_EVERY_S", 0.01)
    read = patient_json(fake.registry(), 0.05, threading.Event())
    with pytest.raises(ClickstreamError, match="does not know schema 1, for"):
        read(framed(1, b"\x02\x00"))
    fake.schemas[1] = {"schema": USER}
    assert read(framed(1, b"\x02\x00")) == b'{"id":1,"name":null}'
    with pytest.raises(NotAvro):
        read(b"{}")


@pytest.mark.parametrize("fail", [None, (503, b"")])
def test_a_wait_ends_when_it_is_told_to(fake: FakeRegistry, fail: tuple[int, bytes] | None) -> None:
    fake.fail = fail
    stop = threading.Event()
    stop.set()
    with pytest.raises(Ended):
        patient_json(fake.registry(), 3_600, stop)(framed(1, b"\x02\x00"))
    assert len(fake.requests) == 1


def test_only_records_have_fields(fake: FakeRegistry) -> None:
    fake.schemas[1] = {"schema": '"long"'}
    assert Decoder(fake.registry()).to_json(framed(1, b"\x02")) == b"1"
    with pytest.raises(NotAvro, match="not one of a record"):
        Decoder(fake.registry()).record(framed(1, b"\x02"))
