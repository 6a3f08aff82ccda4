"""Numbers and their recounts, on a history without Kafka: both against plain counting of the records."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, cast

import msgspec
import pytest
from starlette.datastructures import QueryParams

from clickstream.enrich.places import MadeUpPlaces
from clickstream.history.ahead import LeftOut
from clickstream.history.decode import Click, ProductEvent
from clickstream.history.history import History
from clickstream.history.model import CLICKS, DIMENSIONS, EVENTS, Filter, Question
from clickstream.history.recount import fits, values_of
from clickstream.history.reread import Reread
from clickstream.history.store import Limits
from clickstream.kafka.clients import Cluster
from clickstream.records import utc_text
from clickstream.ui.api.jobs import Refused
from clickstream.ui.api.recount import LOST, Both, Listed, Shown, asked, both, compared
from clickstream.ui.numbers import NUMBERS, Of

BASE = 1_600_000_000_000 // 3_600_000 * 3_600_000
MINUTE = 60_000
NOW = BASE + 40 * MINUTE
LATER = NOW + 5 * MINUTE
START, END = NOW - 11 * MINUTE - 3_000, NOW - MINUTE
PLACES = MadeUpPlaces()
NEVER = threading.Event()
STEPS = ("productview", "addtobasket", "purchase")
OF = Of(START, END, threshold=150_000, event="purchase", steps=STEPS, window=90_000, dimension="page", rows=100)
FILTERS = (Filter("page", False, "/b"), Filter("status", False, "500"), Filter("ip", True, "10.0.0.1"))


class FakeCluster:
    address = "localhost:9092"


class Kept(History):
    """A history of records that are at hand, as those of Kafka are."""

    def __init__(self, clicks: list[Click], events: list[ProductEvent], came_at: int = LATER) -> None:
        self.now = came_at
        super().__init__(cast(Cluster, FakeCluster()), limits=Limits(), places=PLACES, clock=lambda: self.now)
        self.came, self.did = clicks, events
        for kind in (CLICKS, EVENTS):
            self.store.begin(kind, 0)
        self.store.add_clicks(clicks)
        self.store.add_events(events)
        self.now = LATER

    def reread_clicks(self, question: Question, take: Any, stop: threading.Event, **bounds: Any) -> Reread:
        for click in self.came:
            values = values_of(click, PLACES)
            if question.start <= click.time < question.end and fits(values, question.filters):
                take(click, values)
        return Reread(len(self.came), 0, 0.1, True, "")

    def reread_events(self, start: int, end: int, take: Any, stop: threading.Event, **bounds: Any) -> Reread:
        for event in self.did:
            if start <= event.time < end:
                take(event)
        return Reread(len(self.did), 0, 0.1, True, "")


def clicks(number: int = 900) -> list[Click]:
    """In sessions of all lengths, up to a minute after the range: all of that is final."""
    dice = random.Random(11)
    return [
        Click(
            time=NOW - dice.randrange(30 * MINUTE) // 34_000 * 34_000 - dice.randrange(9_000),
            ip=f"10.0.0.{dice.randrange(4)}",
            userid=dice.choice([1, 2, 3, 4, 5, 6, None]),
            request=f"GET {dice.choice(['/a', '/b', '/c'])} HTTP/1.1",
            status=dice.choice([200, 200, 200, 302, 404, 500, None]),
            bytes=dice.choice([dice.randrange(90_000), None]),
        )
        for _ in range(number)
    ]


def events(number: int = 700) -> list[ProductEvent]:
    dice = random.Random(5)
    names = (*STEPS, "productview", "removefrombasket", None)
    users = [None, *(f"u{number}" for number in range(30))]
    return [
        ProductEvent(utc_text((NOW - dice.randrange(14 * MINUTE)) / 1000), dice.choice(names), "p", dice.choice(users))
        for _ in range(number)
    ]


@pytest.fixture(scope="module")
def history() -> Iterator[Kept]:
    kept = Kept(clicks(), events())
    yield kept
    kept.close()


@pytest.fixture
def own_history() -> Iterator[Kept]:
    """One that a test may change."""
    kept = Kept(clicks(), events())
    yield kept
    kept.close()


# --- by hand


def passes(click: Click, filters: tuple[Filter, ...]) -> bool:
    own = {"page": (click.request or "").split(" ")[1], "status": str(click.status), "ip": click.ip}
    return all((own[one.dim] == one.value) is one.include for one in filters)


def shown(came: list[Click], of: Of, before: int = 0) -> list[Click]:
    return [one for one in came if of.start - before <= one.time < of.end and passes(one, of.filters)]


def failed(click: Click) -> bool:
    return click.status is not None and click.status >= 400


def who(came: list[Click]) -> set[object]:
    return {one.userid or one.ip for one in came}


def sessions(came: list[Click]) -> list[list[Click]]:
    found: list[list[Click]] = []
    for user in {one.userid for one in came} - {None}:
        own = sorted((one for one in came if one.userid == user), key=lambda one: one.time)
        begins = [0, *(at for at in range(1, len(own)) if own[at].time - own[at - 1].time > 30_000), len(own)]
        found += [own[low:high] for low, high in pairwise(begins)]
    return found


def by_value(came: list[Click], dimension: str) -> dict[str | None, int]:
    """How many clicks have each value; of countries, how many visitors."""
    had = [(values_of(one, PLACES)[dimension], one.userid or one.ip) for one in came]
    return Counter(value for value, _who in (set(had) if dimension == "country" else had))


def octets(came: list[Click]) -> int:
    return sum(one.bytes or 0 for one in came)


def walked(did: list[ProductEvent], of: Of) -> list[list[int]]:
    """Each user's best way through the steps: of the furthest the first, found by trying every beginning."""
    best = []
    for user in {one.user for one in did} - {None}:
        own = sorted((one.time, one.name or "") for one in did if one.user == user and of.start <= one.time < of.end)
        ways: list[list[int]] = [[]]
        for begun in [time for time, name in own if name == of.steps[0]]:
            way = [begun]
            for step in of.steps[1:]:
                later = [time for time, name in own if name == step and way[-1] <= time <= begun + of.window]
                if not later:
                    break
                way.append(later[0])
            ways.append(way)
        best.append(max(ways, key=lambda way: (len(way), [-time for time in way[:1]])))
    return [way for way in best if way]


