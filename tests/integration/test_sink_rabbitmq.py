"""Topics into RabbitMQ, on a real Kafka and a real RabbitMQ: what messages are, and what is refused."""

import json
from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.sinks.inputs import described, plain
from clickstream.sinks.rabbitmq.target import Where
from tests.integration.rabbit import Rabbit
from tests.integration.rabbitsupport import (
    check_all_in_order,
    command,
    fill,
    fill_queue,
    origins,
    topic_with_queue,
)
from tests.integration.support import Done, dead_letters, run


@pytest.fixture
def topic(cluster: Cluster, rabbit: Rabbit) -> str:
    return topic_with_queue(cluster, rabbit)


def test_a_row_is_a_message_that_lasts_and_tells_where_it_is_from(cluster: Cluster, rabbit: Rabbit, topic: str) -> None:
    source = described(topic, "user_id INT NOT NULL, name STRING, rate DOUBLE, seen TIMESTAMP(3)", "user_id")
    value = '{"user_id":7,"name":"a\\u0000b ü \\"","rate":0.5,"seen":"1969-12-31 23:59:59.999"}'.encode()
    sender = Sender(cluster.producer())
    headers: list[tuple[str, str | bytes | None]] = [("a", b"text"), ("b", b"\xff"), ("c", None), ("a", b"last")]
    headers += [("CC", b"elsewhere"), ("clickstream-deleted", b"true")]  # RabbitMQ's and the sink's, not a record's
    sender.send(topic, value, b'{"user_id":7}', partition=1, headers=headers, timestamp=1_600_000_000_123)
    sender.send(topic, None, b'{"user_id":7}', partition=1)
    sender.must_have_delivered("The records")

    sink = fill_queue(cluster, rabbit, source)

    (row, body), (gone, gone_body) = rabbit.messages(topic)
    assert (row.message_id, row.delivery_mode, row.content_type) == (f"{topic}/1/0", 2, "application/json")
    assert json.loads(body) == {"user_id": 7, "name": 'a\0b ü "', "rate": 0.5, "seen": "1969-12-31T23:59:59.999Z"}
    assert row.timestamp == 1_600_000_000
    own = {name: text for name, text in row.headers.items() if not name.startswith("clickstream-")}
    assert own == {"a": "last", "b": b"\xff", "c": None}
    assert row.headers["clickstream-key"] == '{"user_id":7}'
    assert "clickstream-deleted" not in row.headers
    assert (gone.message_id, json.loads(gone_body)) == (f"{topic}/1/1", {"user_id": 7})
    assert gone.headers["clickstream-deleted"] is True
    totals = sink.totals()
    assert (totals["upserted"], totals["deleted"], totals["cleaned"]) == (1, 1, 3)


def test_keys_and_values_that_are_no_text_arrive_as_they_are(
    cluster: Cluster, rabbit: Rabbit, topic: str, kafka: str
) -> None:
    sender = Sender(cluster.producer())
    sender.send(topic, b"\xff", b"\xc8", partition=0)
    sender.must_have_delivered("The record")
    done = run(*command(kafka, topic, "--url", rabbit.url, "--exit-at-end"))
    assert done.code == 0, done.said
    [(properties, body)] = rabbit.messages(topic)
    assert (body, properties.headers["clickstream-key"]) == (b"\xff", b"\xc8")
    assert (properties.content_type, properties.content_encoding) == ("application/octet-stream", None)
    assert dead_letters(cluster.address, f"{topic}-dead") == []


def test_the_next_start_goes_on_and_sends_nothing_twice(cluster: Cluster, rabbit: Rabbit, topic: str) -> None:
    fill(cluster, topic, 3_000)
    fill_queue(cluster, rabbit, plain(topic), batch_rows=700)
    fill(cluster, topic, 10, 3_000)
    sink = fill_queue(cluster, rabbit, plain(topic))
    assert sink.totals()["written"] == 10
    found = rabbit.messages(topic)
    assert len(found) == 3_010
    check_all_in_order(found, 3_010)


