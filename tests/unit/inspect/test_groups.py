from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.inspect import groups
from clickstream.inspect.groups import Group, Member, Progress
from clickstream.inspect.offsets import Limits
from clickstream.kafka.clients import Cluster

MEMBER = Member("m-1", "client", "10.0.0.1", [("t", 0), ("t", 1)])


def test_progress_is_of_all_partitions_that_are_committed_or_read() -> None:
    found = groups.progress({("t", 0): 4, ("old", 3): 9}, [MEMBER], {("t", 0): Limits(0, 10), ("t", 1): Limits(0, 5)})
    assert found == [
        Progress("old", 3, 9, None, None),
        Progress("t", 0, 4, 10, MEMBER),
        Progress("t", 1, None, 5, MEMBER),
    ]
    assert [one.lag for one in found] == [None, 6, None]


@pytest.mark.parametrize(
    ("progress", "lag"),
    [
        ([], None),
        ([Progress("t", 0, None, 5, None)], None),
        ([Progress("t", 0, 1, 5, None), Progress("t", 1, 3, 3, None), Progress("t", 2, None, 9, None)], 4),
    ],
)
def test_lag_of_a_group_is_over_what_it_committed(progress: list[Progress], lag: int | None) -> None:
    assert Group("g", "stable", "classic", [], progress).lag == lag


def answer(result: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    if isinstance(result, int):
        future.set_exception(KafkaException(KafkaError(result)))
    else:
        future.set_result(result)
    return future


def admin(mocker: MockerFixture, *answers: Any) -> Any:
    listing: Callable[..., Future[Any]] = mocker.Mock(side_effect=[answer(one) for one in answers])
    return mocker.Mock(list_consumer_groups=listing)


def test_a_coordinator_that_comes_up_is_asked_again(mocker: MockerFixture) -> None:
    mocker.patch("clickstream.inspect.groups.RETRY_AFTER_S", 0)
    soon = KafkaError.COORDINATOR_LOAD_IN_PROGRESS
    assert groups.groups(Cluster("k"), admin(mocker, soon, soon, mocker.Mock(valid=[]))) == []


def test_a_refusal_is_explained(mocker: MockerFixture) -> None:
    with pytest.raises(ClickstreamError, match=r"Looking up consumer groups at k failed: .* ACL on that group"):
        groups.groups(Cluster("k"), admin(mocker, KafkaError.GROUP_AUTHORIZATION_FAILED))
