"""The history of a real Kafka: read back, live, over restarts, and counted again from the topics."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from clickstream.enrich.places import MADE_UP, MadeUpPlaces
from clickstream.history.backfill import Older
from clickstream.history.history import History, Topics
from clickstream.history.model import CLICKS, DIMENSIONS, EVENTS, VIP, Filter, Question
from clickstream.history.recount import Recount
from clickstream.history.store import Limits
from clickstream.inspect.topicreader import Stage
from clickstream.kafka.admin import delete
from clickstream.kafka.clients import Cluster
from clickstream.kafka.offsets import limits
from clickstream.records import utc_text
from clickstream.sinks.parquet.folder import FolderStore
from clickstream.sinks.parquet.history import OlderRecords
from tests.integration.brokers import MortalBroker
from tests.integration.support import delete_records, make_topic, run_well
from tests.support import PATIENCE, wait_until

FOREVER = threading.Event()
MINUTE = 60_000


@dataclass
class Running:
    """A history at work, and the names of its topics."""

    history: History
    topics: Topics

    def stage(self, kind: str) -> str:
        return self.history.status().topics[(CLICKS, EVENTS, VIP).index(kind)].stage

    def until(self, kind: str, stage: Stage) -> None:
        wait_until(lambda: self.stage(kind) == stage, 90, lambda: f"{stage}: {self.history.status()}")

    def rows(self, kind: str = CLICKS) -> int:
        return self.history.store.rows[kind].rows

    def until_rows(self, number: int, kind: str = CLICKS) -> None:
        wait_until(lambda: self.rows(kind) == number, 90, lambda: f"{number} rows: {self.history.status()}")


def topics_of(name: str) -> Topics:
    return Topics(f"{name}-clicks", f"{name}-events", f"{name}-vip")


@contextmanager
def running(
    kafka: str,
    topics: Topics,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    older: Older | None = None,
) -> Iterator[Running]:
    history = History(Cluster(kafka), topics, limits, places=MadeUpPlaces(), older=older)
    stop = threading.Event()
    problems: list[BaseException] = []

    def work() -> None:
        try:
            history.run(stop)
        except BaseException as problem:  # noqa: BLE001 - handed to the test
            problems.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield Running(history, topics)
    finally:
        stop.set()
        thread.join(60 * PATIENCE)
        assert not thread.is_alive()
        history.close()
        assert not problems
    assert not any(one.name.startswith("listen to " + topics.clicks) for one in threading.enumerate())


def now() -> int:
    return int(time.time() * 1_000)


def click(at: int, number: int = 0, **fields: Any) -> bytes:
    plain = {
        "ip": f"10.0.{number % 5}.1",
        "userid": number % 7 or None,
        "_time": at,
        "request": f"GET /{number % 4}.html?q={number} HTTP/1.1",
        "status": 404 if number % 9 == 0 else 200,
        "bytes": number,
        "referrer": "https://search.example.net/" if number % 3 == 0 else None,
        "agent": "curl/8" if number % 2 else "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    }
    return json.dumps({**plain, **fields}).encode()


def send(kafka: str, topic: str, values: Sequence[bytes], at: int | None = None) -> None:
    """Records with a timestamp (ms), acknowledged."""
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True})
    refused: list[Any] = []
    for number, value in enumerate(values):
        producer.produce(
            topic,
            value,
            str(number).encode(),
            timestamp=at or 0,
            on_delivery=lambda error, _message: refused.append(error) if error else None,
        )
        producer.poll(0)
    assert producer.flush(60 * PATIENCE) == 0
    assert not refused


def same(history: History, found: Recount, question: Question) -> None:
    """The history's answer for the range of a recount is the recount."""
    question = Question(question.start, found.end, question.bucket, question.filters)
    own = history.traffic(question)
    assert own.covered_from == question.start
    assert own.totals == found.totals
    assert history.visitors(question.start, question.end, question.filters) == found.visitors
    tops = history.tops(question, DIMENSIONS, 1_000)
    assert {dim: {row.value: row.hits for row in top.rows} for dim, top in tops.items()} == found.tops


