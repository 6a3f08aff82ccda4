"""A Kafka supervisor of Druid: what it reads, and how far it is.

Druid stores offsets with the segments that they belong to, and does not tell them. Its tasks do tell where they
began, which is what was stored then, and where they are; an error about a stored offset names it.
https://druid.apache.org/docs/latest/ingestion/supervisor
"""

import re
from dataclasses import dataclass
from typing import Any

from clickstream.druid.api import Api, NotFound, no_druid
from clickstream.errors import ClickstreamError

# In the errors of a supervisor whose stored offset is outside of the log.
_STORED = re.compile(r"sequenceNumber ?\[(\d+)\] is no longer available for partition ?\[[^\]]*?(\d+)\D*\]")


@dataclass(frozen=True)
class Place:
    """How far Druid is in a partition: everything before `published` is in segments, before `read` in a task, too.

    `read` is None where only a task that publishes could tell, and does not.
    """

    published: int
    read: int | None


@dataclass(frozen=True)
class Supervisor:
    """`state` is as Druid names it, RUNNING for example; `places` by partition, as far as Druid tells them.

    `bootstrap` are the brokers that it reads from. `from_earliest` says where it begins without stored offsets.
    `error` is the latest one that it had lately, or "".
    """

    id: str
    topic: str
    bootstrap: str
    from_earliest: bool
    suspended: bool
    healthy: bool
    state: str
    places: dict[int, Place]
    error: str


def look_up(api: Api, name: str) -> Supervisor:
    """A supervisor as it is now; Druid asks its tasks for their offsets every 30 s. Raises ClickstreamError."""
    try:
        spec, status = api.supervisor(name), api.supervisor(name, "status")
    except NotFound:
        known = ", ".join(api.supervisors()) or "none"
        raise ClickstreamError(f"Druid at {api.url} has no supervisor {name}. There are: {known}.") from None
    try:
        return _supervisor(name, spec, status["payload"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise no_druid(api.url) from error


def _supervisor(name: str, spec: dict[str, Any], status: dict[str, Any]) -> Supervisor:
    if spec["type"] != "kafka":
        raise ClickstreamError(f"Supervisor {name} is of type {spec['type']}: only those that read Kafka are checked.")
    reads = spec["spec"]["ioConfig"]
    if not reads.get("topic"):
        raise ClickstreamError(f"Supervisor {name} reads topics by a pattern: only those of one topic are checked.")
    errors = [str(one.get("message") or one.get("exceptionClass")) for one in status.get("recentErrors") or []]
    return Supervisor(
        name,
        reads["topic"],
        str(reads["consumerProperties"].get("bootstrap.servers", "")),
        bool(reads.get("useEarliestOffset")),
        bool(status["suspended"]),
        bool(status["healthy"]),
        str(status["detailedState"]),
        _places(status, errors),
        errors[-1] if errors else "",
    )


def _places(status: dict[str, Any], errors: list[str]) -> dict[int, Place]:
    """Of the tasks that read and those that publish; else of what errors name."""
    found: dict[int, Place] = {}
    for state in ("publishingTasks", "activeTasks"):  # in this order: one begins where the other ends
        for task in status.get(state) or []:
            current = task.get("currentOffsets") or {}
            for partition, offset in (task.get("startingOffsets") or {}).items():
                number, begun = int(partition), int(offset)
                # Until it is asked for the first time an active task is where it began, at least.
                read = current.get(partition, begun if state == "activeTasks" else None)
                found[number] = _later(found.get(number), Place(begun, None if read is None else int(read)))
    for error in errors:
        for offset, partition in _STORED.findall(error):
            found.setdefault(int(partition), Place(int(offset), int(offset)))
    return found


def _later(before: Place | None, place: Place) -> Place:
    """Of two tasks, replicas for example: what the first of them began with is not published yet."""
    if before is None:
        return place
    known = [read for read in (before.read, place.read) if read is not None]
    return Place(min(before.published, place.published), max(known, default=None))
