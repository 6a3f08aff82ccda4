import threading

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError

from clickstream.errors import ClickstreamError
from clickstream.kafka import patience
from clickstream.kafka.admin import cluster_id
from clickstream.kafka.offsets import Limits, beginnings, ends, limits
from clickstream.kafka.patience import Stopped
from tests.unit.kafka.brokers import CLUSTER, FakeAdmin


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "ASK_EVERY_S", 0.0)


@pytest.fixture
def admin() -> FakeAdmin:
    return FakeAdmin({0: (3, 9), 1: (0, 4), 2: (5, 5)})


def test_all_partitions_are_asked_in_one_request(admin: FakeAdmin) -> None:
    assert ends(CLUSTER, "t", admin.client) == {0: 9, 1: 4, 2: 5}
    assert beginnings(CLUSTER, "t", admin.client) == {0: 3, 1: 0, 2: 5}
    assert admin.asked == [dict.fromkeys(range(3), "high"), dict.fromkeys(range(3), "low")]


def test_only_those_that_are_wanted_are_asked(admin: FakeAdmin) -> None:
    assert limits(CLUSTER, "t", admin.client, partitions=[1]) == {1: Limits(0, 4)}
    assert admin.asked == [{1: "low"}, {1: "high"}]


@pytest.mark.parametrize("code", [KafkaError.OFFSET_NOT_AVAILABLE, KafkaError._DESTROY_BROKER, KafkaError._TIMED_OUT])
def test_a_leader_that_cannot_say_is_asked_again_and_the_others_are_not(admin: FakeAdmin, code: int) -> None:
    admin.trouble = {1: [code, code]}
    assert ends(CLUSTER, "t", admin.client, stop=threading.Event()) == {0: 9, 1: 4, 2: 5}
    assert [sorted(asked) for asked in admin.asked] == [[0, 1, 2], [1], [1]]
    assert admin.listed == 3  # once for the partitions, then to find out who leads now


def test_a_partition_without_an_offset_was_not_answered(admin: FakeAdmin) -> None:
    admin.limits[1] = (0, OFFSET_INVALID)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        ends(CLUSTER, "t", admin.client, stop=stop)


def test_a_refusal_is_said(admin: FakeAdmin) -> None:
    admin.trouble = {1: [KafkaError.TOPIC_AUTHORIZATION_FAILED]}
    with pytest.raises(ClickstreamError, match=r"Asking for the offsets of t at host:9092 failed: .*ACL"):
        ends(CLUSTER, "t", admin.client)


def test_the_id_of_the_cluster(admin: FakeAdmin) -> None:
    admin.listing = [KafkaError._TRANSPORT]
    assert cluster_id(CLUSTER, admin.client) == "cluster-1"
