"""The sink into RabbitMQ on bad days: it is killed, frozen and doubled, and so is the server; it is full or blocked."""

import logging
import random
import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import delete
from clickstream.kafka.clients import Cluster
from clickstream.kafka.log import Recreated
from clickstream.parts.threads import Threads
from clickstream.sinks.inputs import plain
from clickstream.sinks.rabbitmq.delivery import Delivery
from clickstream.sinks.rabbitmq.link import Link
from clickstream.sinks.rabbitmq.message import Outgoing
from clickstream.sinks.rabbitmq.target import Where
from clickstream.stop import Stop
from clickstream.topics import Declared, ensure
from tests.integration.rabbit import Rabbit
from tests.integration.rabbitsupport import (
    WITHIN_S,
    at_work,
    check_all_in_order,
    command,
    fill,
    fill_queue,
    sink_of,
    topic_with_queue,
)
from tests.integration.support import Part, run, running
from tests.support import wait_until


@pytest.fixture
def topic(cluster: Cluster, rabbit: Rabbit) -> str:
    return topic_with_queue(cluster, rabbit)


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
