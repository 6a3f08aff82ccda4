"""What the server remembers, and the panels that show it again."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from clickstream.errors import ClickstreamError
from clickstream.inspect.groups import Group, Member, Progress, TopicMember
from clickstream.inspect.lags import SeenTimes
from clickstream.inspect.offsets import Limits
from clickstream.inspect.rates import TopicLine, TopicList
from clickstream.inspect.refreshed import Fixed
from clickstream.inspect.refreshed import Seen as Looked
from clickstream.parts.status import Seen
from clickstream.records import Position, RunningSql, Status
from clickstream.ui.panels import PANELS
from clickstream.ui.panels.contract import At, StateKind
from clickstream.ui.panels.sources import BUCKET_MS
from clickstream.ui.panels.topic import Params
from clickstream.ui.remembered.asof import EVERY_MS, STANDS_FOR_MS, PastPanel, past
from clickstream.ui.remembered.moment import Moment, Others, Partition, Parts, packed
from clickstream.ui.remembered.ring import OVERHEAD_BYTES, Ring
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState
from clickstream.ui.views import decode
from clickstream.ui.watching import Watching
from clickstream.ui.wire import Number

NOW = 1_795_900_000_000
HOUR_MS = 3_600_000
STATE = TopicState("status", "live", 0, "", "")
AWAY = "Kafka is away."


def ats(ring: Ring) -> list[int]:
    return [one.at for one in ring.between(0, NOW * 2)]


def test_the_ring_keeps_what_is_young_enough() -> None:
    ring = Ring(keeps_ms=30_000)
    for number in range(10):
        ring.add(NOW + number * 10_000, (b"%d" % number,))
    assert ats(ring) == [NOW + 60_000, NOW + 70_000, NOW + 80_000, NOW + 90_000]
    assert ring.first == NOW + 60_000
    assert ring.bytes == 4 * (OVERHEAD_BYTES + 1)


def test_the_ring_has_room_for_so_many_bytes_and_drops_the_oldest() -> None:
    ring = Ring(HOUR_MS, max_bytes=3 * (OVERHEAD_BYTES + 100))
    for number in range(1_000):
        ring.add(NOW + number, (b"%100d" % number,))
        assert ring.bytes <= 3 * (OVERHEAD_BYTES + 100)
    assert ats(ring) == [NOW + 997, NOW + 998, NOW + 999]
    ring.add(NOW + 1_000, (bytes(10_000),))
    assert len(ring) == 1, "the newest is always there"
    ring.add(NOW + 1_001, (b"",))
    assert (len(ring), ring.bytes) == (1, OVERHEAD_BYTES), "and no byte of what is gone is counted any more"


def test_what_did_not_change_is_kept_once() -> None:
    ring = Ring(HOUR_MS)
    for number in range(5):
        ring.add(NOW + number, (bytes([number]) * 10, bytes(1_000)))
    assert ring.bytes == 5 * (OVERHEAD_BYTES + 10) + 1_000
    held = ring.between(NOW, NOW + 4)
    assert held[0].pieces[1] is held[4].pieces[1]


def test_the_newest_that_is_not_later_answers() -> None:
    ring = Ring(HOUR_MS)
    assert (ring.at(NOW), ring.first) == (None, None)
    for at in (NOW, NOW + 10, NOW + 20):
        ring.add(at, (b"",))
    found = [one and one.at for one in map(ring.at, (NOW - 1, NOW, NOW + 9, NOW + 10, NOW + 99))]
    assert found == [None, NOW, NOW, NOW + 10, NOW + 20]
    assert [one.at for one in ring.between(NOW + 1, NOW + 20)] == [NOW + 10, NOW + 20]


def test_a_clock_that_is_set_back_leaves_the_order() -> None:
    ring = Ring(HOUR_MS)
    for at in (NOW, NOW + 10, NOW + 20, NOW + 5):
        ring.add(at, (b"%d" % at,))
    assert ats(ring) == [NOW, NOW + 5]
    assert ring.bytes == 2 * (OVERHEAD_BYTES + len(str(NOW)))


# --- moments


def line(name: str, rate: float | None = 1.0, size: int | None = None) -> TopicLine:
    return TopicLine(name, False, 2, 1, 100, False, size, NOW, rate, [1.0, 2.0], "delete", -1)


def topics(at: int, high: int, rate: float | None = 1.0, problem: str = "") -> Looked[TopicList]:
    leaders = {"clicks": {0: Partition(1, [1, 2], [1], None, None), 1: Partition(-1, [1], [], None, None)}}
    found = TopicList([line("clicks", rate, 7 * high)], {("clicks", 0): Limits(10, high)}, leaders, at / 1000)
    return Looked(found, at / 1000, problem)


def status(kind: str, next_offset: int, **rates: float) -> Status:
    places = [Position("clicks", 0, next_offset, "clicks", NOW)] if next_offset else []
    return Status(f"{kind}-1", kind, "h", "2026-11-28T10:00:00UTC", "running", rates, ["clicks"], positions=places)


def add(ring: Ring, at: int, high: int, *, rate: float | None = 1.0, behind: int = 0, **others: Any) -> None:
    progress = [Progress("clicks", 0, high - behind, high, Member("m", "c", "h", [("clicks", 0)]))]
    groups = [Group("readers", "stable", "classic", [Member("m", "c", "h", [("clicks", 0)])], progress)]
    made = status("generate-web", 0, acknowledged=rate or 0.0)
    parts = [Seen(made, at / 1000), Seen(status("tables", high - 2), at / 1000)]
    sql = [RunningSql("tables-1", "a.sql", "SELECT 1", {})]
    found = packed(topics(at, high, rate), Looked(groups, at / 1000), Parts(STATE, parts), sql, Others(**others))
    ring.add(at, found)


def add_outage(ring: Ring, since: int, until: int, high: int, rate: float | None = 1.0) -> None:
    """Kafka is away after `since`: all that is known is of then."""
    progress = [Progress("clicks", 0, high - 5, high, None)]
    groups = Looked([Group("readers", "stable", "classic", [], progress)], since / 1000, AWAY)
    for at in range(since + EVERY_MS, until + 1, EVERY_MS):
        ring.add(at, packed(topics(since, high, rate, AWAY), groups, Parts(STATE, []), [], Others()))


def services(ring: Ring, now: int, parts: Sequence[Seen] = ()) -> Services:
    missing: Fixed[Any] = Fixed(Looked(None, 0.0))
    found = SimpleNamespace(parts=lambda _now=None: list(parts), running_sql=dict, requests=dict, topic=lambda: STATE)
    settings = {
        "status-topic": "status",
        "dead-letter-topic": "dead",
        "control-topic": "control",
        "collect.loss-topic": "loss",
    }
    return Services(
        cluster=cast(Any, SimpleNamespace(data_dir=None)),
        settings=cast(Any, settings),
        hub=cast(Any, None),
        statuses=cast(Any, found),
        watching=Watching(missing, missing, missing),
        hints=cast(Any, SimpleNamespace(command=lambda topic: f"make {topic}")),
        clock=lambda: now,
        memory=ring,
    )


def shown(panel: str, ring: Ring, params: Any, now: int = NOW + HOUR_MS) -> Any:
    kind = PANELS[panel]
    assert isinstance(kind, StateKind)
    return kind.make(services(ring, now), params).state(now)


def test_a_moment_is_read_as_it_was_written() -> None:
    ring = Ring(HOUR_MS)
    numbers = {"topics": Number(3, words="topics")}
    add(ring, NOW, 50, numbers=numbers, collected=b"{}")
    snapshot = ring.at(NOW)
    assert snapshot is not None
    found = Moment(snapshot)
    seen = found.topics.answer
    assert seen is not None
    assert (found.at, found.topics.at, found.topics.problem) == (NOW, NOW / 1000, "")
    assert seen.limits == {("clicks", 0): Limits(10, 50)}
    assert [(one.leader, one.replicas, one.isrs) for one in seen.leaders["clicks"].values()] == [
        (1, [1, 2], [1]),
        (-1, [1], []),
    ]
    assert (seen.lines[0].name, seen.lines[0].size, seen.lines[0].history) == ("clicks", 350, [])
    [group] = found.groups.answer or []
    assert (group.name, group.lag, group.members) == ("readers", 0, [Member("m", "c", "h", [("clicks", 0)])])
    assert [one.status.kind for one in found.parts.parts] == ["generate-web", "tables"]
    assert [one.sql for one in found.sql] == ["SELECT 1"]
    assert (found.others.numbers, found.others.collected) == (numbers, b"{}")


def test_before_there_was_an_answer_the_moment_has_none() -> None:
    ring = Ring(HOUR_MS)
    ring.add(NOW, packed(Looked(None, 0.0, "Kafka is away."), Looked(None, 0.0), Parts(STATE, []), [], Others()))
    assert (shown("topics", ring, At(NOW)).problem, shown("flow", ring, At(NOW)).files) == ("Kafka is away.", [])


def test_topics_are_as_they_were_with_the_rates_up_to_then() -> None:
    ring = Ring(HOUR_MS)
    for number in range(4):
        add(ring, NOW + number * EVERY_MS, 100 + number, rate=float(number), behind=number)
    found = shown("topics", ring, At(NOW + 2 * EVERY_MS + 9_999))
    [topic] = found.topics
    assert found.at == NOW + 2 * EVERY_MS
    assert (topic.rate, topic.lag, topic.kind) == (2.0, 2, "source")
    assert topic.history == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]


def test_the_first_rate_after_an_outage_is_the_mean_of_it_and_before_nothing_is_made_up() -> None:
    ring = Ring(HOUR_MS)
    add(ring, NOW, 100, rate=None)
    add(ring, NOW + EVERY_MS, 100, rate=8.0)
    add_outage(ring, NOW + EVERY_MS, NOW + 4 * EVERY_MS, 100, rate=8.0)
    add(ring, NOW + 5 * EVERY_MS, 110, rate=2.0)
    histories = [shown("topics", ring, At(NOW + number * EVERY_MS)).topics[0].history for number in range(6)]
    assert histories == [[], [8.0] * 2, [8.0] * 2, [8.0] * 2, [8.0] * 2, [8.0] * 2 + [2.0] * 8]
    add(ring, NOW + 6 * EVERY_MS, 1, rate=None)
    assert shown("topics", ring, At(NOW + 6 * EVERY_MS)).topics[0].history == [], "it was recreated"


def test_a_topic_has_the_offsets_and_groups_of_then() -> None:
    ring = Ring(HOUR_MS)
    for number in range(31):
        add(ring, NOW + number * EVERY_MS, 100 + number * 10, behind=5)
    at = NOW + 30 * EVERY_MS
    found = shown("topic", ring, Params(at=at, topic="clicks"))
    assert [(one.low, one.high, one.leader) for one in found.partitions] == [("10", "400", 1), (None, None, None)]
    assert (found.partitions[0].rate, found.partitions[0].history[-1], found.bytes_per_s) == (1.0, 1.0, 7.0)
    readers = {one.name: one for one in found.readers}
    assert (readers["readers"].lag, readers["readers"].seconds, readers["readers"].trend) == (5, 5.0, "steady")
    assert readers["readers"].members == [TopicMember("m", "c", "h", [0])], "who was in it"
    assert (readers["tables"].lag, readers["tables"].seconds, readers["tables"].members) == (2, 2.0, None)
    assert found.settings is None
    assert shown("topic", ring, Params(at=at, topic="other")).there is False


def test_long_after_kafka_went_away_a_topic_has_the_readers_of_its_last_answer() -> None:
    ring = Ring(HOUR_MS)
    for number in range(20):
        add(ring, NOW + number * EVERY_MS, 100 + number * 10, behind=5)
    add_outage(ring, NOW + 19 * EVERY_MS, NOW + 61 * EVERY_MS, 290)
    found = shown("topic", ring, Params(at=NOW + 60 * EVERY_MS, topic="clicks"))
    assert (found.problem, found.at, found.there) == (AWAY, NOW + 19 * EVERY_MS, True)
    assert [(one.name, one.lag, one.seconds) for one in found.readers] == [("readers", 5, 5.0)]


def test_parts_are_as_they_were_with_their_rates_up_to_then() -> None:
    ring = Ring(HOUR_MS)
    for number in range(4):
        add(ring, NOW + number * EVERY_MS, 100, rate=float(number))
    found = shown("sources", ring, At(NOW + 2 * EVERY_MS))
    assert found.at == NOW + 2 * EVERY_MS
    assert [(one.kind, one.state) for one in found.parts] == [("generate-web", "running"), ("tables", "running")]
    assert found.parts[0].history == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]
    now = NOW + 3 * EVERY_MS
    made = Seen(status("generate-web", 0, acknowledged=9.0), now / 1000)
    live = PANELS["sources"].make(services(ring, now, [made]), At())
    [part] = cast(Any, live).state(now + BUCKET_MS).parts
    assert part.history == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 9.0], "what is remembered goes before"


def test_numbers_beside_pages_are_those_of_then() -> None:
    ring = Ring(HOUR_MS)
    add(ring, NOW, 100, numbers={"topics": Number(3)})
    add(ring, NOW + EVERY_MS, 100, numbers={"topics": Number(4)})
    kind: Any = PANELS["numbers"]
    panel = kind.make(services(ring, NOW + HOUR_MS), kind.params(at=NOW + 1))
    assert (panel.state(NOW + HOUR_MS).at, panel.state(NOW + HOUR_MS).numbers) == (NOW, {"topics": Number(3)})
    add(ring, NOW + 3 * HOUR_MS, 100)
    assert ring.at(NOW) is None
    assert panel.state(NOW + 3 * HOUR_MS).numbers == {"topics": Number(3)}, "what was shown stays"
    early = kind.make(services(ring, NOW + HOUR_MS), kind.params(at=NOW - 1)).state(NOW + HOUR_MS)
    assert (early.at, early.numbers) == (None, {})
    assert "does not reach back so far" in early.words


@pytest.mark.parametrize(
    ("at", "words"),
    [(NOW - 1, "does not reach back so far"), (NOW + STANDS_FOR_MS + 1, "stood still")],
)
def test_what_is_not_remembered_is_said(at: int, words: str) -> None:
    ring = Ring(HOUR_MS)
    add(ring, NOW, 100)
    add(ring, NOW + HOUR_MS, 100)
    with pytest.raises(ClickstreamError, match=words):
        past(ring, at, NOW + HOUR_MS)
    for panel in ("topics", "flow", "sources", "collected"):
        with pytest.raises(ClickstreamError, match=words):
            shown(panel, ring, At(at))
    with pytest.raises(ClickstreamError, match="remembers nothing"):
        past(Ring(HOUR_MS), at, NOW)


@pytest.mark.parametrize("at", [-1, 253_402_300_800_000])
@pytest.mark.parametrize("panel", ["topics", "sources", "numbers", "vip", "dead"])
def test_an_instant_lies_between_1970_and_the_year_9999(panel: str, at: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(PANELS[panel], msgspec.Raw(b'{"at":%d}' % at))


def test_what_was_shown_once_stays() -> None:
    ring = Ring(keeps_ms=EVERY_MS)
    add(ring, NOW, 100, rate=3.0)
    asked: list[int] = []

    def state(at: int) -> int:
        asked.append(at)
        return at

    def make(then: Services) -> Any:
        return SimpleNamespace(state=state, close=lambda: None)

    panel = PastPanel(services(ring, NOW), NOW + 5, make)
    assert [panel.state(NOW + 5), panel.state(NOW + 6)] == [NOW, NOW]
    for number in range(1, 5):
        add(ring, NOW + number * EVERY_MS, 100)
    assert ring.at(NOW) is None
    assert (panel.state(NOW + HOUR_MS), asked) == (NOW, [NOW])


def test_when_a_record_came_is_told_from_where_its_partition_ended() -> None:
    times = SeenTimes()
    for at, end in ((10.0, 100), (20.0, 200), (30.0, 200), (40.0, 240)):
        times.observe("t", {0: Limits(0, end)}, at)
    places = [("t", 0, offset) for offset in (99, 100, 150, 199, 200, 220, 240)]
    assert times.written(places) == {
        ("t", 0, 100): 10.0,
        ("t", 0, 150): 15.0,
        ("t", 0, 199): pytest.approx(19.9),
        ("t", 0, 200): 30.0,
        ("t", 0, 220): 35.0,
    }
    times.observe("t", {0: Limits(0, 5)}, 50.0)  # recreated
    assert times.written(places) == {}


def test_500_topics_of_an_hour_fit() -> None:
    ring = Ring(HOUR_MS)
    names = [f"a-topic-of-some-team.{number}.events" for number in range(500)]
    leaders = {
        name: {part: Partition(part % 3, [0, 1, 2], [0, 1, 2], None, None) for part in range(3)} for name in names
    }
    for step in range(37):
        limits = {
            (name, part): Limits(number, 1_000_000 * number + step * 331 * (number % 7) * (part + 1))
            for number, name in enumerate(names)
            for part in range(3)
        }
        lines = [
            line(name, 331.0 * (number % 7) + step % 5, 99_000 * number + step) for number, name in enumerate(names)
        ]
        seen = Looked(TopicList(lines, limits, leaders, NOW / 1000 + step), NOW / 1000 + step)
        ring.add(NOW + step * EVERY_MS, packed(seen, Looked([], 0.0), Parts(STATE, []), [], Others()))
    assert ring.bytes * 10 < 32 * 1024 * 1024
