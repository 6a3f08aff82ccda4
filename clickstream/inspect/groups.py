"""Consumer groups: who is in them, how far they are, and how far behind."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    ConsumerGroupDescription,
)

from clickstream.errors import ClickstreamError
from clickstream.inspect import offsets
from clickstream.inspect.names import suggestions
from clickstream.inspect.offsets import Limits, Partition
from clickstream.kafka.admin import REQUEST_TIMEOUT_S, metadata
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.kafka.errors import answer_of, error_of, explain, is_transient

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

RETRY_AFTER_S = 0.1
# A broker that has just started lists no groups, and no error, for 0.1 s before it says that it loads them.
NONE_FOR_S = 0.5


@dataclass(frozen=True)
class Member:
    """Who reads, and what: `client` is a client.id, `host` an address."""

    id: str
    client: str
    host: str
    partitions: list[Partition]


@dataclass(frozen=True)
class TopicMember:
    """A Member as one topic sees it: `partitions` are those of the topic, which may be none."""

    id: str
    client: str
    host: str
    partitions: list[int]


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
        """Offsets between the commit and the end; None when one of them is unknown."""
        return None if self.committed is None or self.end is None else self.end - self.committed


@dataclass(frozen=True)
class Group:
    """`state`, `kind` and `members` are None, or `progress` lacks the commits, where `problem` says why."""

    name: str
    state: str | None
    kind: str | None
    members: list[Member] | None
    progress: list[Progress]
    problem: str | None = None

    @property
    def lag(self) -> int | None:
        """Over all partitions with a commit; None when there is none."""
        known = [one.lag for one in self.progress if one.lag is not None]
        return sum(known) if known else None

    @property
    def topics(self) -> list[str]:
        """That it has commits for, or reads, by name."""
        return sorted({one.topic for one in self.progress})

    def members_on(self, topic: str) -> list[TopicMember] | None:
        """All its members, by client and host; None when they are unknown."""
        if self.members is None:
            return None
        return [
            TopicMember(one.id, one.client, one.host, [number for name, number in one.partitions if name == topic])
            for one in sorted(self.members, key=lambda member: (member.client, member.host, member.id))
        ]


def groups(cluster: Cluster, admin: Admin) -> list[Group]:
    """Every consumer group that the cluster shows us, by name."""
    return described(cluster, admin, _names(cluster, admin))


def group(cluster: Cluster, admin: Admin, name: str) -> Group:
    """Raises ClickstreamError, with the names that look like it, when there is no such group."""
    found = described(cluster, admin, [name])[0]
    if found.state != "dead" or found.progress or found.problem:
        return found
    near = suggestions([name], _names(cluster, admin))
    hint = f"Did you mean {near}?" if near else "See them all with: clickstream groups list"
    raise ClickstreamError(f"Group {name} does not exist at {cluster.address}. {hint}")


def _names(cluster: Cluster, admin: Admin) -> list[str]:
    begun = time.monotonic()
    while True:
        answer = _answer(cluster, lambda: admin.list_consumer_groups(request_timeout=REQUEST_TIMEOUT_S))
        # Each broker lists its own groups; what one of them refuses stands beside what the others have said.
        refusals = [KafkaException(error) for error in answer.errors]
        waited = time.monotonic() - begun
        comes_up = any(map(is_transient, refusals)) or (not answer.valid and waited < NONE_FOR_S)
        if not comes_up or waited > REQUEST_TIMEOUT_S:
            break
        threading.Event().wait(RETRY_AFTER_S)
    for refusal in refusals:
        log.warning("%s Groups may be missing.", explain(refusal, "Listing consumer groups", cluster.address))
    return sorted(listing.group_id for listing in answer.valid)


def described(cluster: Cluster, admin: Admin, names: Iterable[str]) -> list[Group]:
    """The groups of these names, in that order; one that does not exist has the state `dead`.

    One whose members or commits cannot be read says so in its `problem`. Raises ClickstreamError when that is true
    of both, for all groups.
    """

    def describe(name: str) -> "Future[ConsumerGroupDescription]":
        return admin.describe_consumer_groups([name], request_timeout=REQUEST_TIMEOUT_S)[name]

    def commits(name: str) -> "Future[ConsumerGroupTopicPartitions]":
        asked = [ConsumerGroupTopicPartitions(name)]
        return admin.list_consumer_group_offsets(asked, request_timeout=REQUEST_TIMEOUT_S)[name]

    names = list(names)
    if not names:
        return []
    descriptions = _answers(cluster, names, describe)
    commits_of = _answers(cluster, names, commits)
    answers = [*descriptions.values(), *commits_of.values()]
    refusals = [answer for answer in answers if isinstance(answer, ClickstreamError)]
    if len(refusals) == len(answers):
        raise refusals[0]
    committed = {name: _committed(answer) for name, answer in commits_of.items()}
    members = {name: _members(description) for name, description in descriptions.items()}
    limits = _limits(cluster, admin, [*committed.values()], [some or [] for some in members.values()])
    return [
        _group(
            name,
            descriptions[name],
            members[name],
            progress(committed[name], members[name] or [], limits),
            _problem(descriptions[name], commits_of[name]),
        )
        for name in names
    ]


def _group(
    name: str,
    description: ConsumerGroupDescription | ClickstreamError,
    members: list[Member] | None,
    progress: list[Progress],
    problem: str | None,
) -> Group:
    if isinstance(description, ClickstreamError):
        return Group(name, None, None, None, progress, problem)
    return Group(name, description.state.name.lower(), description.type.name.lower(), members, progress, problem)


def _problem(description: object, commits: object) -> str | None:
    """What of a group cannot be read, and why."""
    found = [
        f"its {what} cannot be read: {answer}"
        for what, answer in (("state and members", description), ("commits", commits))
        if isinstance(answer, ClickstreamError)
    ]
    return " ".join(found) or None


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


def _members(description: ConsumerGroupDescription | ClickstreamError) -> list[Member] | None:
    if isinstance(description, ClickstreamError):
        return None
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


def _committed(answer: ConsumerGroupTopicPartitions | ClickstreamError) -> dict[Partition, int]:
    if isinstance(answer, ClickstreamError):
        return {}
    return {(one.topic, one.partition): one.offset for one in answer.topic_partitions or [] if one.offset >= 0}


def _limits(
    cluster: Cluster, admin: Admin, committed: list[dict[Partition, int]], members: list[list[Member]]
) -> dict[Partition, Limits]:
    """Of all the partitions that still exist and have a leader."""
    wanted = {partition for commits in committed for partition in commits}
    wanted |= {partition for some in members for member in some for partition in member.partitions}
    led = offsets.led(metadata(cluster, admin), {topic for topic, _ in wanted})
    return offsets.limits(cluster, admin, sorted(wanted.intersection(led)))


def _answers(
    cluster: Cluster, names: Iterable[str], ask: "Callable[[str], Future[Answer]]"
) -> dict[str, Answer | ClickstreamError]:
    """All asked at once; one group's refusal is no obstacle to the others."""
    futures = {name: ask(name) for name in names}
    answers: dict[str, Answer | ClickstreamError] = {}
    for name, future in futures.items():
        try:
            answers[name] = _answer(cluster, partial(ask, name), future)
        except ClickstreamError as refusal:
            answers[name] = refusal
    return answers


def _answer(cluster: Cluster, ask: "Callable[[], Future[Answer]]", first: "Future[Answer] | None" = None) -> Answer:
    """What `first`, or else `ask` says, asked again while the groups' coordinator comes up."""
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    future = first or ask()
    while True:
        try:
            return answer_of(future)
        except KafkaException as problem:
            error = error_of(problem)
            if error is not None and error.code() == KafkaError._DESTROY:
                # What librdkafka says of an answer that it cannot parse: an assignment of a client of another kind.
                raise ClickstreamError(
                    f"the client library does not understand the answer of {cluster.address} ({error.str()}). "
                    "Is a client of another kind in the group?"
                ) from problem
            # For a moment after a broker's start, and after the first group ever, nobody answers for groups.
            if not is_transient(problem) or time.monotonic() > deadline:
                raise explain(problem, "Looking up consumer groups", cluster.address) from problem
        threading.Event().wait(RETRY_AFTER_S)
        future = ask()