def test_of_many_the_one_that_no_queue_takes_is_set_aside(cluster: Cluster, rabbit: Rabbit, topic: str) -> None:
    with rabbit.channel() as channel:
        channel.exchange_declare(f"{topic}-in", "headers")
        channel.queue_bind(topic, f"{topic}-in", arguments={"good": "yes", "x-match": "all"})
    sender = Sender(cluster.producer())
    for number in range(10_000):
        good = b"no" if number == 6_789 else b"yes"
        sender.send(topic, b"%d" % number, b"k", partition=0, headers=[("good", good)])
    sender.must_have_delivered("The records")

    sink = fill_queue(cluster, rabbit, plain(topic), Where(f"{topic}-in", queues=(topic,)))

    found = rabbit.messages(topic)
    assert [body for _, body in found] == [b"%d" % number for number in range(10_000) if number != 6_789]
    [letter] = dead_letters(cluster.address, f"{topic}-dead")
    assert (letter.value, letter.kind, letter.part) == (b"6789", "312", "sink-rabbitmq")
    assert "NO_ROUTE: no queue takes it" in letter.reason
    assert (sink.totals()["written"], sink.totals()["dead_lettered"]) == (9_999, 1)


def test_a_message_that_is_too_large_is_set_aside(cluster: Cluster, rabbit: Rabbit, topic: str) -> None:
    sender = Sender(cluster.producer())
    for number in range(300):
        sender.send(topic, b"x" * (200_000 if number == 123 else 10), b"k%d" % number, partition=0)
    sender.send(topic, b"y", b"k", partition=0, headers=[("h" * 300, b"")])
    sender.must_have_delivered("The records")
    fill_queue(cluster, rabbit, plain(topic))
    assert sorted(set(origins(rabbit.messages(topic)))) == [(0, offset) for offset in range(300) if offset != 123]
    assert [(one.origin.offset, one.kind) for one in dead_letters(cluster.address, f"{topic}-dead")] == [
        (123, "406"),
        (300, "headers"),
    ]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (Where("nowhere"), "has no exchange nowhere. Create it first"),
        (Where(queues=("missing",)), "has no queue missing. Create it first"),
        (Where(routing_key="missing"), "has no queue missing. Create it first"),
    ],
)
def test_what_does_not_exist_is_said_before_anything_is_sent(
    cluster: Cluster, rabbit: Rabbit, topic: str, where: Where, words: str
) -> None:
    fill(cluster, topic, 3)
    with pytest.raises(ClickstreamError, match=words):
        fill_queue(cluster, rabbit, plain(topic), where)
    assert rabbit.size(topic) == 0


def test_a_plan_says_where_messages_would_go_and_what_is_missing(
    cluster: Cluster, rabbit: Rabbit, topic: str, tmp_path: Path
) -> None:
    fill(cluster, topic, 3)
    url = tmp_path / "url"
    url.write_text(rabbit.url)

    def planned(*more: str) -> Done:
        given = ("--name", topic, "--url-file", str(url), "-b", cluster.address)
        return run("sink", "plan", "rabbitmq", topic, *given, *more)

    before = planned()
    assert before.code == 0, before.said
    assert f"topic {topic} -> queue {topic}; at most 3 records to read" in before.printed
    missing = planned("--exchange", "nowhere")
    assert (missing.code, missing.said.count("Problem: ")) == (1, 1)
    assert "exchange nowhere" in missing.said
    assert rabbit.size(topic) == 0

    fill_queue(cluster, rabbit, plain(topic))
    fill(cluster, topic, 1, 3)
    after = planned()
    assert after.code == 0, after.said
    assert ", last written by " in after.printed
    assert "at most 1 more records to read" in after.printed


def test_secrets_are_not_shown(
    cluster: Cluster, rabbit: Rabbit, topic: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Rabbit, "url", rabbit.url.replace("guest:guest", "guest:hunter2"))
    with pytest.raises(ClickstreamError, match=r"RabbitMQ at 127\.0\.0\.1:\d+ refuses") as refused:
        fill_queue(cluster, rabbit, plain(topic))
    assert "hunter2" not in str(refused.value) + caplog.text
    assert [one for one in caplog.records if one.name.startswith("pika")] == []
