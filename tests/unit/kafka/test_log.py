"""Whether a log is still the one that offsets belong to."""

import threading

import pytest
from confluent_kafka import KafkaError

from clickstream.errors import ClickstreamError
from clickstream.kafka import log, patience
from clickstream.kafka.log import LogIdentity, LostRecords, Missing, Recreated, Truncated, check, identify, is_same
from clickstream.kafka.offsets import Limits
from clickstream.kafka.patience import Stopped
from tests.unit.kafka.brokers import CLUSTER, FakeAdmin, for_ever

OURS = LogIdentity("t", "id-1")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "ASK_EVERY_S", 0.0)
    monkeypatch.setattr(log, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(patience, "KNOWS_TOPICS_WITHIN_S", 0.05)
    monkeypatch.setattr(patience, "SURELY_KNOWS_TOPICS_WITHIN_S", 0.05)


@pytest.fixture
def admin() -> FakeAdmin:
    return FakeAdmin({0: (3, 9), 1: (0, 4)})


# --- the identity


def test_a_log_is_known_by_its_id(admin: FakeAdmin) -> None:
    assert identify(CLUSTER, "t", admin.client) == OURS
    assert is_same(CLUSTER, OURS, admin.client)


def test_another_id_is_a_recreated_topic(admin: FakeAdmin) -> None:
    admin.topic_id = "id-2"
    for ask in (lambda: is_same(CLUSTER, OURS, admin.client, remedy="Do."), lambda: check_at(admin, {0: 5}, "Do.")):
        with pytest.raises(Recreated, match=r"^Topic t was recreated: its id was id-1, now it is id-2\. Do\.$"):
            ask()


@pytest.mark.parametrize("code", [KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._DESTROY_BROKER])
def test_while_nobody_answers_nobody_knows(admin: FakeAdmin, code: int) -> None:
    admin.describing = [code]
    assert is_same(CLUSTER, OURS, admin.client) is False


def test_a_broker_that_does_not_know_the_topic_for_a_moment_is_asked_again(admin: FakeAdmin) -> None:
    admin.describing = [KafkaError.UNKNOWN_TOPIC_OR_PART] * 2
    assert is_same(CLUSTER, OURS, admin.client)


def test_a_topic_that_is_gone_is_missing(admin: FakeAdmin) -> None:
    admin.describing = list(for_ever(KafkaError.UNKNOWN_TOPIC_OR_PART)) * 1_000
    for ask in (lambda: is_same(CLUSTER, OURS, admin.client, remedy="Do."), lambda: check_at(admin, {0: 5}, "Do.")):
        with pytest.raises(Missing, match=r"^Topic t does not exist any more at host:9092\. Do\.$"):
            ask()


def test_a_refusal_is_an_error(admin: FakeAdmin) -> None:
    admin.describing = [KafkaError.TOPIC_AUTHORIZATION_FAILED]
    with pytest.raises(ClickstreamError, match=r"Describing topic t at host:9092 failed: .*ACL"):
        is_same(CLUSTER, OURS, admin.client)


# --- its limits


def check_at(
    admin: FakeAdmin, places: dict[int, int], remedy: str = "", stop: threading.Event | None = None
) -> dict[int, Limits]:
    return check(CLUSTER, OURS, places, admin.client, remedy=remedy, stop=stop)


@pytest.mark.parametrize("offset", [3, 5, 9])
def test_offsets_within_the_log_are_right(admin: FakeAdmin, offset: int) -> None:
    assert check_at(admin, {0: offset, 1: 0}) == {0: Limits(3, 9), 1: Limits(0, 4)}


def test_records_that_were_deleted_before_they_were_read(admin: FakeAdmin) -> None:
    says = r"^t partition 0: offset 1 comes next, but the log begins at 3: 2 records were deleted .* Do\.$"
    with pytest.raises(Truncated, match=says):
        check_at(admin, {0: 1}, "Do.")


def test_an_end_that_catches_up_is_waited_for(admin: FakeAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = iter([9, 9, 12])
    monkeypatch.setattr(log, "limits", lambda *_, **__: {0: Limits(3, next(ends))})
    assert check_at(admin, {0: 11}) == {0: Limits(3, 12)}


def test_an_end_that_does_not_catch_up_is_lost_records_and_no_recreated_topic(
    admin: FakeAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "CATCHES_UP_WITHIN_S", 0.05)
    with pytest.raises(LostRecords, match=r"offset 11 comes next, but the log ends at 9.*the log lost records\. Do\.$"):
        check_at(admin, {0: 11}, "Do.")


def test_a_stop_ends_the_wait_for_the_end(admin: FakeAdmin) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        check_at(admin, {0: 11}, stop=stop)
