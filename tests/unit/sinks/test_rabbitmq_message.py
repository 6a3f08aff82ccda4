"""A record as a message: what it says of its body, and which of its headers go along."""

import pyarrow as pa
import pytest
from confluent_kafka import Message

from clickstream.sinks.model import DELETED, FINAL, OFFSET, PARTITION, TIMESTAMP, Input, Rows
from clickstream.sinks.rabbitmq.message import JSON, OCTETS, RESERVED, TEXT, outgoing


def rows_of(*records: Message) -> Rows:
    """Records of a topic of which nothing else is known."""
    count = len(records)
    columns = {PARTITION: [0] * count, OFFSET: list(range(count)), TIMESTAMP: [0] * count}
    table = pa.table({**columns, DELETED: [one.value() is None for one in records], FINAL: [True] * count})
    return Rows(Input("t", "t", ()), table, records)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b'{"a":[1]}', JSON),
        (b"plain words", TEXT),
        (b"\xff", OCTETS),
        (b"[" * 5_000, TEXT),
        (b"[" * 2_000 + b"]" * 2_000, TEXT),
    ],
    ids=["JSON", "text", "bytes", "too deep and no JSON", "too deep to tell"],
)
def test_a_value_is_sent_as_it_is_with_what_it_is(value: bytes, kind: str) -> None:
    [message], _ = outgoing(rows_of(Message(topic="t", value=value)), "id")
    assert (message.body, message.content_type) == (value, kind)


@pytest.mark.parametrize("name", ["clickstream-deleted", "clickstream-of-a-later-version", "CC", "BCC"])
def test_a_header_does_not_pass_for_one_of_the_sink_or_of_rabbitmq(name: str) -> None:
    headers: list[tuple[str, str | bytes | None]] = [(name, b"true"), ("cc", b"kept")]
    [message], cleaned = outgoing(rows_of(Message(topic="t", value=b"{}", headers=headers)), "id")
    assert message.headers == {"cc": "kept", "clickstream-topic-id": "id"}
    assert dict(cleaned) == {("headers", RESERVED): 1}


def test_what_the_sink_says_in_headers() -> None:
    record = Message(topic="t", value=None, key=b"k", headers=[("clickstream-key", b"other")])
    [message], _ = outgoing(rows_of(record), "id")
    assert message.headers == {"clickstream-topic-id": "id", "clickstream-key": "k", "clickstream-deleted": True}
