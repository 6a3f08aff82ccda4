from collections.abc import Mapping
from typing import Any

import pytest
from pytest_mock import MockerFixture

from clickstream.inspect import lags
from clickstream.inspect.groups import Group, Member, Progress, TopicMember
from clickstream.inspect.lags import Lags, ReaderLag, Reading, Slowest, WriteTimes, readings, slowest, trend
from clickstream.inspect.offsets import Ends, Limits, Partition
from clickstream.inspect.refreshed import Seen as Looked
from clickstream.kafka.clients import Cluster
from clickstream.parts.status import Seen
from clickstream.records import Position, Status
from tests.unit.inspect.records import Log, record


def group(name: str, commits: Mapping[Partition, int]) -> Group:
    return Group(name, "stable", "consumer", [], [Progress(*place, at, None, None) for place, at in commits.items()])


def status(kind: str, *positions: Position, name: str | None = None, group: str | None = None) -> Status:
    return Status(
        id="1", kind=kind, host="h", since="", state="running", rates={}, topics=[], name=name, group=group,
        positions=list(positions),
    )  # fmt: skip


def test_readers_are_groups_and_our_parts_by_their_stored_offsets() -> None:
    groups = [
        group("other", {("t", 0): 5}),
        group("counter", {("t", 0): 90, ("t", 1): 7}),
        group("else", {("u", 0): 1}),
    ]
    parts = [
        status("counter", Position("t", 0, 50), group="counter"),
        status("tables", Position("t", 0, 9, "a"), Position("t", 0, 3, "b"), Position("u", 0, 3), name="clicks"),
    ]
    found = {one.name: one for one in readings("t", Looked(groups, 0.0), [Seen(one, 0.0) for one in parts])}
    assert sorted(found) == ["counter", "other", "tables clicks"]
    assert (found["counter"].stored, found["counter"].next) == (True, {0: 50, 1: 7})
    assert found["tables clicks"].next == {0: 3}, "the slowest of its tables"
    assert not found["other"].stored


def test_readers_have_the_members_of_their_group_and_parts_in_none_have_none() -> None:
    members = [Member("m", "c", "h", [("t", 1), ("u", 0)])]
    groups = [
        Group("counter", "stable", "consumer", members, [Progress("t", 1, 5, 9, members[0])]),
        Group("hidden", None, None, None, [Progress("t", 0, 5, 9, None)], "not allowed"),
        Group("commits", "empty", "consumer", [], [Progress("t", 0, 5, 9, None)]),
    ]
    parts = [
        status("counter", Position("t", 1, 7), group="counter"),
        status("tables", Position("t", 0, 9), name="x"),
        status("tables", Position("t", 0, 7), group="commits"),
    ]
    found = {one.name: one.members for one in readings("t", Looked(groups, 0.0), [Seen(one, 0.0) for one in parts])}
    assert found == {"commits": None, "counter": [TopicMember("m", "c", "h", [1])], "hidden": None, "tables x": None}


def test_a_partition_that_a_group_has_not_touched_is_listed_and_adds_no_lag(mocker: MockerFixture) -> None:
    found = look({0: 40}, {0: Limits(0, 100), 1: Limits(0, 7)}, mocker)
    assert (found.lag, [(one.partition, one.next, one.end) for one in found.partitions]) == (
        60,
        [(0, "40", "100"), (1, None, "7")],
    )


@pytest.mark.parametrize("newest", [0, 1])
def test_of_members_of_a_group_the_newest_word_on_a_partition_counts(newest: int) -> None:
    words = [
        status("counter", Position("t", 0, 50), Position("t", 1, 60), group="g"),
        status("counter", Position("t", 1, 90), Position("t", 2, 70), group="g"),
    ]
    parts = [Seen(word, 100.0 + 10 * (number == newest)) for number, word in enumerate(words)]
    [found] = readings("t", Looked([], 0.0), parts)
    assert found.next == {0: 50, 1: (60, 90)[newest], 2: 70}


KNOWN_AT = 900.0


def test_since_when_a_place_is_known_is_told_by_partition() -> None:
    beyond = Group("beyond", "stable", "consumer", [], [Progress("t", 0, 50, 9, None), Progress("t", 1, 5, 9, None)])
    killed = Seen(status("counter", Position("t", 0, 90), group="counter"), 1.0, heard_at=100.0)
    living = Seen(status("counter", Position("t", 1, 7), group="counter"), 2.0, heard_at=KNOWN_AT)
    found = {one.name: one.known_at for one in readings("t", Looked([beyond], KNOWN_AT), [killed, living])}
    assert found == {"beyond": {0: 0.0, 1: KNOWN_AT}, "counter": {0: 100.0, 1: KNOWN_AT}}


def look(
    next_: Mapping[int, int | None], limits: Mapping[int, Limits], mocker: MockerFixture, **times: Any
) -> ReaderLag:
    watch = Lags("t", WriteTimes(Cluster("k")), clock=lambda: 1_000.0)
    mocker.patch.object(watch._times, "written", return_value=times.get("written", {}))
    ends = Ends({("t", one): limit for one, limit in limits.items()}, times.get("asked_at", KNOWN_AT + 1))
    [found] = watch.look([Reading("g", False, "stable", [], next_, dict.fromkeys(next_, KNOWN_AT))], ends)
    return found


def test_lag_in_records_and_in_seconds(mocker: MockerFixture) -> None:
    written = {("t", 0, 40): 970.0}
    found = look({0: 40, 1: 7, 2: None}, {0: Limits(0, 100), 1: Limits(0, 7), 2: Limits(0, 9)}, mocker, written=written)
    assert (found.lag, found.seconds) == (60, 30.0)
    assert [one.lag for one in found.partitions] == [60, 0, None]


