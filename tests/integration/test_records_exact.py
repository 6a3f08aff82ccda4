"""Records that break elsewhere come out of searches, views and exports as they went in, on a real Kafka."""

import base64
import io
import json
import threading
from collections.abc import Sequence

import msgspec
import pytest
from click.testing import CliRunner
from confluent_kafka import Message

from clickstream.cli import clickstream
from clickstream.inspect import conditions, export, render, search, shown
from clickstream.inspect.offsets import Partition
from clickstream.inspect.search import Answer, End, Question, Search
from clickstream.inspect.shown import Part, Row
from clickstream.inspect.tail import find
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from tests.hostilerecords import HOSTILE, NUMBERS, Hostile
from tests.integration.support import make_topic

NEVER = threading.Event()


def fill(kafka: str, topic: str, records: Sequence[Hostile]) -> None:
    """In this order, into partition 0."""
    make_topic(kafka, topic, 2, **{"max.message.bytes": "2000000"})
    sender = Sender(Cluster(kafka).producer({"message.max.bytes": 2_000_000}))
    for one in records:
        sender.send(topic, one.value, one.key, partition=0, headers=list(one.headers) or None)
    sender.must_have_delivered("records of a test")


@pytest.fixture(scope="module")
def hostile(kafka: str) -> str:
    """The topic that has HOSTILE at the offsets 0, 1, ... of partition 0."""
    fill(kafka, "hostile-records", HOSTILE)
    return "hostile-records"


def bytes_of(kafka: str, topic: str, offset: int, piece: str) -> bytes | None:
    """All of a part, as a page puts it together from pieces of 64 kB."""
    message = search.record_at(Cluster(kafka), topic, 0, offset, NEVER)
    octets = message.key() if piece == "key" else message.value()
    found = b""
    start: int | None = 0
    while start is not None:
        part: Part | None = shown.part(octets, start)
        if part is None:
            return None
        found += part.text.encode() if part.text is not None else base64.b64decode(part.base64 or "")
        start = part.next
    return found


def test_every_record_is_shown_to_the_byte(kafka: str, hostile: str) -> None:
    for offset, sent in enumerate(HOSTILE):
        if sent.value is not None and len(sent.value) > 100_000:
            continue
        assert bytes_of(kafka, hostile, offset, "value") == sent.value
        assert bytes_of(kafka, hostile, offset, "key") == sent.key


def test_a_megabyte_too_and_its_row_is_small(kafka: str, hostile: str) -> None:
    offset = next(offset for offset, one in enumerate(HOSTILE) if one.key == b"large")
    assert bytes_of(kafka, hostile, offset, "value") == HOSTILE[offset].value
    row = ask(kafka, hostile, key=b"large").found[0]
    assert row.size == len(HOSTILE[offset].value or b"")
    assert len(msgspec.json.encode(row)) < 3_000


def ask(kafka: str, topic: str, **asked: object) -> Answer[Row]:
    return Search(Cluster(kafka), Question(topic, **asked), shown.row).run(NEVER)  # type: ignore[arg-type]


def test_numbers_are_found_and_shown_as_they_are_written(kafka: str, hostile: str) -> None:
    for number in NUMBERS:
        found = ask(kafka, hostile, condition=conditions.parse(f"n = {number}"), limit=50)
        values = [row.value.text for row in found.found if row.value is not None]
        assert f'{{"n":{number}}}' in values


def test_a_tombstone_and_its_lookalikes_are_told_apart(kafka: str, hostile: str) -> None:
    found = ask(kafka, hostile, condition=conditions.parse("$tombstone"))
    assert [HOSTILE[int(row.offset)].value for row in found.found] == [None]
    nulls = {one.value: offset for offset, one in enumerate(HOSTILE) if one.value in (None, b"", b"null", b'"null"')}
    rows = {int(row.offset): row for row in ask(kafka, hostile, limit=1_000).found}
    assert rows[nulls[None]].value is None
    texts = [(rows[nulls[one]].value or shown.Preview(0)).text for one in (b"", b"null", b'"null"')]
    assert texts == ["", "null", '"null"']


