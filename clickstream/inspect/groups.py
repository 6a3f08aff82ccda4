"""Consumer groups: who is in them, how far they are, and how far behind."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    AdminClient,
    ConsumerGroupDescription,
)

from clickstream.errors import ClickstreamError
from clickstream.inspect import offsets
from clickstream.inspect.names import suggestions
from clickstream.inspect.offsets import Limits, Partition
from clickstream.kafka.clients import Cluster, error_of, explain
from clickstream.topics import REQUEST_TIMEOUT_S

Answer = TypeVar("Answer")

RETRY_AFTER_S = 0.1

# For a moment after a broker's start, and after the first group ever, nobody answers for groups.
_SOON = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)


@dataclass(frozen=True)
class Member:
    id: str
    client: str
    host: str
    partitions: list[Partition]


@dataclass(frozen=True)
class Progress:
    """One partition: `committed` is the offset that the group reads next. None is unknown.

    `lag` counts offsets, so at most that many records. It is negative when the commit lies beyond the end: the
    topic was recreated.
    """

    topic: str
    partition: int
    committed: int | None
    end: int | None
    member: Member | None

    @property
    def lag(self) -> int | None:
        return None if self.committed is None or self.end is None else self.end - self.committed


@dataclass(frozen=True)
class Group:
    name: str
    state: str
    kind: str
    members: list[Member]
    progress: list[Progress]

    @property
    def lag(self) -> int | None:
        """Over all partitions with a commit; None when there is none."""
        known = [one.lag for one in self.progress if one.lag is not None]
        return sum(known) if known else None

    @property
    def topics(self) -> list[str]:
        return sorted({one.topic for one in self.progress})


def groups(cluster: Cluster, admin: AdminClient) -> list[Group]:
    """Every consumer group that the cluster shows us, by name."""
    return described(cluster, admin, _names(cluster, admin))


def group(cluster: Cluster, admin: AdminClient, name: str) -> Group:
    """Raises ClickstreamError, with the names that look like it, when there is no such group."""
    found = described(cluster, admin, [name])[0]
    if found.state != "dead" or found.progress:
        return found
    near = suggestions([name], _names(cluster, admin))
    hint = f"Did you mean {near}?" if near else "See them all with: clickstream groups list"
    raise ClickstreamError(f"Group {name} does not exist at {cluster.address}. {hint}")


def _names(cluster: Cluster, admin: AdminClient) -> list[str]:
    answer = _answer(cluster, lambda: admin.list_consumer_groups(request_timeout=REQUEST_TIMEOUT_S))
    return sorted(listing.group_id for listing in answer.valid)


def described(cluster: Cluster, admin: AdminClient, names: Iterable[str]) -> list[Group]:
    """The groups of these names, in that order; one that does not exist has the state `dead`."""

    def describe(name: str) -> "Future[ConsumerGroupDescription]":
        return admin.describe_consumer_groups([name], request_timeout=REQUEST_TIMEOUT_S)[name]

    def commits(name: str) -> "Future[ConsumerGroupTopicPartitions]":
        asked = [ConsumerGroupTopicPartitions(name)]
        return admin.list_consumer_group_offsets(asked, request_timeout=REQUEST_TIMEOUT_S)[name]

    names = list(names)
    if not names:
        return []
    descriptions = _answers(cluster, names, describe)
    committed = {name: _committed(answer) for name, answer in _answers(cluster, names, commits).items()}
    members = {name: _members(description) for name, description in descriptions.items()}
    limits = _limits(cluster, admin, [*committed.values()], [*members.values()])
    return [
        Group(
            name=name,
            state=descriptions[name].state.name.lower(),
            kind=descriptions[name].type.name.lower(),
            members=members[name],
            progress=progress(committed[name], members[name], limits),
        )
        for name in names
    ]


def progress(
    committed: Mapping[Partition, int], members: Iterable[Member], limits: Mapping[Partition, Limits]
) -> list[Progress]:
    """Every partition that the group committed or that a member reads, in order."""
    owners = {partition: member for member in members for partition in member.partitions}
    return [
        Progress(
            topic=partition[0],
            partition=partition[1],
            committed=committed.get(partition),
            end=limits[partition].high if partition in limits else None,
            member=owners.get(partition),
        )
        for partition in sorted({*committed, *owners})
    ]


def _members(description: ConsumerGroupDescription) -> list[Member]:
    return [
        Member(
            id=member.member_id,
            client=member.client_id,
            host=member.host.lstrip("/"),
            partitions=sorted((one.topic, one.partition) for one in member.assignment.topic_partitions)
            if member.assignment
            else [],
        )
        for member in description.members
    ]


def _committed(answer: ConsumerGroupTopicPartitions) -> dict[Partition, int]:
    return {(one.topic, one.partition): one.offset for one in answer.topic_partitions or [] if one.offset >= 0}


def _limits(
    cluster: Cluster, admin: AdminClient, committed: list[dict[Partition, int]], members: list[list[Member]]
) -> dict[Partition, Limits]:
    """Of all the partitions that still exist and have a leader."""
    wanted = {partition for commits in committed for partition in commits}
    wanted |= {partition for some in members for member in some for partition in member.partitions}
    led = offsets.led(offsets.metadata(cluster, admin), {topic for topic, _ in wanted})
    return offsets.limits(cluster, admin, sorted(wanted.intersection(led)))


def _answers(cluster: Cluster, names: Iterable[str], ask: "Callable[[str], Future[Answer]]") -> dict[str, Answer]:
    """All asked at once."""
    futures = {name: ask(name) for name in names}
    return {name: _answer(cluster, partial(ask, name), future) for name, future in futures.items()}


def _answer(cluster: Cluster, ask: "Callable[[], Future[Answer]]", first: "Future[Answer] | None" = None) -> Answer:
    """What `first`, or else `ask` says, asked again while the groups' coordinator comes up."""
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    future = first or ask()
    while True:
        try:
            return future.result()
        except KafkaException as problem:
            error = error_of(problem)
            if error is None or error.code() not in _SOON or time.monotonic() > deadline:
                raise explain(problem, "Looking up consumer groups", cluster.address) from problem
        threading.Event().wait(RETRY_AFTER_S)
        future = ask()
