"""Is this still the log that my offsets belong to?

An offset means something only together with the id of its topic: a topic that was deleted and created again has the
same name, another id, and other records at the same offsets. Nothing else proves that a topic was recreated. An end
below an offset that was read does not: a broker that lags behind may answer so for a moment, and a log that lost
records (all in-sync replicas gone, an unclean election) stays the same topic.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaException

from clickstream.errors import ClickstreamError
from clickstream.kafka import patience
from clickstream.kafka.admin import ask_description, cluster_id, describe
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster, client_for
from clickstream.kafka.errors import explain, is_missing, is_transient
from clickstream.kafka.offsets import Limits, limits
from clickstream.kafka.patience import Stopped, TopicGone

__all__ = ["LogChanged", "LogIdentity", "LostRecords", "Missing", "Recreated", "Truncated", "check", "cluster_id"]

CATCHES_UP_WITHIN_S = 60.0
LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class LogIdentity:
    """A topic, and the id that its broker gave it when it was created."""

    topic: str
    topic_id: str


class LogChanged(ClickstreamError):
    """The log is not any more what the offsets belong to."""


class Missing(LogChanged):
    """The topic does not exist."""


class Recreated(LogChanged):
    """A topic of that name exists, with another id."""


class Truncated(LogChanged):
    """Records were deleted, by retention or by hand, before they were read."""


class LostRecords(LogChanged):
    """The same topic ends before an offset that was read, and does not catch up."""


def identify(
    cluster: Cluster, topic: str, admin: Admin | None = None, *, stop: threading.Event | None = None
) -> LogIdentity:
    """Which log `topic` is now. Waits while Kafka is away, as patience.patiently does with `stop`.

    Raises ClickstreamError when there is no such topic.
    """
    return LogIdentity(topic, describe(cluster, topic, admin, stop=stop).topic_id)


def is_same(
    cluster: Cluster,
    identity: LogIdentity,
    admin: Admin,
    *,
    remedy: str = "",
    stop: threading.Event | None = None,
) -> bool:
    """True when the topic still is `identity`; False when nobody answers that just now, after 6 s at most.

    Once `stop` is set, that takes 3 s at most.

    Asked after records were read and before what they led to is saved, it keeps the records of a recreated topic
    out of the state of the former one. Raises Recreated, Missing (once that was said for
    SURELY_KNOWS_TOPICS_WITHIN_S), or ClickstreamError for what does not pass; `remedy` is the end of their messages:
    what to do next.
    """
    deadline = time.monotonic() + patience.SURELY_KNOWS_TOPICS_WITHIN_S
    while True:
        try:
            hurry = stop is not None and stop.is_set()
            current = ask_description(admin, identity.topic, hurry=hurry).topic_id
            break
        except KafkaException as problem:
            if is_transient(problem):
                return False
            if not is_missing(problem):
                raise explain(problem, f"Describing topic {identity.topic}", cluster.address) from problem
            if time.monotonic() >= deadline:
                raise _missing(identity, cluster, remedy) from problem
        threading.Event().wait(patience.ASK_EVERY_S)
    if current != identity.topic_id:
        raise _recreated(identity, current, remedy)
    return True


def check(
    cluster: Cluster,
    identity: LogIdentity,
    places: Mapping[int, int],
    admin: Admin | None = None,
    *,
    remedy: str = "",
    stop: threading.Event | None = None,
) -> dict[int, Limits]:
    """The limits of the log, which holds all that comes at and after `places`: by partition, the offset to read next.

    Waits while Kafka is away, as patience.patiently does with `stop`, and CATCHES_UP_WITHIN_S for a broker that
    lags behind. Raises Missing, Recreated, Truncated or LostRecords (`remedy` is the end of their messages: what to
    do next), Stopped, or ClickstreamError for what does not pass.
    """
    admin = client_for(cluster, admin)
    deadline: float | None = None
    while True:
        found = _limits(cluster, identity, places, admin, remedy, stop)
        for partition, offset in places.items():
            if offset < found[partition].low:
                raise _truncated(identity, partition, offset, found[partition].low, remedy)
        ahead = {partition: offset for partition, offset in places.items() if offset > found[partition].high}
        if not ahead:
            return found
        deadline = deadline or time.monotonic() + CATCHES_UP_WITHIN_S
        if time.monotonic() >= deadline:
            partition, offset = next(iter(ahead.items()))
            raise _lost(identity, partition, offset, found[partition].high, remedy)
        if (stop or threading.Event()).wait(LOOK_EVERY_S):
            raise Stopped(f"Stopped while the log of {identity.topic} at {cluster.address} caught up.")


def _limits(
    cluster: Cluster,
    identity: LogIdentity,
    partitions: Iterable[int],
    admin: Admin,
    remedy: str,
    stop: threading.Event | None,
) -> dict[int, Limits]:
    try:
        # The id last: if it is the same after the limits were asked, they are of this log.
        found = limits(cluster, identity.topic, admin, partitions=partitions, stop=stop)
        current = describe(cluster, identity.topic, admin, stop=stop).topic_id
    except TopicGone as gone:
        raise _missing(identity, cluster, remedy) from gone
    if current != identity.topic_id:
        raise _recreated(identity, current, remedy)
    return found


def _missing(identity: LogIdentity, cluster: Cluster, remedy: str) -> Missing:
    return Missing(f"Topic {identity.topic} does not exist any more at {cluster.address}. {remedy}".rstrip())


def _recreated(identity: LogIdentity, current: str, remedy: str) -> Recreated:
    return Recreated(
        f"Topic {identity.topic} was recreated: its id was {identity.topic_id}, now it is {current}. {remedy}".rstrip()
    )


def _truncated(identity: LogIdentity, partition: int, offset: int, low: int, remedy: str) -> Truncated:
    return Truncated(
        f"{identity.topic} partition {partition}: offset {offset} comes next, but the log begins at {low}: "
        f"{low - offset} records were deleted before they were read. {remedy}".rstrip()
    )


def _lost(identity: LogIdentity, partition: int, offset: int, high: int, remedy: str) -> LostRecords:
    return LostRecords(
        f"{identity.topic} partition {partition}: offset {offset} comes next, but the log ends at {high}, after "
        f"{CATCHES_UP_WITHIN_S:.0f} s still: the log lost records. {remedy}".rstrip()
    )
