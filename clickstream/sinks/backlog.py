"""What a sink has still to read of a topic, told before it runs: nothing is changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clickstream.kafka import log as kafka_log
from clickstream.kafka.clients import Cluster
from clickstream.kafka.offsets import Limits, limits
from clickstream.sinks.model import Place


@dataclass
class Backlog:
    """Of one topic: at most `behind` records are to be read; `started`: the sink has written of it before.

    `problems` are what stands in the way, with the way out.
    """

    behind: int
    started: bool
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """For people: `at most 1,200 more records to read`."""
        return f"at most {self.behind:,} {'more ' if self.started else ''}records to read"


def backlog(cluster: Cluster, topic: str, places: Mapping[int, Place], *, begins_at_end: bool = False) -> Backlog:
    """What lies between the places of a sink, by partition, and the end. Raises ClickstreamError.

    `begins_at_end`: a partition without a place is read from where it ends now.
    """
    identity = kafka_log.identify(cluster, topic)
    found = Backlog(0, bool(places))
    if any(place.topic_id != identity.topic_id for place in places.values()):
        found.problems.append(
            f"Topic {topic} was recreated: what the sink wrote is of the one before. --reset deletes it, and begins "
            "from the start."
        )
    for number, limit in limits(cluster, topic).items():
        if number not in places and begins_at_end:
            continue
        found.behind += _behind(number, limit, places, topic, found.problems)
    return found


def _behind(number: int, limit: Limits, places: Mapping[int, Place], topic: str, problems: list[str]) -> int:
    begin = places[number].offset if number in places else limit.low
    if begin < limit.low:
        problems.append(
            f"Topic {topic} partition {number}: {limit.low - begin:,} records were deleted before they were read. "
            "--reset begins from what is there."
        )
    return max(0, limit.high - max(begin, limit.low))
