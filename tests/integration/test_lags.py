"""Lag on a real Kafka: in records and seconds, never negative, whatever retention and recreation do."""

import time
from collections.abc import Mapping

from confluent_kafka import TopicPartition

from clickstream.inspect import groups, lags, offsets
from clickstream.inspect.lags import Lags, ReaderLag, WriteTimes
from clickstream.inspect.offsets import Ends
from clickstream.inspect.rates import TopicRates
from clickstream.inspect.refreshed import Seen
from clickstream.inspect.search import newest_first
from clickstream.kafka.admin import delete, metadata
from clickstream.kafka.clients import Cluster
from tests.integration.support import delete_records, make_topic, produce, records
from tests.support import PATIENCE, wait_until


def commit(kafka: str, group: str, topic: str, places: Mapping[int, int]) -> None:
    consumer = Cluster(kafka).consumer(group)
    try:
        consumer.commit(offsets=[TopicPartition(topic, *place) for place in places.items()], asynchronous=False)
    finally:
        consumer.close()


def look(kafka: str, watch: Lags, topic: str, group: str) -> ReaderLag:
    cluster = Cluster(kafka)
    admin = cluster.admin()
    found = lags.readings(topic, Seen([groups.group(cluster, admin, group)], time.time()), [])
    asked_at = time.time()
    limits = offsets.limits(cluster, admin, offsets.led(metadata(cluster, admin), [topic]))
    [lag] = watch.look(found, Ends(limits, asked_at))
    return lag


def test_a_group_that_is_down_keeps_its_lag_in_records_and_seconds(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, 2)
    produce(kafka, topic_name, [b"x"] * 10, partition=0)
    group = f"{topic_name}-group"
    commit(kafka, group, topic_name, {0: 4, 1: 0})
    written = records(kafka, topic_name)[4].timestamp()[1] / 1000
    watch = Lags(topic_name, WriteTimes(Cluster(kafka)))
    found = look(kafka, watch, topic_name, group)
    assert (found.state, found.lag) == ("empty", 6)
    assert found.seconds is not None
    assert abs(found.seconds - (time.time() - written)) < 30
    watch.close()


def test_lag_is_not_negative_after_retention_passed_it_and_after_the_topic_was_recreated(
    kafka: str, topic_name: str
) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [b"x"] * 10, partition=0)
    group = f"{topic_name}-group"
    commit(kafka, group, topic_name, {0: 2})
    delete_records(kafka, topic_name, {0: 7})
    watch = Lags(topic_name, WriteTimes(Cluster(kafka)))
    found = look(kafka, watch, topic_name, group)
    assert (found.lag, found.partitions[0].note) == (3, "5 records were deleted before they were read")
    commit(kafka, group, topic_name, {0: 10})
    delete(Cluster(kafka), [topic_name])

    def made() -> bool:
        return topic_name not in Cluster(kafka).admin().list_topics(timeout=5).topics

    wait_until(made, 60, "it is gone")
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [b"y"] * 3, partition=0)
    commit(kafka, group, topic_name, {0: 10})  # deleting the topic has deleted the commit
    found = look(kafka, watch, topic_name, group)
    assert found.lag == 3
    assert "the topic was recreated" in found.partitions[0].note
    watch.close()


def test_the_list_of_500_topics_takes_less_than_a_second(kafka: str, topic_name: str) -> None:
    from confluent_kafka.cimpl import NewTopic

    admin = Cluster(kafka).admin()
    names = [f"{topic_name}-{number}" for number in range(500)]
    for future in admin.create_topics([NewTopic(name, 1, 1) for name in names], request_timeout=60).values():
        future.result()
    topics = TopicRates(Cluster(kafka))
    wait_until(lambda: set(names) <= {line.name for line in topics.look().lines if line.records == 0}, 60)
    taken = []
    for _look in range(5):
        begun = time.monotonic()
        topics.look()
        taken.append(time.monotonic() - begun)
    assert min(taken) < PATIENCE
    delete(Cluster(kafka), names)


def test_the_newest_come_first_over_partitions_with_skewed_clocks(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, 2)
    from clickstream.kafka.produce import Sender

    sender = Sender(Cluster(kafka).producer())
    for partition, timestamp in [(0, 9_000), (0, 1_000), (1, 5_000), (0, 2_000)]:
        sender.send(topic_name, b"x", partition=partition, timestamp=1_700_000_000_000 + timestamp)
    sender.must_have_delivered("records")
    found = newest_first(records(kafka, topic_name))
    assert [(one.partition(), one.offset()) for one in found] == [(1, 0), (0, 2), (0, 1), (0, 0)]