@pytest.mark.parametrize(
    ("at", "limit", "lag", "note"),
    [
        (10, Limits(50, 100), 50, "40 records were deleted before they were read"),
        (100, Limits(0, 20), 20, "read up to 100, beyond the end: the topic was recreated"),
        (100, Limits(0, 0), 0, "read up to 100, beyond the end: the topic was recreated"),
        (100, Limits(100, 100), 0, ""),
        (5, Limits(9, 9), 0, "4 records were deleted before they were read"),
    ],
)
def test_lag_is_never_negative_and_says_what_happened(
    at: int, limit: Limits, lag: int, note: str, mocker: MockerFixture
) -> None:
    found = look({0: at}, {0: limit}, mocker)
    assert (found.lag, found.partitions[0].note) == (lag, note)


@pytest.mark.parametrize("asked_at", [KNOWN_AT - 1, KNOWN_AT])
def test_who_is_beyond_ends_that_were_asked_for_before_is_not_behind(asked_at: float, mocker: MockerFixture) -> None:
    found = look({0: 100, 1: 3}, {0: Limits(0, 20), 1: Limits(0, 5)}, mocker, asked_at=asked_at)
    assert (found.lag, [one.note for one in found.partitions]) == (2, ["", ""])


@pytest.mark.parametrize(("known_at", "lag"), [(98.5, 0), (99.5, 0), (97.0, 250), (90.0, 250)])
def test_a_place_of_a_moment_ago_is_compared_with_the_end_of_then(known_at: float, lag: int) -> None:
    def ends(at: float, high: int) -> Ends:
        return Ends({("t", 0): Limits(0, high)}, at)

    now = Ends({("t", 0): Limits(0, 300)}, 100.0, [ends(99.0, 200), ends(98.0, 50)])
    place = 50 if known_at < 99 else 200
    found = now.of(("t", 0), place, known_at)
    assert found is not None
    assert lags.ahead(place, found) == lag


def test_a_partition_that_cannot_be_asked_has_no_lag(mocker: MockerFixture) -> None:
    found = look({0: 5}, {}, mocker)
    assert (found.lag, found.seconds) == (None, None)


@pytest.mark.parametrize(
    ("history", "word"),
    [
        ([100] * 9, "steady"),
        ([100, 101, 99, 100, 102, 98], "steady"),
        ([0, 0, 0, 50, 100, 200], "growing"),
        ([900, 800, 700, 600, 500, 400], "shrinking"),
        ([1, 2], ""),
        ([0, 0, 0, 3, 3, 5], "steady"),
    ],
)
def test_trend(history: list[int], word: str) -> None:
    assert trend(history) == word


def test_the_slowest_reader_of_each_topic() -> None:
    groups = [group("fast", {("t", 0): 95}), group("slow", {("t", 0): 5}), group("gone", {("u", 0): 900})]
    limits = {("t", 0): Limits(10, 100), ("u", 0): Limits(0, 30)}
    found = slowest(Looked(groups, KNOWN_AT), [], Ends(limits, KNOWN_AT + 1))
    assert found == {"t": Slowest("slow", 90), "u": Slowest("gone", 30)}


@pytest.mark.parametrize("off_s", [-600.0, 0.0, 600.0])
@pytest.mark.parametrize(("heard_after_s", "lag"), [(1.0, 0), (-1.0, 30)])
def test_whether_a_part_is_ahead_of_ends_is_told_by_when_it_was_heard(
    off_s: float, heard_after_s: float, lag: int
) -> None:
    word = Seen(status("counter", Position("u", 0, 900)), KNOWN_AT + off_s, KNOWN_AT + heard_after_s)
    assert slowest(Looked([], 0.0), [word], Ends({("u", 0): Limits(0, 30)}, KNOWN_AT)) == {"u": Slowest("counter", lag)}


@pytest.fixture
def times(mocker: MockerFixture) -> WriteTimes:
    """Of a log of ten records, one a second from 100 s on."""
    log = Log([record(offset, timestamp=(100 + offset) * 1000) for offset in range(10)], {("t", 0): 10})
    mocker.patch.object(lags, "reader", return_value=log)
    return WriteTimes(Cluster("k"))


def test_the_time_of_a_record_is_its_timestamp(times: WriteTimes) -> None:
    assert times.written([("t", 0, 3), ("t", 0, 7), ("t", 0, 10)]) == {("t", 0, 3): 103.0, ("t", 0, 7): 107.0}


def test_what_was_replayed_from_an_old_log_has_waited_since_it_came(times: WriteTimes) -> None:
    times.observe("t", {0: Limits(0, 5)}, 200.0)
    assert times.written([("t", 0, 3), ("t", 0, 7)]) == {("t", 0, 3): 103.0, ("t", 0, 7): 200.0}


def test_while_kafka_is_away_what_waits_has_waited_since_before(times: WriteTimes) -> None:
    now = [200.0]
    watch = Lags("t", times, clock=lambda: now[0])
    ends = Ends({("t", 0): Limits(0, 5)}, 190.0)
    for now[0] in (200.0, 800.0):
        watch.look([], ends)
    assert times.written([("t", 0, 7)]) == {("t", 0, 7): 190.0}


def test_a_group_that_nobody_is_in_keeps_its_lag(mocker: MockerFixture) -> None:
    watch = Lags("t", WriteTimes(Cluster("k")), clock=lambda: 1_000.0)
    mocker.patch.object(watch._times, "written", return_value={})
    [reading] = readings("t", Looked([Group("g", "empty", "consumer", [], [Progress("t", 0, 4, 9, None)])], 0.0), [])
    [found] = watch.look([reading], Ends({("t", 0): Limits(0, 9)}, 1.0))
    assert (found.state, found.members, found.lag) == ("empty", [], 5)
