"""Topics into RabbitMQ, on a real Kafka and a real RabbitMQ."""

import json
import logging
import random
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import delete
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetters
from clickstream.kafka.log import Recreated
from clickstream.kafka.produce import Sender
from clickstream.parts.threads import Threads
from clickstream.sinks.inputs import described, plain
from clickstream.sinks.ledger import Ledger
from clickstream.sinks.model import Input
from clickstream.sinks.rabbitmq.delivery import Delivery
from clickstream.sinks.rabbitmq.link import Link
from clickstream.sinks.rabbitmq.message import Outgoing
from clickstream.sinks.rabbitmq.target import RabbitTarget, Where, parameters_of, where_of
from clickstream.sinks.sink import Options, Sink
from clickstream.stop import Stop
from clickstream.topics import Declared, ensure
from tests.integration.rabbit import Rabbit, rabbit_in
from tests.integration.support import Done, Part, dead_letters, run, running
from tests.support import wait_until

SINKS = "clickstream-sinks"
WITHIN_S = 90.0


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    with rabbit_in(tmp_path_factory.mktemp("rabbit")) as node:
        yield node


@pytest.fixture
def cluster(kafka: str) -> Cluster:
    return Cluster(kafka)


@pytest.fixture
def topic(cluster: Cluster, rabbit: Rabbit) -> str:
    """A topic with three partitions, and a queue of that name."""
    name = f"rabbit-{uuid.uuid4().hex[:8]}"
    ensure(cluster, [Declared(name, partitions=3), Declared(f"{name}-dead"), SINKS])
    rabbit.make_queue(name)
    return name


def fill(cluster: Cluster, topic: str, count: int, first: int = 0) -> None:
    sender = Sender(cluster.producer())
    for number in range(first, first + count):
        sender.send(topic, b'{"n":%d}' % number, b"k%d" % (number % 10), partition=number % 3)
    sender.must_have_delivered("The records")


def sink_of(
    cluster: Cluster,
    rabbit: Rabbit,
    source: Input,
    where: Where | None = None,
    stop: Stop | None = None,
    **options: Any,
) -> Sink:
    to = where or Where()
    parameters = parameters_of(rabbit.url)
    stop = stop or Stop()
    # Names of their own: a test's sink takes over none of another.
    options.setdefault("name", source.topic)
    ledger = Ledger(cluster, SINKS, "rabbitmq", where_of(parameters, to.exchange), stop)
    target = RabbitTarget(parameters, to, ledger, stop)
    sender = Sender(cluster.producer({"message.timeout.ms": 0}))
    letters = DeadLetters(sender, f"{source.topic}-dead", "sink-rabbitmq")
    return Sink(cluster, target, [source], letters, sender, Options(**options))


def fill_queue(cluster: Cluster, rabbit: Rabbit, source: Input, where: Where | None = None, **options: Any) -> Sink:
    """Run a sink to the end of its topic."""
    stop = Stop()
    sink = sink_of(cluster, rabbit, source, where, stop, exit_at_end=True, **options)
    sink.run(stop)
    return sink


@contextmanager
def at_work(cluster: Cluster, rabbit: Rabbit, source: Input, **options: Any) -> Iterator[tuple[Sink, Threads]]:
    stop = Stop()
    sink = sink_of(cluster, rabbit, source, stop=stop, **options)
    threads = Threads()
    threads.start(sink.run, stop)
    try:
        yield sink, threads
    finally:
        stop.set()
        threads.wait()


def command(kafka: str, topic: str, *more: str) -> list[str]:
    return ["sink", "rabbitmq", topic, "--name", topic, "--dead-letter-topic", f"{topic}-dead", "-b", kafka, *more]


def origins(found: Sequence[tuple[Any, bytes]]) -> list[tuple[int, int]]:
    """Partition and offset of messages, as their ids say."""
    return [(int(number), int(offset)) for number, offset in (one.message_id.split("/")[1:] for one, _ in found)]


def check_all_in_order(found: Sequence[tuple[Any, bytes]], count: int) -> None:
    """Every record of a topic filled by `fill` is there; seen for the first time, in the order of its partition."""
    distinct = list(dict.fromkeys(origins(found)))
    assert len(distinct) == count
    for number in range(3):
        own = [offset for partition, offset in distinct if partition == number]
        assert own == list(range(len(own)))
    # A repeat never leaves an older word of a key as its last.
    last: dict[tuple[int, str], int] = {}
    for one, _ in found:
        number, offset = map(int, one.message_id.split("/")[1:])
        last[number, one.headers["clickstream-key"]] = offset
    newest: dict[tuple[int, str], int] = {}
    for one, _ in found:
        number, offset = map(int, one.message_id.split("/")[1:])
        place = number, one.headers["clickstream-key"]
        newest[place] = max(offset, newest.get(place, 0))
    assert last == newest


