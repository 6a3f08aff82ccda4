"""The counter's result, and the proof of it: how far the group that counts has come, partition by partition."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from confluent_kafka import Message

from clickstream.inspect.lags import ahead
from clickstream.inspect.offsets import Ends, Limits
from clickstream.inspect.rates import TopicList
from clickstream.inspect.render import timestamp_of
from clickstream.records import CounterState, Status, Tally
from clickstream.ui.keyed import Keyed, reader
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState


class Told(msgspec.Struct, frozen=True):
    """A tally; `at` is when it was written, epoch ms (None: unknown), `groups` how many groups have one: this is the
    newest."""

    group: str
    counts: dict[str, int]
    total: int
    at: int | None
    groups: int


class Counted(msgspec.Struct, frozen=True):
    """Offsets, added up over partitions; None is not known, also when it is not known of one of the partitions.

    `end`: where the topic ends, `passed`: up to where the counter has saved its counts, `behind` how many records are
    between, and `counted` how many records those counts are of. `passed` and `counted` are the same moment's, in one
    record for each partition: their difference are records that were deleted before they were counted, or have no name.
    """

    topic: str
    partitions: int
    end: int | None
    passed: int | None
    behind: int | None
    counted: int | None


class Ran(msgspec.Struct, frozen=True):
    """What the parts that run say of themselves since their start: producers of the topic, and counters of it."""

    producers: int
    acknowledged: int
    counters: int
    counted: int
    dead_letters: int


class Tallies:
    """Listens to the tallies, and to the saved counts of the group with the newest one. For one thread at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tallies = Keyed(services, services.settings["run-counter.to-topic"], _told)
        self._states: tuple[str, Keyed[CounterState]] | None = None
        self._known: dict[int, tuple[int, int]] = {}  # by partition: the next offset, and since when it is known

    def topic(self) -> TopicState:
        return self._tallies.topic()

    def told(self) -> Told | None:
        """The newest tally; None before the first one."""
        found = list(self._tallies.rows())
        if not found:
            return None
        newest = max(found, key=lambda one: -1 if one.at is None else one.at)
        return msgspec.structs.replace(newest, groups=len(found))

    def proof(self, told: Told | None, topics: TopicList | None, now: int) -> Counted:
        """How far the group of `told` is at `now`, epoch ms; `topics` tell where the one that it counts ends."""
        topic = self._services.settings["run-counter.from-topic"]
        states = saved(self._saved_counts(told.group)) if told is not None else {}
        if states:
            topic = next(iter(states.values())).topic
        self._note(states, now)
        partitions = {} if topics is None else topics.leaders.get(topic, {})
        limits = {} if topics is None else self._limits(topic, partitions, topics.ends)
        complete = bool(limits) and len(limits) == len(partitions)
        behind = sum(
            ahead(states[number].next_offset if number in states else limit.low, limit)
            for number, limit in limits.items()
        )
        return Counted(
            topic=topic,
            partitions=len(partitions),
            end=sum(limit.high for limit in limits.values()) if complete else None,
            passed=sum(one.next_offset for one in states.values()) if states else None,
            behind=behind if complete and states else None,
            counted=sum(sum(one.counts.values()) for one in states.values()) if states else None,
        )

    def _note(self, states: Mapping[int, CounterState], now: int) -> None:
        """Since when each place is known: the ends of topics are of a moment of their own."""
        known = self._known
        self._known = {
            number: known[number] if number in known and known[number][0] == one.next_offset else (one.next_offset, now)
            for number, one in states.items()
        }

    def _limits(self, topic: str, partitions: Iterable[int], ends: Ends) -> dict[int, Limits]:
        """Of those partitions of which they are known."""
        found = {}
        for number in partitions:
            place, known_at = self._known.get(number, (0, 0))
            limit = ends.of((topic, number), place, known_at / 1000)
            if limit is not None:
                found[number] = limit
        return found

    def close(self) -> None:
        self._tallies.close()
        if self._states is not None:
            self._states[1].close()

    def _saved_counts(self, group: str) -> list[CounterState]:
        if self._states is None or self._states[0] != group:
            if self._states is not None:
                self._states[1].close()
            self._states = group, Keyed(self._services, f"{group}-state", reader(CounterState))
        return list(self._states[1].rows())


def _told(message: Message) -> Told | None:
    try:
        tally = Tally.decode(message.value() or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    group = (message.key() or b"").decode("utf-8", "replace")
    return Told(group, tally.counts, tally.total, timestamp_of(message), 1)


def saved(states: list[CounterState]) -> dict[int, CounterState]:
    """The most advanced of each partition, of the newest epoch."""
    epoch = max((one.epoch for one in states), default=0)
    found: dict[int, CounterState] = {}
    for one in sorted((one for one in states if one.epoch == epoch), key=lambda state: state.next_offset):
        found[one.partition] = one
    return found


def ran(statuses: list[Status], topic: str) -> Ran:
    """What the parts that run say of `topic`."""

    def of(kind: str) -> list[dict[str, int]]:
        return [one.totals for one in statuses if one.kind == kind and topic in one.topics]

    def total(totals: list[dict[str, Any]], name: str) -> int:
        return sum(one.get(name, 0) for one in totals)

    producers, counters = of("producer"), of("counter")
    return Ran(
        producers=len(producers),
        acknowledged=total(producers, "acknowledged"),
        counters=len(counters),
        counted=total(counters, "counted"),
        dead_letters=total(counters, "dead_letters"),
    )