def test_read_back_then_live_and_counted_again(kafka: str, topic_name: str) -> None:
    topics = topics_of(topic_name)
    for topic in (topics.clicks, topics.events, topics.vip):
        make_topic(kafka, topic, 3)
    begun = now()
    late = [click(begun - 20 * MINUTE, number) for number in range(50)]
    came = [click(begun - 10_000 + number, number) for number in range(3_000)]
    bad = [b"no click", click(0, _time=None), b"\xff", b""]
    send(kafka, topics.clicks, [*came, *late, *bad])
    date = utc_text(begun / 1_000 - 5)
    names = ("productview", "purchase")
    send(
        kafka,
        topics.events,
        [json.dumps({"date": date, "eventName": name, "productId": "p", "userId": "u"}).encode() for name in names],
    )
    vip = {"user_id": "u1", "event_time": begun, "page": 1, "action": "add", "device": "mobile", "agent": "x"}
    send(kafka, topics.vip, [json.dumps(vip).encode()])
    with running(kafka, topics) as at_work:
        history = at_work.history
        at_work.until_rows(3_050)
        at_work.until_rows(2, EVENTS)
        at_work.until_rows(1, VIP)
        wait_until(lambda: history.status().live, 90, lambda: str(history.status()))
        wait_until(lambda: history.totals()["skipped"] == 4, 60, lambda: str(history.totals()))
        assert history.status().places == MADE_UP
        assert history.tally(begun - MINUTE, begun, MINUTE).totals == {"productview": 1, "purchase": 1}

        latencies = []
        for number in range(10):
            send(kafka, topics.clicks, [click(now(), number)])
            sent = time.monotonic()
            at_work.until_rows(3_051 + number)
            latencies.append(time.monotonic() - sent)
        assert min(latencies) < PATIENCE, latencies

        question = Question(begun - 30 * MINUTE, now() + MINUTE)
        for filters in ((), (Filter("page", True, "/2.html"), Filter("bot", False, "true"))):
            question = Question(question.start, question.end, MINUTE, filters)
            found = history.recount(question, DIMENSIONS, FOREVER)
            assert found.complete
            assert found.end == history.final()
            assert found.totals.hits > (0 if filters else 3_000)
            same(history, found, question)

        plain = Question(question.start, question.end)
        with history.store.lock:
            changed = next(history.store.rows[CLICKS].tables())
            history.store.db.execute(f"DELETE FROM {changed} WHERE time % 3 = 0")
            for level in history.store.rollups.levels:
                for table in level.segments.tables():
                    history.store.db.execute(f"UPDATE {table} SET hits = hits + 1")
            history.store.changes += 1
        again = history.recount(plain, ["page"], FOREVER)
        altered = history.traffic(Question(plain.start, again.end)).totals
        assert again.totals.hits != altered.hits, "a history that is wrong shows two numbers"


def test_a_recount_has_limits_and_can_be_cancelled(kafka: str, topic_name: str) -> None:
    topics = topics_of(topic_name)
    make_topic(kafka, topics.clicks, 3)
    begun = now()
    send(kafka, topics.clicks, [click(begun, number) for number in range(5_000)])
    history = History(Cluster(kafka), topics)
    question = Question(begun - MINUTE, begun + MINUTE)
    few = history.recount(question, ["page"], FOREVER, max_records=1)
    assert (few.complete, few.words.startswith("Stopped after")) == (False, True)
    slow = history.recount(question, ["page"], FOREVER, within_s=0.0)
    assert (slow.complete, slow.words.startswith("Stopped after 0 s")) == (False, True)
    cancelled = threading.Event()
    cancelled.set()
    assert history.recount(question, ["page"], cancelled).words == "Cancelled."
    assert history.recount(question, ["page"], FOREVER).totals.hits == 5_000
    history.close()


def test_a_topic_that_is_missing_and_later_recreated(kafka: str, topic_name: str) -> None:
    topics = topics_of(topic_name)
    begun = now()
    with running(kafka, topics) as at_work:
        at_work.until(CLICKS, Stage.MISSING)
        assert topics.clicks in at_work.history.status().topics[0].words
        make_topic(kafka, topics.clicks, 3)
        send(kafka, topics.clicks, [click(begun, number) for number in range(100)])
        at_work.until_rows(100)
        at_work.until(CLICKS, Stage.LIVE)
        delete(Cluster(kafka), [topics.clicks])
        at_work.until(CLICKS, Stage.MISSING)
        make_topic(kafka, topics.clicks, 2)
        send(kafka, topics.clicks, [click(begun, number) for number in range(30)])
        at_work.until_rows(30)
        question = Question(begun - MINUTE, begun + MINUTE)
        assert at_work.history.traffic(question).totals.hits == 30