def exported(kafka: str, topic: str, exact: bool) -> list[dict[str, object]]:
    cluster = Cluster(kafka)
    limits = find(cluster, cluster.admin(), [topic])
    out = io.BytesIO()
    source = export.Source(cluster, limits, threading.Event(), lambda _passed: None)
    export.to_jsonl(source, out, render.exact_line if exact else render.line)
    return [json.loads(line, parse_int=str, parse_float=str) for line in out.getvalue().splitlines()]


def test_an_exact_export_gives_every_byte_back(kafka: str, hostile: str) -> None:
    lines = exported(kafka, hostile, True)
    assert len(lines) == len(HOSTILE)
    for line, sent in zip(lines, HOSTILE, strict=True):
        back = {
            name: None if line[name] is None else base64.b64decode(str(line[name]))
            for name in ("key_base64", "value_base64")
        }
        assert (back["key_base64"], back["value_base64"]) == (sent.key, sent.value)
        assert line["headers_base64"] == [
            [name, None if octets is None else base64.b64encode(octets).decode()] for name, octets in sent.headers
        ]


def test_json_lines_keep_digits_and_order_and_so_does_the_command_line(kafka: str, hostile: str) -> None:
    text = CliRunner().invoke(clickstream, ["topics", "export", hostile, "-b", kafka, "-o", "-"]).stdout
    for number in NUMBERS:
        assert f'"value":{{"n":{number}}}' in text
    assert '"value":{"a":1,"a":2,"b":{"z":1,"y":2}}' in text
    assert "\u202e" not in text, "marks are escaped: the text is the same"
    lines = exported(kafka, hostile, False)
    [binary] = [line for line in lines if line["key"] == {"$base64": base64.b64encode(b"\x00\xff\x10").decode()}]
    assert binary["value"] == {}


def test_what_is_exported_can_be_sent_again_and_is_the_same(kafka: str, hostile: str, topic_name: str) -> None:
    lines = exported(kafka, hostile, True)

    def octets(line: dict[str, object], name: str) -> bytes | None:
        return None if line[name] is None else base64.b64decode(str(line[name]))

    again = [Hostile(octets(line, "value_base64"), octets(line, "key_base64")) for line in lines]
    fill(kafka, topic_name, again)
    copies = exported(kafka, topic_name, True)
    assert [one["value_base64"] for one in copies] == [one["value_base64"] for one in lines]


def test_a_search_of_many_records_is_bounded_and_goes_on(kafka: str, topic_name: str) -> None:
    fill(kafka, topic_name, [Hostile(b'{"n":%d}' % number) for number in range(5_000)])
    condition = conditions.parse("n = 17")
    read: list[int] = []
    first: Answer[int] = Search(
        Cluster(kafka),
        Question(topic_name, condition=condition),
        lambda message: message.offset() or 0,
        search.Bounds(records=1_500),
        on_progress=lambda progress: read.append(progress.read),
    ).run(NEVER)
    assert (first.end, first.found) == (End.RECORDS, [])
    assert read == sorted(read)
    second = ask(kafka, topic_name, condition=condition, places=first.places)
    assert [row.offset for row in second.found] == ["17"]


def test_a_search_is_stopped(kafka: str, topic_name: str) -> None:
    fill(kafka, topic_name, [Hostile(b"x")] * 100)
    stop = threading.Event()
    job: Search[Message] = Search(
        Cluster(kafka),
        Question(topic_name, condition=conditions.parse("nowhere")),
        lambda message: message,
        on_progress=lambda _progress: stop.set(),
    )
    assert job.run(stop).end is End.STOPPED


def test_a_record_that_is_not_there(kafka: str, hostile: str) -> None:
    partition: Partition = (hostile, 0)
    with pytest.raises(search.NoRecord, match="has no record at offset 9999"):
        search.record_at(Cluster(kafka), *partition, 9_999, NEVER)