def by_hand_funnel(did: list[ProductEvent], of: Of) -> list[tuple[int, int | None, int | None]]:
    ways, found = walked(did, of), []
    for number in range(len(of.steps)):
        took = sorted(way[number] - way[number - 1] for way in ways if len(way) > number > 0)
        half, slow = (took[(len(took) - 1) // 2], took[(len(took) * 9 - 1) // 10]) if took else (None, None)
        found.append((sum(len(way) > number for way in ways), half, slow))
    return found


LENGTH_S = (END - START) / 1000
BY_HAND: Mapping[str, Callable[[list[Click], Of], Any]] = {
    "visitors": lambda came, of: len(who(shown(came, of))),
    "users": lambda came, of: len({one.userid for one in shown(came, of)} - {None}),
    "met": lambda came, of: len(who([one for one in shown(came, of) if failed(one)])),
    "clicks": lambda came, of: len(shown(came, of)),
    "clicks_bytes": lambda came, of: octets(shown(came, of)),
    "values": lambda came, of: by_value(shown(came, of), of.dimension),
    "error_values": lambda came, of: by_value([one for one in shown(came, of) if failed(one)], of.dimension),
    "error_clicks": lambda came, of: sum(map(failed, shown(came, of))),
    "hits": lambda came, of: len(shown(came, of)) * 60 / LENGTH_S,
    "bytes": lambda came, of: octets(shown(came, of)) / LENGTH_S,
    "errors": lambda came, of: sum(map(failed, shown(came, of))) / len(shown(came, of)),
    "errors_per_minute": lambda came, of: sum(map(failed, shown(came, of))) * 60 / LENGTH_S,
    "sessions": lambda came, of: len(sessions(shown(came, of))),
    "open_sessions": lambda came, of: sum(own[-1].time > of.end - 30_000 for own in sessions(shown(came, of))),
    "large_sessions": lambda came, of: sum(
        own[-1].time >= of.start and octets(own) > of.threshold for own in sessions(shown(came, of, 15 * MINUTE))
    ),
}
EVENTS_BY_HAND: Mapping[str, Callable[[list[ProductEvent], Of], Any]] = {
    "event_rate": lambda did, of: sum(one.name == of.event for one in did if of.start <= one.time < of.end) / LENGTH_S,
    "event_users": lambda did, of: len({one.user for one in did if of.start <= one.time < of.end} - {None}),
    "funnel": by_hand_funnel,
}


def counted(history: Kept, name: str, of: Of = OF) -> Both:
    return both(history, name, of, NEVER)


def told(value: Shown) -> Any:
    """A list as what it says of each value."""
    return dict(value.rows) if isinstance(value, Listed) else value


@pytest.mark.parametrize("filters", [(), FILTERS])
@pytest.mark.parametrize("name", BY_HAND)
def test_a_number_of_clicks_equals_its_recount_and_a_plain_count(
    history: Kept, name: str, filters: tuple[Filter, ...]
) -> None:
    of = Of(START, END, filters, threshold=60_000, dimension="page", rows=100)
    found = counted(history, name, of)
    wanted = BY_HAND[name](history.came, of)
    assert told(found.history) == pytest.approx(wanted)
    assert (found.history, found.differing) == (found.topic, 0)
    assert wanted


@pytest.fixture(scope="module")
def early_history() -> Iterator[Kept]:
    """One that some of its records came to before their own time."""
    kept = Kept(clicks(), events(), came_at=NOW - 5 * MINUTE)
    kept.store.add_clicks([Click(END + MINUTE)])  # that makes all of the range final
    yield kept
    kept.close()


@pytest.mark.parametrize("filters", [(), FILTERS])
@pytest.mark.parametrize("name", NUMBERS)
def test_what_came_too_long_before_its_time_is_on_neither_side_and_it_says_so(
    early_history: Kept, name: str, filters: tuple[Filter, ...]
) -> None:
    latest = NOW - 4 * MINUTE  # that was taken
    of = msgspec.structs.replace(OF, filters=filters, threshold=60_000)
    found = counted(early_history, name, of)
    assert (found.history, found.differing) == (found.topic, 0)
    if name in EVENTS_BY_HAND:
        own = [one for one in early_history.did if of.start <= one.time < of.end]
        wanted, noun = EVENTS_BY_HAND[name]([one for one in own if one.time <= latest], of), "events"
        ahead = sum(one.time > latest for one in own)
    else:
        wanted, noun = BY_HAND[name]([one for one in early_history.came if one.time <= latest], of), "clicks"
        ahead = sum(one.time > latest for one in shown(early_history.came, of))
    assert told(found.topic) == (wanted if name == "funnel" else pytest.approx(wanted))
    assert ahead > 1
    assert found.note == (
        f"{ahead} {noun} came more than a minute before their own time: they are not in the history, "
        "and not counted here."
    )


def test_one_that_came_too_long_before_its_time_is_no_clicks(own_history: Kept) -> None:
    early = Click(START + 1, request="GET /early HTTP/1.1")
    own_history.came = [*own_history.came, early]
    assert counted(own_history, "clicks").differing == 1
    own_history.left_out(CLICKS).add([early])
    found = counted(own_history, "clicks")
    assert (found.differing, found.note) == (
        0,
        "1 click came more than a minute before its own time: it is not in the history, and not counted here.",
    )
    assert counted(own_history, "clicks", Of(START + 2, END)).note == ""


def doubtful(history: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """The topic has lost records, nobody knows of when."""
    real = history.reread_clicks
    monkeypatch.setattr(
        history, "reread_clicks", lambda *args: msgspec.structs.replace(real(*args), doubt="Some were deleted.")
    )


def test_where_the_topic_may_have_lost_records_what_is_equal_is_told(
    early_history: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubtful(early_history, monkeypatch)
    found = counted(early_history, "clicks")
    assert (found.history, found.differing) == (found.topic, 0)
    assert found.note.endswith(f", and not counted here. {LOST}")


@pytest.mark.parametrize("reaches", [True, False])
def test_where_the_topic_may_have_lost_records_no_difference_is_told(
    own_history: Kept, monkeypatch: pytest.MonkeyPatch, reaches: bool
) -> None:
    """Nor a number of the topic that the history has nothing to compare with."""
    doubtful(own_history, monkeypatch)
    if reaches:
        own_history.came = own_history.came[::2]
    else:
        own_history.store.begin(CLICKS, START + 1)
    with pytest.raises(Refused, match="Some were deleted"):
        counted(own_history, "clicks")


def test_where_more_were_left_out_than_are_known_it_says_so(own_history: Kept) -> None:
    early = [Click(START + number, request="GET /early HTTP/1.1") for number in range(3)]
    own_history.came = [*own_history.came, *early]
    own_history.store.left_out[CLICKS] = LeftOut(most=2)
    own_history.left_out(CLICKS).add(early)
    found = counted(own_history, "clicks")
    assert (found.differing, found.note) == (
        1,
        "Many clicks came more than a minute before their own time: they are not in the history, and no more than 2 "
        "of them could be left out here.",
    )
    assert counted(own_history, "clicks", Of(START + 1, END)).differing == 0


@pytest.mark.parametrize("filters", [(), FILTERS])
@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("name", ["values", "error_values"])
def test_a_list_equals_its_recount_and_a_plain_count_of_each_value(
    history: Kept, name: str, dimension: str, filters: tuple[Filter, ...]
) -> None:
    of = Of(START, END, filters, dimension=dimension, rows=100)
    found = counted(history, name, of)
    assert told(found.history) == told(found.topic) == BY_HAND[name](history.came, of)
    assert isinstance(found.topic, Listed)
    assert (found.topic.more, found.topic.rest, found.differing) == (0, 0, 0)


def test_of_a_list_so_many_values_are_told_and_the_others_as_one(history: Kept) -> None:
    of = Of(START, END, dimension="status", rows=2)
    every = Counter(BY_HAND["values"](history.came, of))
    unknown = every.pop(None)
    (one, _), (two, _) = first = every.most_common(2)
    rest = [number for value, number in every.items() if value not in (one, two)]
    assert len(rest) > 1
    assert counted(history, "values", of).topic == Listed([*first, (None, unknown)], len(rest), sum(rest))


@pytest.mark.parametrize(
    ("history", "topic", "sides", "differing"),
    [
        # The most on either side, whichever of them that is.
        ({"a": 9, "b": 5}, {"c": 7, "b": 5}, ([("a", 9), ("c", 0)], [("a", 0), ("c", 7)]), 2),
        ({"a": 9, "b": 5, "c": 1, "d": 2}, {"a": 9, "b": 5, "c": 2, "d": 1}, ([("a", 9), ("b", 5)],) * 2, 2),
        ({"a": 9, None: 1}, {"a": 9}, ([("a", 9), (None, 1)], [("a", 9), (None, 0)]), 1),
        ({}, {}, ([], []), 0),
        (None, {"a": 1}, (None, [("a", 1)]), 1),
        (None, {}, (None, []), 1),
    ],
)
def test_two_sides_of_a_list(history: Any, topic: Any, sides: tuple[Any, Any], differing: int) -> None:
    mine, its, found = compared(history, topic, 2)
    assert tuple(one.rows if isinstance(one, Listed) else None for one in (mine, its)) == sides
    assert found == differing


@pytest.mark.parametrize(
    ("more", "says"),
    [("", "dimension: one of page,"), ("&dimension=moon", "dimension"), ("&dimension=page&rows=x", "rows")],
)
def test_what_is_no_list_is_refused(more: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        asked(QueryParams(f"figure=values&from=1&to=60001{more}"))


@pytest.mark.parametrize("figure", ["clicks", "clicks_bytes"])
def test_a_session_of_one_click_equals_its_recount(history: Kept, figure: str) -> None:
    click = next(one for one in history.came if one.userid and one.bytes and START <= one.time < END)
    same = [one for one in history.came if (one.userid, one.time) == (click.userid, click.time)]
    params = {"figure": figure, "from": str(click.time), "to": str(click.time + 1)}
    name, of = asked(QueryParams(params | {"filters": f'[["user","=","{click.userid}"]]'}))
    found = both(history, name, of, NEVER)
    assert found.history == found.topic == (len(same) if figure == "clicks" else octets(same))


@pytest.mark.parametrize("length", [0, -1, 24 * 3_600_000 + 1])
def test_a_range_that_is_none_or_too_long_is_refused(length: int) -> None:
    with pytest.raises(Refused, match="1 ms to 24 h"):
        asked(QueryParams(f"figure=clicks&from={BASE}&to={BASE + length}"))


def test_a_list_has_a_bound() -> None:
    assert asked(QueryParams("figure=values&from=1&to=60001&dimension=ip&rows=99999"))[1].rows == 300


@pytest.mark.parametrize("name", EVENTS_BY_HAND)
def test_a_number_of_events_equals_its_recount_and_a_plain_count(history: Kept, name: str) -> None:
    found = counted(history, name)
    wanted = EVENTS_BY_HAND[name](history.did, OF)
    assert found.history == pytest.approx(wanted) if isinstance(wanted, float) else found.history == wanted
    assert found.history == found.topic
    assert wanted


def test_a_funnel_of_two_steps_says_who_takes_something_out_again(history: Kept) -> None:
    of = Of(START, END, steps=("addtobasket", "removefrombasket"), window=90_000)
    found = counted(history, "funnel", of)
    assert found.history == found.topic == by_hand_funnel(history.did, of)


def test_every_number_has_a_plain_count() -> None:
    assert {*BY_HAND, *EVENTS_BY_HAND} == set(NUMBERS)


def test_a_history_that_is_wrong_shows_two_numbers(own_history: Kept) -> None:
    store = own_history.store
    right = {name: told(counted(own_history, name).topic) for name in NUMBERS}
    with store.lock:
        for rows in store.rows.values():
            for table in rows.tables():
                store.db.execute(f'DELETE FROM {table} WHERE "user" <= 4')
        for level in store.rollups.levels:
            for table in level.segments.tables():
                store.db.execute(f"UPDATE {table} SET hits = hits * 2 + coalesce(code, 0), bytes = bytes + 7")
        for level in store.rollups.seen:
            for table in level.segments.tables():
                store.db.execute(f"DELETE FROM {table} WHERE visitor <= 8")
        store.changes += 1
    found = {name: counted(own_history, name) for name in NUMBERS}
    assert {name: told(one.topic) for name, one in found.items()} == right
    assert [name for name, one in found.items() if one.history == one.topic or not one.differing] == []


def test_what_is_not_final_is_left_out(history: Kept) -> None:
    found = counted(history, "clicks", Of(START, NOW + MINUTE))
    assert found.to == history.final() == max(one.time for one in history.came) - 5_000
    assert counted(history, "event_users", Of(START, NOW + 60 * MINUTE)).to == NOW + 5 * MINUTE - 5_000
    with pytest.raises(Refused, match="Nothing of this time is final"):
        counted(history, "sessions", Of(NOW + 10 * MINUTE, NOW + 20 * MINUTE))


def test_where_the_history_does_not_reach_it_says_nothing(own_history: Kept) -> None:
    for kind in (CLICKS, EVENTS):
        own_history.store.begin(kind, START + 1)

    def says(name: str) -> Shown:
        return counted(own_history, name).history

    assert {name: says(name) for name in NUMBERS} == dict.fromkeys(NUMBERS)


def test_all_bytes_of_a_session_count_only_where_the_history_has_them(own_history: Kept) -> None:
    own_history.store.begin(CLICKS, START - 15 * MINUTE + 1)
    assert counted(own_history, "sessions").history is not None
    assert counted(own_history, "large_sessions").history is None


@pytest.mark.parametrize("figure", ["clicks", "error_clicks", "clicks_bytes", "hits", "visitors", "values"])
def test_where_only_sums_of_minutes_reach_they_are_asked(own_history: Kept, figure: str) -> None:
    store = own_history.store
    with store.lock:
        for segments in (store.rows[CLICKS], store.rollups._fine):
            assert segments.drop_before(NOW - 5 * MINUTE)
        store.changes += 1
    found = counted(own_history, figure, Of(NOW - 20 * MINUTE, NOW - MINUTE, dimension="page", rows=9))
    assert found.history is not None
    assert (found.history, found.differing) == (found.topic, 0)
