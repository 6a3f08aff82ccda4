"""Figures proved by reading Kafka again, from the dashboard on a real Kafka."""

import http.client
import json
import threading
from typing import Any

import pytest

from clickstream.history.history import History
from clickstream.history.model import CLICKS, EVENTS, Question
from clickstream.history.recount import TakeClick
from clickstream.history.reread import Reread
from clickstream.history.store import Limits
from clickstream.kafka.clients import Cluster
from clickstream.records import utc_text
from clickstream.ui.api.recount import LOST
from tests.integration.support import delete_records, make_topic
from tests.integration.test_history import MINUTE, click, now, send, topics_of
from tests.integration.test_ui_records import asked
from tests.integration.uisupport import dashboard
from tests.support import PATIENCE, wait_until


def count(address: str, figure: str, **params: Any) -> Any:
    status, text = asked(
        address, "/api/recount", figure=figure, **{name.strip("_"): str(value) for name, value in params.items()}
    )
    assert status == 200, text
    return json.loads(text)


def test_a_figure_is_counted_again_and_a_history_that_is_wrong_shows_two_numbers(kafka: str, topic_name: str) -> None:
    topics = topics_of(topic_name)
    for topic in (topics.clicks, topics.events, topics.vip):
        make_topic(kafka, topic, 3)
    end = now() - 20_000
    start = end - 2 * MINUTE
    send(kafka, topics.clicks, [click(start + number * 10, number) for number in range(12_000)])
    send(kafka, topics.clicks, [click(end + 15_000)])  # the watermark is 5 s before the newest
    cluster = Cluster(kafka)
    history = History(cluster, topics, Limits())
    with dashboard(cluster, history=lambda _statuses: history) as address:
        wait_until(lambda: history.store.rows[CLICKS].rows == 12_001, 90, lambda: str(history.status()))
        for figure, value in (
            ("hits", 6_000),
            ("bytes", sum(range(12_000)) / 120),
            ("errors", 1_334 / 12_000),
            ("users", 6),
            ("visitors", 6 + 5),
        ):
            found = count(address, figure, from_=start, to=end)
            assert (found["from"], found["to"], found["topic_name"]) == (start, end, topics.clicks)
            assert found["history"] == found["topic"] == pytest.approx(value), figure
            assert found["records"] == 12_001
        one_page = json.dumps([["page", "=", "/2.html"], ["bot", "!=", "true"]])
        few = count(address, "hits", from_=start, to=end, filters=one_page)
        assert 0 < few["history"] == few["topic"] < 6_000
        # What is not final yet is left out.
        cut = count(address, "hits", from_=start, to=end + MINUTE)
        assert cut["to"] == end + 10_000 == history.final()

        with history.store.lock:
            for level in history.store.rollups.levels:
                for table in level.segments.tables():
                    history.store.db.execute(f"UPDATE {table} SET hits = hits + 1")
            history.store.changes += 1
        altered = count(address, "hits", from_=start, to=end)
        assert altered["topic"] == 6_000
        assert altered["history"] != 6_000


