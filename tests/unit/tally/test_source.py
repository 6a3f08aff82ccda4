import pytest
from confluent_kafka import ConsumerGroupState, KafkaError

from clickstream.errors import ClickstreamError
from clickstream.tally.source import Source
from tests.unit.tally.doubles import TOPIC, FakeAdmin, FakeCluster, FakeConsumer, state

AWAY = [KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT]


@pytest.fixture
def kafka() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def admin(kafka: FakeCluster) -> FakeAdmin:
    return kafka.admin_client


@pytest.fixture
def log(kafka: FakeCluster) -> FakeConsumer:
    return kafka.consumer_client


@pytest.fixture
def source(kafka: FakeCluster) -> Source:
    return Source(kafka.cluster, TOPIC)


# --- the same topic?


def test_a_topic_is_known_by_its_id(source: Source) -> None:
    assert (source.topic, source.id) == (TOPIC, "id-1")
    assert source.same()


def test_a_topic_made_anew_is_another_one(source: Source, admin: FakeAdmin) -> None:
    admin.topic_id = "id-2"
    with pytest.raises(
        ClickstreamError, match=r"Topic clicks was deleted and made anew while it was counted\. --reset"
    ):
        source.same()


@pytest.mark.parametrize("code", AWAY)
def test_while_the_broker_is_away_nobody_knows(source: Source, admin: FakeAdmin, code: int) -> None:
    admin.problem = KafkaError(code)
    assert source.same() is False


def test_what_the_client_calls_retriable_passes_too(source: Source, admin: FakeAdmin) -> None:
    admin.problem = KafkaError(KafkaError.REQUEST_TIMED_OUT, "x", False, True)
    assert source.same() is False


@pytest.mark.parametrize("code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_a_topic_that_is_gone_or_forbidden_is_an_error(source: Source, admin: FakeAdmin, code: int) -> None:
    admin.problem = KafkaError(code)
    with pytest.raises(ClickstreamError, match="Describing topic clicks at host:9092 failed"):
        source.same()


@pytest.mark.parametrize("code", [*AWAY, KafkaError.UNKNOWN_TOPIC_OR_PART])
def test_at_the_start_any_trouble_is_an_error(kafka: FakeCluster, code: int) -> None:
    kafka.admin_client.problem = KafkaError(code)
    with pytest.raises(ClickstreamError, match="Describing topic clicks at host:9092 failed"):
        Source(kafka.cluster, TOPIC)


# --- does the log contradict a state?


@pytest.mark.parametrize("offset", [3, 5, 9])
def test_an_offset_within_the_log_is_right(source: Source, log: FakeConsumer, offset: int) -> None:
    log.watermarks = {2: (3, 9)}
    source.check(state(2, offset))


def test_retention_that_ate_uncounted_records_is_an_error(source: Source, log: FakeConsumer) -> None:
    log.watermarks = {2: (3, 9)}
    with pytest.raises(
        ClickstreamError, match=r"partition 2: counted up to offset 1, .* begins at 3: .* 2 records .*--reset"
    ):
        source.check(state(2, 1))


def test_an_offset_beyond_the_end_is_an_error(source: Source, log: FakeConsumer) -> None:
    log.watermarks = {2: (3, 9)}
    with pytest.raises(ClickstreamError, match=r"partition 2: counted up to offset 10, .* ends at 9\. --reset"):
        source.check(state(2, 10))


def test_a_state_of_the_topic_before_it_was_made_anew_is_an_error(source: Source, log: FakeConsumer) -> None:
    log.watermarks = {2: (0, 100)}
    with pytest.raises(ClickstreamError, match=r"made anew .*its id was id-0, now it is id-1.*--reset"):
        source.check(state(2, 5, topic_id="id-0"))


# --- what else it tells


def test_where_the_log_begins_and_how_many_partitions_it_has(source: Source, log: FakeConsumer) -> None:
    log.watermarks = {0: (0, 1), 1: (7, 9)}
    assert [source.begin(0), source.begin(1), source.partitions()] == [0, 7, 2]


@pytest.mark.parametrize(
    ("group_state", "members", "count"),
    [
        (ConsumerGroupState.STABLE, ["a", "b"], 2),
        (ConsumerGroupState.EMPTY, [], 0),
        (ConsumerGroupState.DEAD, [], 0),
    ],
)
def test_members_of_a_group(
    source: Source, admin: FakeAdmin, group_state: ConsumerGroupState, members: list[str], count: int
) -> None:
    admin.group_state, admin.members = group_state, members
    assert source.members("g") == count


def test_a_group_that_we_may_not_see_is_an_error(source: Source, admin: FakeAdmin) -> None:
    admin.problem = KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)
    with pytest.raises(ClickstreamError, match=r"Describing group g at host:9092 failed: .*ACL"):
        source.members("g")


def test_questions_have_a_connection_of_their_own(source: Source, kafka: FakeCluster, log: FakeConsumer) -> None:
    assert kafka.groups == ["clickstream-reader"]
    source.close()
    assert log.closed
