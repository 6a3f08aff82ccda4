import threading

import pytest
from confluent_kafka import ConsumerGroupState, KafkaError

from clickstream.errors import ClickstreamError
from clickstream.kafka import log, patience
from clickstream.kafka.group import GroupTopic
from clickstream.kafka.patience import Stopped
from clickstream.tally.state import START_OVER
from tests.unit.tally.doubles import TOPIC, FakeAdmin, FakeCluster, state

AWAY = [KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "ASK_EVERY_S", 0.0)
    monkeypatch.setattr(patience, "RESTARTS_WITHIN_S", 0.0)
    monkeypatch.setattr(patience, "KNOWS_TOPICS_WITHIN_S", 0.0)
    monkeypatch.setattr(patience, "SURELY_KNOWS_TOPICS_WITHIN_S", 0.0)


@pytest.fixture
def kafka() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def admin(kafka: FakeCluster) -> FakeAdmin:
    return kafka.admin_client


@pytest.fixture
def topic(kafka: FakeCluster) -> GroupTopic:
    return GroupTopic(kafka.cluster, TOPIC, remedy=START_OVER)


# --- the same topic? (kafka/test_log.py has the details)


def test_a_topic_is_known_by_its_id(topic: GroupTopic) -> None:
    assert (topic.name, topic.id) == (TOPIC, "id-1")
    assert topic.same()


def test_a_recreated_topic_is_another_one(topic: GroupTopic, admin: FakeAdmin) -> None:
    admin.topic_id = "id-2"
    with pytest.raises(ClickstreamError, match=r"Topic clicks was recreated: .*id-1, now it is id-2\. --reset"):
        topic.same()


@pytest.mark.parametrize("code", AWAY)
def test_while_the_broker_is_away_nobody_knows(topic: GroupTopic, admin: FakeAdmin, code: int) -> None:
    admin.problem = KafkaError(code)
    assert topic.same() is False


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "Topic clicks does not exist any more at host:9092"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "Describing topic clicks at host:9092 failed"),
    ],
)
def test_a_topic_that_is_gone_or_forbidden_is_an_error(
    topic: GroupTopic, admin: FakeAdmin, code: int, words: str
) -> None:
    admin.problem = KafkaError(code)
    with pytest.raises(ClickstreamError, match=words):
        topic.same()


@pytest.mark.parametrize("code", [*AWAY, KafkaError.UNKNOWN_TOPIC_OR_PART])
def test_without_a_stop_trouble_becomes_an_error(kafka: FakeCluster, code: int) -> None:
    kafka.admin_client.problem = KafkaError(code)
    with pytest.raises(ClickstreamError, match="Describing topic clicks at host:9092 failed"):
        GroupTopic(kafka.cluster, TOPIC, remedy=START_OVER)


@pytest.mark.parametrize("code", AWAY)
def test_a_long_running_part_waits_until_it_is_stopped(kafka: FakeCluster, code: int) -> None:
    kafka.admin_client.problem = KafkaError(code)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        GroupTopic(kafka.cluster, TOPIC, stop)


# --- does the log contradict a state?


@pytest.mark.parametrize("offset", [3, 5, 9])
def test_an_offset_within_the_log_is_right(topic: GroupTopic, admin: FakeAdmin, offset: int) -> None:
    admin.limits = {2: (3, 9)}
    topic.check([state(2, offset)])


def test_retention_that_deleted_uncounted_records_is_an_error(topic: GroupTopic, admin: FakeAdmin) -> None:
    admin.limits = {2: (3, 9)}
    with pytest.raises(ClickstreamError, match=r"partition 2: offset 1 .* begins at 3: 2 records .*--reset"):
        topic.check([state(2, 1)])


def test_an_offset_beyond_the_end_is_an_error(
    topic: GroupTopic, admin: FakeAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "CATCHES_UP_WITHIN_S", 0.0)
    admin.limits = {2: (3, 9)}
    with pytest.raises(ClickstreamError, match=r"partition 2: offset 10 .* ends at 9.*the log lost records\. --reset"):
        topic.check([state(2, 10)])


def test_a_state_of_the_topic_before_it_was_recreated_is_an_error(topic: GroupTopic, admin: FakeAdmin) -> None:
    admin.limits = {2: (0, 100)}
    with pytest.raises(ClickstreamError, match=r"recreated .*its id was id-0, now it is id-1.*--reset"):
        topic.check([state(2, 5, topic_id="id-0")])


# --- what else it tells


def test_where_the_log_begins_and_how_many_partitions_it_has(topic: GroupTopic, admin: FakeAdmin) -> None:
    admin.limits = {0: (0, 1), 1: (7, 9)}
    assert topic.begin([0, 1]) == {0: 0, 1: 7}
    assert topic.partitions() == 2


@pytest.mark.parametrize(
    ("group_state", "members", "count"),
    [
        (ConsumerGroupState.STABLE, ["a", "b"], 2),
        (ConsumerGroupState.EMPTY, [], 0),
        (ConsumerGroupState.DEAD, [], 0),
    ],
)
def test_members_of_a_group(
    topic: GroupTopic, admin: FakeAdmin, group_state: ConsumerGroupState, members: list[str], count: int
) -> None:
    admin.group_state, admin.members = group_state, members
    assert topic.members("g") == count


def test_a_group_that_we_may_not_see_is_an_error(topic: GroupTopic, admin: FakeAdmin) -> None:
    admin.problem = KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)
    with pytest.raises(ClickstreamError, match=r"Describing group g at host:9092 failed: .*ACL"):
        topic.members("g")
