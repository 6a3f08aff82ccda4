from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import ListConsumerGroupsResult  # type: ignore[attr-defined]  # public, but not in __all__
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.inspect import groups
from clickstream.inspect.groups import Group, Member, Progress, TopicMember
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


def test_members_on_a_topic_have_its_partitions_and_may_have_none() -> None:
    spare = Member("m-2", "a-spare", "10.0.0.2", [("other", 7)])
    found = Group("g", "stable", "classic", [MEMBER, spare], [])
    assert found.members_on("t") == [
        TopicMember("m-2", "a-spare", "10.0.0.2", []),
        TopicMember("m-1", "client", "10.0.0.1", [0, 1]),
    ]
    assert Group("g", "empty", "classic", [], []).members_on("t") == []
    assert Group("g", None, None, None, []).members_on("t") is None, "unknown"


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
    mocker.patch("clickstream.inspect.groups.NONE_FOR_S", 0)
    assert groups.groups(Cluster("k"), admin(mocker, soon, soon, ListConsumerGroupsResult([], []))) == []


def refused(code: int) -> ListConsumerGroupsResult:
    errors: list[Any] = [KafkaError(code)]
    return ListConsumerGroupsResult([], errors)


def test_a_broker_whose_groups_come_up_is_asked_again(mocker: MockerFixture, caplog: pytest.LogCaptureFixture) -> None:
    """It lists none at first, then the client answers with none and the error beside them."""
    mocker.patch("clickstream.inspect.groups.RETRY_AFTER_S", 0)
    described = mocker.patch("clickstream.inspect.groups.described")
    there = ListConsumerGroupsResult([mocker.Mock(group_id="g")], [])
    none = ListConsumerGroupsResult([], [])
    client = admin(mocker, none, refused(KafkaError.COORDINATOR_LOAD_IN_PROGRESS), there)
    groups.groups(Cluster("k"), client)
    assert described.call_args.args[2] == ["g"]
    assert caplog.messages == []


def test_what_a_broker_does_not_list_is_said(mocker: MockerFixture, caplog: pytest.LogCaptureFixture) -> None:
    mocker.patch("clickstream.inspect.groups.NONE_FOR_S", 0)
    assert groups.groups(Cluster("k"), admin(mocker, refused(KafkaError.CLUSTER_AUTHORIZATION_FAILED))) == []
    (said,) = caplog.messages
    assert said.startswith("Listing consumer groups at k failed: ")
    assert said.endswith("Groups may be missing.")


def test_a_refusal_is_explained(mocker: MockerFixture) -> None:
    with pytest.raises(ClickstreamError, match=r"Looking up consumer groups at k failed: .* ACL on that group"):
        groups.groups(Cluster("k"), admin(mocker, KafkaError.GROUP_AUTHORIZATION_FAILED))


def admin_of(mocker: MockerFixture, described: dict[str, Any], committed: dict[str, Any]) -> Any:
    """An admin client that answers these descriptions and commits, or error codes, of groups."""
    mocker.patch("clickstream.inspect.groups.metadata", return_value={})
    return mocker.Mock(
        describe_consumer_groups=lambda names, **_: {name: answer(described[name]) for name in names},
        list_consumer_group_offsets=lambda asked, **_: {one.group_id: answer(committed[one.group_id]) for one in asked},
    )


def description(mocker: MockerFixture) -> Any:
    found = mocker.Mock(members=[])
    found.state.name, found.type.name = "EMPTY", "CLASSIC"
    return found


def commits(mocker: MockerFixture, offset: int) -> Any:
    return mocker.Mock(topic_partitions=[TopicPartition("t", 0, offset)])


def test_a_group_that_cannot_be_read_is_named_and_the_others_are_shown(mocker: MockerFixture) -> None:
    refused = KafkaError.GROUP_AUTHORIZATION_FAILED
    client = admin_of(
        mocker,
        {"good": description(mocker), "odd": KafkaError._BAD_MSG, "secret": refused, "half": description(mocker)},
        {"good": commits(mocker, 4), "odd": commits(mocker, 5), "secret": refused, "half": refused},
    )
    good, odd, secret, half = groups.described(Cluster("k"), client, ["good", "odd", "secret", "half"])
    assert good == Group("good", "empty", "classic", [], [Progress("t", 0, 4, None, None)])
    assert (odd.state, odd.kind, odd.members, odd.progress) == (None, None, None, [Progress("t", 0, 5, None, None)])
    assert odd.problem is not None
    assert odd.problem.startswith("its state and members cannot be read: Looking up consumer groups at k failed: ")
    assert (secret.state, secret.progress) == (None, [])
    assert secret.problem is not None
    assert "its commits cannot be read: " in secret.problem
    assert (half.state, half.members, half.progress) == ("empty", [], [])


def test_groups_of_which_none_can_be_read_are_an_error(mocker: MockerFixture) -> None:
    refused = KafkaError.GROUP_AUTHORIZATION_FAILED
    client = admin_of(mocker, dict.fromkeys("ab", refused), dict.fromkeys("ab", refused))
    with pytest.raises(ClickstreamError, match="Looking up consumer groups at k failed: "):
        groups.described(Cluster("k"), client, ["a", "b"])