def test_a_restart_of_the_broker_loses_and_repeats_nothing(mortal: MortalBroker, topic_name: str) -> None:
    topics = topics_of(topic_name)
    make_topic(mortal.address, topics.clicks, 3)
    begun = now()
    send(mortal.address, topics.clicks, [click(begun, number) for number in range(500)])
    with running(mortal.address, topics) as at_work:
        at_work.until_rows(500)
        mortal.kill()
        send(mortal.address, topics.clicks, [click(begun + 1_000, number) for number in range(300)])
        at_work.until_rows(800)
        at_work.until(CLICKS, Stage.LIVE)
        question = Question(begun - MINUTE, begun + MINUTE)
        found = at_work.history.recount(Question(question.start, begun + 500), DIMENSIONS, FOREVER)
        assert found.complete
        same(at_work.history, found, question)


def test_the_period_before_the_history_is_summed_up_in_the_background(kafka: str, topic_name: str) -> None:
    topics = topics_of(topic_name)
    make_topic(kafka, topics.clicks, 3)
    begun = now() // MINUTE * MINUTE
    for hours, number in ((30, 7), (5, 100), (3, 200), (2, 300)):
        at = begun - hours * 60 * MINUTE
        send(kafka, topics.clicks, [click(at + one * 10, one) for one in range(number)], at)
    send(kafka, topics.clicks, [click(begun - 1_000, number) for number in range(50)], begun - 1_000)
    with running(kafka, topics, Limits(history_ms=10 * MINUTE)) as at_work:
        at_work.until_rows(50)
        question = Question(begun - 6 * 60 * MINUTE, begun, 5 * MINUTE)
        wait_until(
            lambda: at_work.history.traffic(question).covered_from == question.start,
            90,
            lambda: f"sums reach back: {at_work.history.coverage()}",
        )
        assert at_work.history.traffic(question).totals.hits == 650
        assert at_work.rows() == 50
        filtered = Question(question.start, question.end, question.bucket, (Filter("status", True, "404"),))
        assert at_work.history.traffic(filtered).covered_from > begun - 20 * MINUTE, "rows reach only so far"


def archived(kafka: str, topic: str, to: Path) -> OlderRecords:
    run_well("sink", "parquet", topic, "--to", str(to), "--exit-at-end", "--quiet", "-b", kafka, timeout=90)
    return OlderRecords(FolderStore(to), topic.replace("-", "_"))


def ends_of(kafka: str, topic: str) -> dict[int, int]:
    return {number: limit.high for number, limit in limits(Cluster(kafka), topic).items()}


def test_what_the_topic_has_lost_is_summed_up_from_an_archive(kafka: str, topic_name: str, tmp_path: Path) -> None:
    topics = topics_of(topic_name)
    make_topic(kafka, topics.clicks, 3)
    begun = now() // MINUTE * MINUTE

    def send_at(hours: int, number: int) -> None:
        at = begun - hours * 60 * MINUTE
        send(kafka, topics.clicks, [click(at + one * 10, one) for one in range(number)], at)

    for hours, number in ((30, 7), (5, 100), (3, 200)):
        send_at(hours, number)
    lost = ends_of(kafka, topics.clicks)
    send_at(2, 300)
    older = archived(kafka, topics.clicks, tmp_path)
    send(kafka, topics.clicks, [click(begun - 1_000, number) for number in range(50)], begun - 1_000)
    delete_records(kafka, topics.clicks, lost)
    question = Question(begun - 6 * 60 * MINUTE, begun, 5 * MINUTE)

    with running(kafka, topics, Limits(history_ms=10 * MINUTE), older) as at_work:
        wait_until(
            lambda: at_work.history.traffic(question).covered_from == question.start,
            90,
            lambda: f"sums reach back: {at_work.history.coverage()}",
        )
        assert at_work.history.traffic(question).totals.hits == 650
        assert at_work.rows() == 50

    # An archive that lacks what the topic has lost meanwhile is no help, and nothing is claimed.
    delete_records(kafka, topics.clicks, ends_of(kafka, topics.clicks))
    send(kafka, topics.clicks, [click(begun - 500, number) for number in range(20)], begun - 500)
    with running(kafka, topics, Limits(history_ms=10 * MINUTE), older) as at_work:
        at_work.until_rows(20)
        at_work.until(CLICKS, Stage.LIVE)
        wait_until(lambda: not any(one.name.startswith("history: before") for one in threading.enumerate()), 90)
        reached = at_work.history.coverage().rollups_from
        assert reached is not None
        assert reached >= begun - 500, "nothing of what is deleted is claimed"
