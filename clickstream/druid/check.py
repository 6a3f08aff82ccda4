"""What a supervisor has read beside what its topic holds, and what a reset would cost."""

from collections.abc import Mapping
from dataclasses import dataclass

from clickstream.druid.api import Api
from clickstream.druid.supervisor import Place, Supervisor, look_up
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.kafka.offsets import Limits, beginnings, ends
from clickstream.kafka.patience import TopicGone


@dataclass(frozen=True)
class Partition:
    """One partition: `place` is None where Druid tells none, `limits` where the topic has no such partition.

    All figures are offsets, so at most that many records: transactions and compaction leave offsets without one.
    """

    number: int
    place: Place | None
    limits: Limits | None

    @property
    def lag(self) -> int | None:
        """From where Druid is to the end; negative beyond it."""
        if self.place is None or self.place.read is None or self.limits is None:
            return None
        return self.limits.high - self.place.read

    @property
    def problem(self) -> str:
        """What is wrong, in words; "" if nothing is."""
        if self.limits is None:
            return "the topic has no such partition any more: it was recreated"
        if self.place is None:
            return "Druid does not tell where it is"
        low, high = self.limits.low, self.limits.high
        # Where a task that publishes does not tell yet how far it had read, it was there at least.
        read = self.place.published if self.place.read is None else self.place.read
        if read > high:
            return f"Druid is at {read}, the log ends at {high}: the topic was recreated, or lost records"
        if self.place.read is None:
            return "Druid does not tell where it is; ask again in half a minute"
        if read < low:
            return f"Druid is at {read}, the log begins at {low}: {low - read} records were deleted before it read them"
        return ""


@dataclass(frozen=True)
class Reset:
    """What a hard reset would do, by the spec's useEarliestOffset.

    `read` are records that Druid would read then, `doubled` those of them that its segments have already: there twice
    afterwards. `lost` are in no segment and would not be read: Kafka has them no more, or the reset skips them. Both
    are None where Druid does not tell how far it is.
    """

    earliest: bool
    read: int = 0
    doubled: int | None = 0
    lost: int | None = 0

    def __add__(self, other: "Reset") -> "Reset":
        doubled, lost = _sum(self.doubled, other.doubled), _sum(self.lost, other.lost)
        return Reset(self.earliest, self.read + other.read, doubled, lost)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


@dataclass(frozen=True)
class Check:
    """A supervisor and its topic. `problems` are sentences without their full stop; none: all is well."""

    supervisor: Supervisor
    partitions: list[Partition]
    problems: list[str]
    reset: Reset


def check(cluster: Cluster, admin: Admin, api: Api, name: str) -> Check:
    """Druid's supervisor `name` beside its topic. Raises ClickstreamError when Druid or Kafka do not tell."""
    topic = look_up(api, name).topic
    try:
        # Beginnings before Druid, ends after it: what moves meanwhile makes nothing look wrong.
        low = beginnings(cluster, topic, admin)
        found = look_up(api, name)
        high = ends(cluster, topic, admin, partitions=low)
    except TopicGone:
        return judge(look_up(api, name), {})
    return judge(found, {number: Limits(low[number], high[number]) for number in low})


def judge(found: Supervisor, limits: Mapping[int, Limits]) -> Check:
    """What is wrong, and what a reset costs; without limits there is no topic."""
    partitions = [
        Partition(number, found.places.get(number), limits.get(number)) for number in sorted({*found.places, *limits})
    ]
    problems = _of_the_supervisor(found)
    if not limits:
        problems.append(f"topic {found.topic} does not exist")
    elif found.places:
        problems += [f"{found.topic} partition {one.number}: {one.problem}" for one in partitions if one.problem]
    reset = sum((_reset(found, one) for one in partitions), Reset(found.from_earliest))
    return Check(found, partitions, problems, reset)


def _of_the_supervisor(found: Supervisor) -> list[str]:
    problems = []
    if found.suspended:
        problems.append(f"supervisor {found.id} is suspended: it reads nothing")
    elif not found.healthy:
        problems.append(f"supervisor {found.id} is {found.state}")
    if not found.healthy and found.error:
        problems.append(f"its last error: {found.error.rstrip('.')}")
    if not found.places:
        problems.append("Druid has no task that tells how far it is")
    return problems


def _reset(found: Supervisor, one: Partition) -> Reset:
    earliest, place = found.from_earliest, one.place
    low, high = (one.limits.low, one.limits.high) if one.limits else (0, 0)
    if place is None:
        return Reset(earliest, high - low if earliest else 0, None, None)
    # A reset ends the tasks: what only they have has to come from Kafka once more.
    published, read = place.published, place.read or place.published
    if read > high:  # other records than those that were read: nothing is there twice, what only tasks have is lost
        skipped = 0 if earliest else high - low
        return Reset(earliest, high - low - skipped, 0, read - published + skipped)
    if earliest:
        return Reset(True, high - low, max(0, published - low), max(0, low - published))
    return Reset(False, 0, 0, high - published)