def test_a_row_is_a_message_that_lasts_and_tells_where_it_is_from(cluster: Cluster, rabbit: Rabbit, topic: str) -> None:
    source = described(topic, "user_id INT NOT NULL, name STRING, rate DOUBLE, seen TIMESTAMP(3)", "user_id")
    value = '{"user_id":7,"name":"a\\u0000b ü \\"","rate":0.5,"seen":"1969-12-31 23:59:59.999"}'.encode()
    sender = Sender(cluster.producer())
    headers: list[tuple[str, str | bytes | None]] = [("a", b"text"), ("b", b"\xff"), ("c", None), ("a", b"last")]
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
    assert (gone.message_id, json.loads(gone_body)) == (f"{topic}/1/1", {"user_id": 7})
    assert gone.headers["clickstream-deleted"] is True
    totals = sink.totals()
    assert (totals["upserted"], totals["deleted"], totals["cleaned"]) == (1, 1, 1)


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


def test_while_it_is_short_of_memory_it_is_blocked_and_not_away(
    cluster: Cluster, rabbit: Rabbit, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with at_work(cluster, rabbit, plain(topic)) as (sink, threads):
        wait_until(lambda: sink.gauges()["target_away"] == 0, WITHIN_S, "it runs")
        with rabbit.short_of("memory"):
            fill(cluster, topic, 3_000)
            wait_until(lambda: sink.gauges()["target_blocked"], WITHIN_S, "it says that it is blocked")
            assert sink.gauges()["target_away"] == 0
            assert sink.totals()["written"] == 0
        wait_until(lambda: sink.totals()["written"] == 3_000, WITHIN_S, "all is written")
        assert sink.gauges()["target_blocked"] == 0
        assert threads.problem is None
    said = [one.message for one in caplog.records if one.name.startswith("clickstream.sinks")]
    assert len([one for one in said if "takes no messages just now" in one]) == 1
    assert len([one for one in said if "takes messages again" in one]) == 1
    check_all_in_order(rabbit.messages(topic), 3_000)


def test_a_stop_while_its_disk_is_full_ends_in_time_and_loses_nothing(
    cluster: Cluster, rabbit: Rabbit, topic: str, kafka: str
) -> None:
    fill(cluster, topic, 100)
    with (
        rabbit.short_of("disk"),
        running(*command(kafka, topic, "--quiet"), CLICKSTREAM_SINK_RABBITMQ=rabbit.url) as part,
    ):
        wait_until(lambda: "takes no messages just now" in part.said(), WITHIN_S, part.said)
        assert part.stop(timeout=60) == 0, part.said()
        assert "0 rows written" in part.said()
        assert "guest:guest" not in part.said()
    fill_queue(cluster, rabbit, plain(topic))
    check_all_in_order(rabbit.messages(topic), 100)


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


def test_a_queue_that_is_deleted_under_load_stops_it_and_nothing_is_lost(
    cluster: Cluster, rabbit: Rabbit, topic: str
) -> None:
    with at_work(cluster, rabbit, plain(topic)) as (sink, threads):
        fill(cluster, topic, 1_000)
        wait_until(lambda: sink.totals()["written"] == 1_000, WITHIN_S, "the first are written")
        first = rabbit.messages(topic)
        with rabbit.channel() as channel:
            channel.queue_delete(topic)
        fill(cluster, topic, 1_000, 1_000)
        wait_until(lambda: threads.problem is not None, WITHIN_S, "it ends")
    with pytest.raises(ClickstreamError, match=f"RabbitMQ at .* has no queue {topic}. Create it first"):
        raise threads.problem  # type: ignore[misc]
    assert sink.totals()["dead_lettered"] == 0
    rabbit.make_queue(topic)
    fill_queue(cluster, rabbit, plain(topic))
    check_all_in_order([*first, *rabbit.messages(topic)], 2_000)


def test_a_full_queue_is_waited_for(cluster: Cluster, rabbit: Rabbit, topic: str) -> None:
    with rabbit.channel() as channel:
        channel.queue_delete(topic)
    rabbit.make_queue(topic, **{"x-max-length": 100, "x-overflow": "reject-publish"})
    fill(cluster, topic, 150)
    found: list[tuple[Any, bytes]] = []
    with at_work(cluster, rabbit, plain(topic)) as (sink, _threads):
        wait_until(lambda: sink.gauges()["target_away"] and rabbit.size(topic) == 100, WITHIN_S, "it is full")

        def emptied() -> bool:
            found.extend(rabbit.messages(topic))
            return sink.totals()["written"] == 150

        wait_until(emptied, WITHIN_S, "all is written", poll=0.2)
        found += rabbit.messages(topic)
    assert sink.totals()["dead_lettered"] == 0
    check_all_in_order(found, 150)


def test_a_full_queue_of_an_exchange_does_not_flood_the_others(
    cluster: Cluster, rabbit: Rabbit, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream.sinks.sink.LONGEST_PAUSE_S", 0.1)
    full, exchange = f"{topic}-full", f"{topic}-fanout"
    rabbit.make_queue(full, **{"x-max-length": 1, "x-overflow": "reject-publish"})
    with rabbit.channel() as channel:
        channel.exchange_declare(exchange, "fanout", durable=True)
        for queue in (topic, full):
            channel.queue_bind(queue, exchange)
    count = 1_000
    fill(cluster, topic, count)
    tries: list[int] = []
    publish = Link.publish

    def counted(link: Link, exchange: str, routing_key: str, messages: Sequence[Outgoing], **more: Any) -> Delivery:
        tries.append(len(messages))
        return publish(link, exchange, routing_key, messages, **more)

    monkeypatch.setattr(Link, "publish", counted)
    stop = Stop()
    threads = Threads()
    threads.start(sink_of(cluster, rabbit, plain(topic), Where(exchange), stop).run, stop)
    try:
        wait_until(lambda: len(tries) > 20, WITHIN_S, "it has tried again and again")
    finally:
        stop.set()
        threads.wait()
    assert 1 < rabbit.size(topic) <= count + len(tries)


@pytest.mark.parametrize("seconds", [0, pytest.param(60, marks=pytest.mark.slow)])
def test_a_server_that_dies_and_stays_away_loses_nothing(
    cluster: Cluster, rabbit: Rabbit, topic: str, seconds: int
) -> None:
    with at_work(cluster, rabbit, plain(topic)) as (sink, threads):
        fill(cluster, topic, 1_000)
        wait_until(lambda: sink.totals()["written"] == 1_000, WITHIN_S, "the first are written")
        rabbit.kill()
        fill(cluster, topic, 1_000, 1_000)
        wait_until(lambda: sink.gauges()["target_away"], WITHIN_S, "it is away")
        threading.Event().wait(seconds)
        rabbit.start()
        wait_until(lambda: sink.totals()["written"] == 2_000, WITHIN_S, "all is written")
        assert threads.problem is None
    check_all_in_order(rabbit.messages(topic), 2_000)


@pytest.mark.parametrize(
    ("kills", "count"), [(2, 12_000), pytest.param(20, 60_000, marks=(pytest.mark.slow, pytest.mark.timeout(1_200)))]
)
def test_killed_at_any_moment_every_record_is_there_in_order(
    cluster: Cluster, rabbit: Rabbit, topic: str, kafka: str, kills: int, count: int
) -> None:
    fill(cluster, topic, count)
    for _ in range(kills):
        # Of what comes in the next moments; it may be all of it, or what is sent again.
        wanted = rabbit.size(topic) + random.randrange(1, count // kills)
        with running(*command(kafka, topic, "--quiet"), CLICKSTREAM_SINK_RABBITMQ=rabbit.url) as part:
            wait_until(
                lambda part=part, wanted=wanted: rabbit.size(topic) >= min(wanted, count) or not part.running,  # type: ignore[misc]
                WITHIN_S,
                part.said,
            )
            part.kill()
    fill_queue(cluster, rabbit, plain(topic))
    found = rabbit.messages(topic)
    assert len(found) >= count
    check_all_in_order(found, count)


def test_the_newest_takes_over_and_one_that_was_frozen_ends_and_names_it(
    cluster: Cluster, rabbit: Rabbit, topic: str, kafka: str
) -> None:
    fill(cluster, topic, 300)
    url = {"CLICKSTREAM_SINK_RABBITMQ": rabbit.url}
    with running(*command(kafka, topic, "--quiet"), **url) as first:
        wait_until(lambda: rabbit.size(topic) == 300, WITHIN_S, first.said)
        first.freeze()
        with running(*command(kafka, topic, "--quiet"), **url) as second:
            fill(cluster, topic, 300, 300)
            wait_until(lambda: rabbit.size(topic) >= 600, WITHIN_S, second.said)
            first.thaw()
            fill(cluster, topic, 300, 600)
            done = first.done()
            assert done.code == 1
            assert f"is written by {_owner(second)} now" in done.said
            assert second.stop() == 0, second.said()
    fill_queue(cluster, rabbit, plain(topic))
    check_all_in_order(rabbit.messages(topic), 900)


def _owner(part: Part) -> str:
    return f"{socket.gethostname()} pid {part.process.pid}"


def test_a_recreated_topic_is_refused_with_words_and_reset_starts_over(
    cluster: Cluster, rabbit: Rabbit, topic: str, kafka: str
) -> None:
    fill(cluster, topic, 30)
    fill_queue(cluster, rabbit, plain(topic))
    delete(cluster, [topic])
    wait_until(lambda: ensure(cluster, [Declared(topic, partitions=3)]), WITHIN_S, "the topic again")
    fill(cluster, topic, 3)
    with pytest.raises(Recreated, match=r"was recreated: RabbitMQ at .* --reset"):
        fill_queue(cluster, rabbit, plain(topic))
    more = ("--reset", "--yes", "--exit-at-end", "--quiet")
    done = run(*command(kafka, topic, *more), CLICKSTREAM_SINK_RABBITMQ=rabbit.url)
    assert done.code == 0, done.said
    assert "3 rows written" in done.said
    assert rabbit.size(topic) == 33


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
