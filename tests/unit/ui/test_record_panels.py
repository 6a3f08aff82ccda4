"""What the pages of topics and dead letters are told, out of records that a test gives."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Message
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.inspect import letters
from clickstream.inspect.hub import News
from clickstream.inspect.instant import Extent
from clickstream.inspect.refreshed import Seen
from clickstream.inspect.search import Answer, End, Progress
from clickstream.inspect.topicreader import Stage, State
from clickstream.kafka.deadletter import FoundLetter, Origin
from clickstream.records import Position, Status
from clickstream.ui.api.deadletters import bad_byte, show
from clickstream.ui.panels import dead, tail, topics
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState
from tests.support import wait_until
from tests.unit.inspect.records import record

STATE = State(Stage.LIVE, 1.0)


class Listener:
    def __init__(self) -> None:
        self.coming: list[News] = []
        self.closed = False

    def take(self) -> News:
        return self.coming.pop(0) if self.coming else News([], 0, False, STATE)

    def close(self) -> None:
        self.closed = True


class Hub:
    def __init__(self) -> None:
        self.listener = Listener()

    def recent(self, _topic: str) -> Listener:
        return self.listener


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def services(hub: Hub) -> Services:
    found = SimpleNamespace(
        hub=hub,
        cluster=SimpleNamespace(data_dir=None, admin=lambda: None),
        watching=SimpleNamespace(topics=SimpleNamespace(get=lambda _wait_s=0.0: Seen(None, 0.0))),
        hints=SimpleNamespace(command=lambda topic: f"clickstream fill {topic}"),
        settings={"dead-letter-topic": "dead", "status-topic": "status"},
        topic_state=lambda _listener: TopicState("dead", "live", 1_000, "", ""),
    )
    return cast(Services, found)


def news(*records: Message, skipped: int = 0, anew: bool = False, state: State = STATE) -> News:
    return News(list(records), skipped, anew, state)


def offsets(rows: list[Any]) -> list[str]:
    return [row.offset for row in rows]


def test_a_burst_is_shown_or_counted(services: Services, hub: Hub) -> None:
    panel = tail.Tail(services, tail.Params("t"))
    hub.listener.coming = [news(anew=True), news(*(record(number) for number in range(1_000)), skipped=9_000)]
    panel.take()
    feed = panel.take()
    assert len(feed.rows) + feed.skipped == 10_000
    assert offsets(feed.rows)[-1] == "999", "the newest are shown"


def test_what_was_there_before_nobody_has_missed(services: Services, hub: Hub) -> None:
    panel = tail.Tail(services, tail.Params("t"))
    hub.listener.coming = [news(*(record(number) for number in range(1_000)), anew=True)]
    feed = panel.take()
    assert (len(feed.rows), feed.skipped, feed.anew) == (tail.MAX_ROWS, 0, True)


def test_what_is_read_back_at_first_nobody_has_missed_either(services: Services, hub: Hub) -> None:
    panel = tail.Tail(services, tail.Params("t"))
    behind = State(Stage.CATCHING_UP, 1.0)
    history = [record(number) for number in range(1_000)]
    hub.listener.coming = [news(anew=True, state=behind), news(*history), news(*history)]
    assert [panel.take().skipped for _turn in range(3)] == [0, 0, 1_000 - tail.MAX_ROWS]


def test_rows_come_oldest_first_with_the_fields_that_were_asked_for(services: Services, hub: Hub) -> None:
    panel = tail.Tail(services, tail.Params("t", columns=["n", "m"]))
    late = record(1, b'{"n":1.0}', partition=1, timestamp=9_000)
    hub.listener.coming = [news(late, record(5, b'{"n":null}', timestamp=1_000))]
    rows = panel.take().rows
    assert offsets(rows) == ["5", "1"]
    assert [row.cells for row in rows] == [["null", None], ["1.0", None]]


def test_only_what_fits(services: Services, hub: Hub) -> None:
    panel = tail.Tail(services, tail.Params("t", filter="n >= 2", partition=0, key="k"))
    hub.listener.coming = [
        news(
            record(0, b'{"n":1}', key=b"k"),
            record(1, b'{"n":2}', key=b"k"),
            record(2, b'{"n":2}', key=b"other"),
            record(3, b'{"n":2}', key=b"k", partition=1),
        )
    ]
    assert offsets(panel.take().rows) == ["1"]


def test_times_of_a_filter_are_in_the_zone_of_the_page(services: Services, hub: Hub) -> None:
    asked = tail.Params("t", filter="$time >= 2020-09-13T18:11:40", zone="Asia/Kathmandu")
    panel = tail.Tail(services, asked)
    hub.listener.coming = [news(record(0, timestamp=1_599_999_999_999), record(1, timestamp=1_600_000_000_000))]
    assert offsets(panel.take().rows) == ["1"]


def test_a_zone_that_is_none_is_told(services: Services) -> None:
    with pytest.raises(ClickstreamError, match="Filter: there is no time zone 'Nowhere'"):
        tail.Tail(services, tail.Params("t", zone="Nowhere"))


def test_a_filter_that_is_none_is_told(services: Services) -> None:
    with pytest.raises(ClickstreamError, match=r"Filter: there is no \$nothing"):
        tail.Tail(services, tail.Params("t", filter="$nothing = 1"))


def test_a_missing_topic_says_which_command_fills_it(services: Services, hub: Hub) -> None:
    panel = tail.Tail(services, tail.Params("t"))
    hub.listener.coming = [news(state=State(Stage.MISSING, 1.0, "There is no topic t."))]
    feed = panel.take()
    assert (feed.stage, feed.words) == ("missing", "There is no topic t. Fill it with: clickstream fill t")


def letter(offset: int, reason: str = "no JSON", **more: Any) -> Message:
    headers: list[tuple[str, bytes | None]] = [
        ("reason", reason.encode()),
        ("part", b"counter"),
        ("length", b"2"),
        ("origin-topic", b"clicks"),
        ("origin-partition", b"0"),
        ("origin-offset", b"7"),
    ]
    return record(offset, b"{}", headers=headers, timestamp=1_000 + offset, **more)


def test_letters_are_listed_newest_first_and_marked_when_they_were_sent_again(services: Services, hub: Hub) -> None:
    panel = dead.DeadPanel(services)
    hub.listener.coming = [news(letter(0), letter(1, "odd"), record(2, b"somebody else's"), anew=True)]
    state = panel.state(0)
    assert offsets(state.rows) == ["2", "1", "0"]
    assert [row.reason for row in state.rows] == ["no dead letter", "odd", "no JSON"]
    hub.listener.coming = [news(record(3, None, headers=[(letters.RETRIED_OFFSET, b"1")]))]
    rows = panel.state(0).rows
    assert offsets(rows) == ["2", "1", "0"], "a mark is no letter"
    assert [row.retried for row in rows] == [False, True, False]
    assert rows[1].refusal == "It was sent again already."


def test_values_of_letters_are_not_kept(services: Services, hub: Hub) -> None:
    panel = dead.DeadPanel(services)
    hub.listener.coming = [news(letter(0), anew=True)]
    panel.state(0)
    assert all(isinstance(row, dead.Row) for pair in panel._letters.values() for row in pair)


def test_the_list_of_letters_is_bounded_and_begins_again_with_the_topic(services: Services, hub: Hub) -> None:
    panel = dead.DeadPanel(services)
    hub.listener.coming = [news(*map(letter, range(500)), anew=True), news(letter(0), anew=True)]
    assert len(panel.state(0).rows) == dead.MAX_LETTERS
    assert offsets(panel.state(0).rows) == ["0"]


@pytest.mark.parametrize(
    ("value", "bad"),
    [
        (b'{"a":1}', None),
        (b'{"a":\xff}', 5),
        (b'{"a":NaN}', 5),
        (b'{"a":1', 6),
        (b"", 0),
        (None, None),
        (b"[" * 100_000, None),
    ],
)
def test_the_byte_at_which_reading_fails(value: bytes | None, bad: int | None) -> None:
    assert bad_byte(value) == bad


@pytest.mark.parametrize(
    ("length", "bad", "start", "more"),
    [
        (60_000, 59_000, 0, False),
        (100_000, 1_000, 0, True),
        (100_000, 80_000, 34_464, False),
        (200_000, 80_000, 47_232, True),
    ],
)
def test_of_a_long_letter_the_part_with_the_bad_byte_is_shown(length: int, bad: int, start: int, more: bool) -> None:
    value = b'"' + b"x" * (bad - 1) + b"\n" + b"y" * (length - bad - 1)
    found = FoundLetter("counter", "no JSON", Origin("clicks", 0, 3), None, None, value, (), length)
    part = show(letters.Letter(0, 5, found, retried=False)).value
    assert part is not None
    assert (part.start, part.next is not None) == (start, more)
    assert part.text is not None
    assert part.text[bad - start] == "\n"


def test_what_topics_are_for_the_parts_that_run() -> None:
    def status(kind: str, topics_: list[str], *positions: Position) -> Status:
        return Status(
            id=kind,
            kind=kind,
            host="h",
            since="",
            state="running",
            rates={},
            topics=topics_,
            positions=list(positions),
        )

    parts = [
        status("tables", ["clicks", "errors"], Position("clicks", 0, 1)),
        status("counter", ["events", "tally"], Position("events", 0, 1)),
        status("transform", ["errors", "messages"], Position("errors", 0, 1)),
        status("producer", ["events"]),
        status("ui", ["status"]),
        status("sink-postgres", ["errors", "tally"], Position("errors", 0, 1)),
    ]
    kinds = topics.kinds_of(parts, {"dead-letter-topic": "dead", "status-topic": "status"})
    assert kinds == {
        "clicks": "source",
        "errors": "result",
        "messages": "result",
        "events": "source",
        "tally": "result",
        "dead": "dead letters",
        "status": "status",
    }


class Then:
    """What a search of the topic finds at a past instant. A test lets it go on, or has it fail."""

    def __init__(self, mocker: MockerFixture) -> None:
        self.searched: list[int | None] = []
        self.problem: ClickstreamError | None = None
        self.end = End.COMPLETE
        self.found = [letter(4, "odd"), letter(2)]
        self.go = threading.Event()
        self.go.set()
        mocker.patch.object(dead, "TRY_EVERY_S", 0.01)
        mocker.patch.object(letters, "look", self._look)
        mocker.patch("clickstream.inspect.tail.find", return_value={})
        mocker.patch.object(dead, "extent_at", return_value=Extent({}, 7))

    def _look(self, _cluster: Any, topic: str, limit: int, _stop: Any, show: Any, **more: Any) -> Any:
        assert (topic, limit) == ("dead", dead.MAX_LETTERS)
        self.searched.append(more["instant"])
        assert self.go.wait(60)
        if self.problem is not None:
            raise self.problem
        return Answer([show(one) for one in self.found], self.end, Progress(3, 2, 3), None), {(0, 2)}


@pytest.fixture
def then(mocker: MockerFixture) -> Then:
    return Then(mocker)


def past(services: Services, instant: int) -> Any:
    return dead.KIND.make(services, dead.Params(instant))


def test_letters_of_a_past_instant_are_looked_for_once(services: Services, then: Then) -> None:
    panel = past(services, 5_000)
    try:
        wait_until(lambda: panel.state(0).topic.stage == "live", 60, "the letters")
        first = panel.state(0)
        assert (offsets(first.rows), [row.retried for row in first.rows]) == (["4", "2"], [False, True])
        assert first.records == 7
        assert panel.state(0) == first
        assert then.searched == [5_000]
    finally:
        panel.close()


@pytest.mark.parametrize(
    ("end", "found", "words"),
    [
        (End.TIME, True, "Not all letters of then were looked at within 20 s; these were found."),
        (End.RECORDS, False, "Not all letters of then were looked at within 2,000,000 records; none was found."),
        (End.LIMIT, True, ""),
    ],
)
def test_a_search_that_met_its_bounds_says_so(
    services: Services, then: Then, end: End, found: bool, words: str
) -> None:
    then.end = end
    then.found = then.found if found else []
    panel = past(services, 5_000)
    try:
        wait_until(lambda: panel.state(0).topic.stage == "live", 60, "the letters")
        assert (panel.state(0).topic.words, bool(panel.state(0).rows)) == (words, found)
    finally:
        panel.close()


def test_only_some_search_at_once_and_who_is_gone_does_not_wait_for_its_turn(services: Services, then: Then) -> None:
    then.go.clear()
    panels = [past(services, 5_000 + number) for number in range(dead.AT_ONCE + 2)]
    try:
        first = panels[: dead.AT_ONCE]
        for panel in first:
            panel.state(0)
        wait_until(lambda: len(then.searched) == dead.AT_ONCE, 60, "the first searches")
        gone, last = panels[dead.AT_ONCE :]
        gone.state(0)
        gone.close()
        last.state(0)
        wait_until(lambda: gone.state(0).topic.words == "Given up.", 60, "it gives up")
        assert len(then.searched) == dead.AT_ONCE
        then.go.set()
        wait_until(lambda: last.state(0).rows, 60, "the last one's letters")
        assert 5_000 + dead.AT_ONCE not in then.searched
    finally:
        then.go.set()
        for panel in panels:
            panel.close()


def test_while_it_looks_and_while_kafka_is_away_it_says_so(services: Services, then: Then) -> None:
    then.go.clear()
    then.problem = ClickstreamError("Kafka does not answer.")
    panel = past(services, 5_000)
    try:
        assert panel.state(0).topic.stage == "catching up"
        then.go.set()
        wait_until(lambda: panel.state(0).topic.words == "Kafka does not answer.", 60, "why")
        assert panel.state(0).topic.stage == "away"
        then.problem = None
        wait_until(lambda: panel.state(0).rows, 60, "the letters")
    finally:
        panel.close()


def test_a_topic_that_is_not_there_is_not_searched(services: Services, then: Then) -> None:
    cast(Any, services).topic_state = lambda _listener: TopicState("dead", "missing", 1_000, "", "")
    panel = past(services, 5_000)
    assert (panel.state(0).topic.stage, panel.state(0).rows, then.searched) == ("missing", [], [])
    panel.close()
