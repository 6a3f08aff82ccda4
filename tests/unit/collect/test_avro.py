"""Events in Avro: they are encoded as they are taken, so that a spool holds what would have been sent."""

from clickstream.avro.shipped import shipped
from clickstream.collect.delivery.entry import decoded, encoded
from clickstream.collect.intake import Schema
from clickstream.collect.model import Outgoing
from clickstream.records import WebClick, WebEvent, decode
from tests.unit.collect.avro import avro
from tests.unit.collect.sent import event, intake, post

SCHEMAS = {
    "web-events": Schema(7, shipped()["web-event"].text),
    "clickstream": Schema(7, shipped()["web-click"].text),
}
SENT = post(event(visitor="v", properties={"a": [1, {"ü": None}]}, sequence=2**53 - 1))


def taken(schemas: dict[str, Schema]) -> Outgoing:
    [one] = intake(schemas=schemas).take(SENT).events
    return one


def test_events_and_clicks_are_in_the_wire_format_and_say_the_same() -> None:
    one, plain = taken(SCHEMAS), taken({})
    for record, as_json, name, kind in zip(
        one.records, plain.records, ("web-event", "web-click"), (WebEvent, WebClick), strict=True
    ):
        assert (record.value or b"")[:5] == b"\0\0\0\0\7"
        assert (record.topic, record.key) == (as_json.topic, as_json.key)
        assert decode(avro(name)[0].to_json(record.value or b""), kind) == decode(as_json.value, kind)


def test_only_topics_with_a_schema_are_avro() -> None:
    one = taken({"web-events": SCHEMAS["web-events"]})
    assert [(record.value or b"")[:1] for record in one.records] == [b"\0", b"{"]


def test_the_spool_gives_back_what_would_have_been_sent() -> None:
    one = taken(SCHEMAS)
    assert decoded(encoded(1, one.id, one.records)).outgoing == one.records