def test_numbers_of_sessions_and_events_are_counted_again(kafka: str, topic_name: str) -> None:
    """What each is of is in tests/unit/ui/test_numbers.py; here the topics are read."""
    topics = topics_of(topic_name)
    for topic in (topics.clicks, topics.events, topics.vip):
        make_topic(kafka, topic, 3)
    end = now() // 1_000 * 1_000 - 20_000
    start = end - 4 * MINUTE
    # Three users, each in sessions of 40 s with 40 s between them, one of them with large ones.
    clicks = [
        click(at, userid=user, bytes=60_000 if user == 3 else 10, status=404 if user == 2 else 200)
        for user in (1, 2, 3)
        for begin in range(start + 40_000, end, 80_000)
        for at in range(begin + user, begin + 40_000, 10_000)
    ]
    send(kafka, topics.clicks, [*clicks, click(end + 15_000, userid=None)])
    did = [("ann", "a", 0), ("ann", "b", 30), ("bob", "a", 5), ("bob", "b", 100), ("cy", "b", 1), ("cy", "a", 2)]
    send(
        kafka,
        topics.events,
        [
            json.dumps({"date": utc_text(start / 1_000 + at), "eventName": name, "userId": user}).encode()
            for user, name, at in did
        ],
    )
    cluster = Cluster(kafka)
    history = History(cluster, topics, Limits())
    with dashboard(cluster, history=lambda _statuses: history) as address:
        wait_until(lambda: history.store.rows[CLICKS].rows == len(clicks) + 1, 90, lambda: str(history.status()))
        wait_until(lambda: history.store.rows[EVENTS].rows == len(did), 90, lambda: str(history.status()))
        numbers: list[tuple[str, Any, dict[str, Any]]] = [
            ("sessions", 9, {}),
            ("open_sessions", 3, {}),
            ("large_sessions", 3, {"threshold": 100_000}),
            ("met", 1, {}),
            ("error_clicks", len(clicks) // 3, {}),
            ("event_users", 3, {}),
            ("event_rate", 3 * (1_000 / 240_000), {"event": "b"}),
            ("funnel", [[3, None, None], [1, 30_000, 30_000]], {"steps": '["a","b"]', "window": 60_000}),
        ]
        for figure, wanted, more in numbers:
            found = count(address, figure, from_=start, to=end, **more)
            assert (found["history"], found["topic"]) == (wanted, wanted), figure


def test_what_came_before_its_own_time_is_on_neither_side(kafka: str, topic_name: str) -> None:
    """Their Kafka timestamps are no earlier, as of a clock that is ahead: only the history has seen when they came."""
    topics = topics_of(topic_name)
    make_topic(kafka, topics.clicks, 2)
    behind = 10 * MINUTE
    cluster = Cluster(kafka)
    history = History(cluster, topics, Limits(), clock=lambda: now() - behind)
    begun = now()
    start, end = begun - 12 * MINUTE, begun - 5_000
    with dashboard(cluster, history=lambda _statuses: history) as address:
        send(kafka, topics.clicks, [click(start + number * 1_000, number) for number in range(60)])
        wait_until(lambda: history.store.rows[CLICKS].rows == 60, 90, lambda: str(history.status()))
        send(kafka, topics.clicks, [click(begun - 8 * MINUTE + number, number) for number in range(20)])
        wait_until(lambda: history.totals()["skipped"] == 20, 60, lambda: str(history.totals()))
        behind = 0  # their time has come
        send(kafka, topics.clicks, [click(begun)])
        wait_until(lambda: history.store.rows[CLICKS].rows == 61, 90, lambda: str(history.status()))
        wait_until(lambda: history.read_until(CLICKS) is None, 60, lambda: str(history.status()))
        found = count(address, "clicks", from_=start, to=end)
        assert (found["to"], found["records"]) == (end, 81)
        assert (found["history"], found["topic"]) == (60, 60)
        assert found["note"].startswith("20 clicks came more than a minute before their own time: ")
        one_page = json.dumps([["page", "=", "/2.html"]])
        few = count(address, "clicks", from_=start, to=end, filters=one_page)
        assert 0 < few["history"] == few["topic"] < 60
        assert int(few["note"].split()[0]) < 20


def test_what_the_topic_does_not_hold_any_more_is_not_told_as_a_difference(kafka: str, topic_name: str) -> None:
    topics = topics_of(topic_name)
    make_topic(kafka, topics.clicks, 1)
    end = now() - 20_000
    start = end - 2 * MINUTE
    clicks = [click(start + number * 1_000, number) for number in range(120)]
    send(kafka, topics.clicks, clicks[:60], at=start)
    send(kafka, topics.clicks, clicks[60:], at=start + MINUTE)
    send(kafka, topics.clicks, [click(end + 15_000)])
    cluster = Cluster(kafka)
    history = History(cluster, topics, Limits())
    with dashboard(cluster, history=lambda _statuses: history) as address:
        wait_until(lambda: is_read(history), 60, lambda: str(history.status()))
        wait_until(lambda: history.store.rows[CLICKS].rows == 121, 90, lambda: str(history.status()))
        assert count(address, "clicks", from_=start, to=end)["topic"] == 120
        delete_records(kafka, topics.clicks, {0: 60})
        for figure in ("clicks", "users"):  # as many users are left: it is known all the same that clicks are gone
            words = refused(address, figure=figure, **{"from": str(start), "to": str(end)})
            assert words.startswith("What the topic has left begins at 2")
            assert words.endswith("UTC. Ask for a shorter time.")
        assert count(address, "clicks", from_=start + MINUTE, to=end)["note"] == ""


def test_a_topic_that_was_filled_anew_is_compared_and_a_difference_is_not_told(kafka: str, topic_name: str) -> None:
    """As by a replay: its Kafka timestamps say nothing of when the records happened that were deleted."""
    topics = topics_of(topic_name)
    make_topic(kafka, topics.clicks, 1)
    end = now() - 20_000
    start = end - 5 * MINUTE
    cluster = Cluster(kafka)
    history = History(cluster, topics, Limits())
    of = {"figure": "clicks", "from": str(start), "to": str(end)}
    early = {"from_": start - 30 * MINUTE, "to": start - 25 * MINUTE}
    send(kafka, topics.clicks, [click(start)] * 5)
    delete_records(kafka, topics.clicks, {0: 5})
    with dashboard(cluster, history=lambda _statuses: history) as address:
        wait_until(lambda: history.status().topics[0].stage == "live", 60, lambda: str(history.status()))
        assert count(address, "clicks", **early)["note"] == ""  # they were deleted before the history began
        send(kafka, topics.clicks, [click(start - 20 * MINUTE + number * 1_000, number) for number in range(60)])
        wait_until(lambda: history.store.rows[CLICKS].rows == 60, 90, lambda: str(history.status()))
        delete_records(kafka, topics.clicks, {0: 65})
        # Before it is filled anew there is no record that could tell anything.
        assert count(address, "clicks", **early)["note"] == LOST
        gone = {**of, "from": str(start - 20 * MINUTE), "to": str(start - 19 * MINUTE - 10_000)}
        assert (
            refused(address, **gone)
            == "All records of the topic's partition 0 were deleted: some may have been of this time."
        )
        send(kafka, topics.clicks, [click(start + number * 1_000, number) for number in range(120)])
        send(kafka, topics.clicks, [click(end + 15_000)])
        wait_until(lambda: history.store.rows[CLICKS].rows == 181, 90, lambda: str(history.status()))
        wait_until(lambda: history.read_until(CLICKS) is None, 60, lambda: str(history.status()))
        found = count(address, "clicks", from_=start, to=end)
        assert (found["history"], found["topic"], found["note"]) == (120, 120, LOST)
        alone = history.recount(Question(start, end), ["page"], threading.Event())
        assert (alone.totals.hits, alone.complete, alone.words.endswith("lost records of it.")) == (120, False, True)
        assert refused(address, **gone).endswith(", after this time: it may have lost records of it.")
        delete_records(kafka, topics.clicks, {0: 105})
        assert refused(address, **of).endswith(", after this time: it may have lost records of it.")


def refused(address: str, **params: str) -> str:
    status, text = asked(address, "/api/recount", **params)
    assert status == 503, text
    words: str = json.loads(text)["error"]
    return words


@pytest.mark.parametrize(
    ("params", "status", "says"),
    [
        ({"figure": "moons", "from": "1", "to": "60001"}, 400, "there are visitors, users"),
        ({"figure": "hits", "from": "1", "to": "x"}, 400, "whole number"),
        ({"figure": "hits", "from": "60001", "to": "1"}, 400, "1 ms to 24 h"),
        ({"figure": "hits", "from": "1", "to": "60001", "filters": "{"}, 400, "JSON"),
        ({"figure": "hits", "from": "1", "to": "60001", "filters": '[["moon","=","x"]]'}, 400, "no filter"),
        ({"figure": "hits", "from": "1", "to": "60001", "soon": "1"}, 400, "no parameter"),
        ({"figure": "funnel", "from": "1", "to": "60001", "steps": '["a","a"]'}, 400, "each of them once"),
        ({"figure": "large_sessions", "from": "1", "to": "60001", "threshold": "x"}, 400, "whole number"),
        ({"figure": "hits", "from": "9999999990000", "to": "9999999999999"}, 409, "final"),
    ],
)
def test_what_cannot_be_counted_says_why(
    kafka: str, topic_name: str, params: dict[str, str], status: int, says: str
) -> None:
    topics = topics_of(topic_name)
    make_topic(kafka, topics.clicks, 1)
    send(kafka, topics.clicks, [click(now())])
    history = History(Cluster(kafka), topics)
    with dashboard(Cluster(kafka), history=lambda _statuses: history) as address:
        wait_until(lambda: is_read(history), 60, lambda: str(history.status()))
        found, text = asked(address, "/api/recount", **params)
        assert (found, says in json.loads(text)["error"]) == (status, True), text


def is_read(history: History) -> bool:
    """Whether it has a click, and knows how far it has read: it takes records before it says so."""
    return history.final() is not None and history.read_until(CLICKS) != 0


def test_a_count_that_is_given_up_ends_at_the_server(
    kafka: str, topic_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = topics_of(topic_name)
    make_topic(kafka, topics.clicks, 1)
    begun = now()
    send(kafka, topics.clicks, [click(begun)])
    history = History(Cluster(kafka), topics)
    real, started, ended = history.reread_clicks, threading.Semaphore(0), threading.Semaphore(0)

    def slow(question: Question, take: TakeClick, stop: threading.Event) -> Reread:
        started.release()
        if stop.wait(60 * PATIENCE):
            ended.release()
        return real(question, take, stop)

    monkeypatch.setattr(history, "reread_clicks", slow)
    with dashboard(Cluster(kafka), history=lambda _statuses: history) as address:
        wait_until(lambda: is_read(history), 60, lambda: str(history.status()))
        client = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60 * PATIENCE)
        client.request("GET", f"/api/recount?figure=hits&from={begun - 120_000}&to={begun}")
        assert started.acquire(timeout=60 * PATIENCE)
        client.close()
        assert ended.acquire(timeout=60 * PATIENCE), "the client left, and it goes on"
