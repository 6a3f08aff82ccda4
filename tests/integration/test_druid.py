"""deploy/druid on a real Druid: specs take in every record, questions count right, and the check says what is wrong."""

import json
import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from clickstream.collect.intake import Intake, IntakeOptions
from clickstream.collect.model import Request
from tests.integration import druidsupport
from tests.integration.collectsupport import AGENT
from tests.integration.druidsupport import FOLDER, Druid
from tests.integration.support import delete_records, make_topic, produce, records, run, value
from tests.integration.tablesupport import generate

pytestmark = pytest.mark.slow

EVENTS, CLICKS = 3_000, 10_000
AGENTS = (
    AGENT,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
)
Record = dict[str, Any]
Rows = list[list[Any]]


@dataclass(frozen=True)
class Ingested:
    """A Druid whose supervisors have read two topics, and what those hold."""

    druid: Druid
    kafka: str
    prefix: str
    events: list[Record]
    clicks: list[Record]

    @property
    def people(self) -> list[Record]:
        return [event for event in self.events if event["bot"] is None]

    @property
    def views(self) -> list[Record]:
        good = (event for event in self.people if not event["duplicate"] and not event["corrupt"])
        return [event for event in good if event["event"] == "pageview"]

    def check(self, supervisor: str) -> tuple[int, Record, str]:
        """Exit code, JSON and warnings of `clickstream druid check`."""
        done = run("druid", "check", supervisor, "--url", self.druid.overlord, "-b", self.kafka, "--json")
        assert done.printed, done.said
        return done.code, json.loads(done.printed), done.said


@pytest.fixture(scope="module")
def ingested(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingested]:
    prefix = f"druid-{uuid.uuid4().hex[:8]}"
    begin = datetime.now(UTC) - timedelta(hours=4)
    make_topic(kafka, f"{prefix}-web-events")
    produce(kafka, f"{prefix}-web-events", list(web_events(begin)))
    generate(kafka, prefix, "--count", str(CLICKS), "--event-rate", "1", "--seed", "3", "--start", begin.isoformat())
    with druidsupport.running(tmp_path_factory.mktemp("druid")) as druid:
        druid.supervise(kafka, prefix)
        druid.wait_for_rows({"web-events": EVENTS, "clickstream": CLICKS})
        read = [
            [json.loads(value(record)) for record in records(kafka, f"{prefix}-{topic}")]
            for topic in ("web-events", "clickstream")
        ]
        yield Ingested(druid, kafka, prefix, *read)


def web_events(begin: datetime) -> Iterator[bytes]:
    """Records of the collector: two sites, people with two browsers, and a robot."""
    chance = random.Random(7)
    intake = Intake(IntakeOptions())
    start = int(begin.timestamp() * 1000)
    for number in range(EVENTS):
        visitor = chance.randrange(400)
        at = start + number * 4_000
        event = {
            "id": f"e{number}",
            "event": chance.choice(("pageview", "scroll")),
            "url": f"https://{chance.choice(('shop', 'blog'))}.example{chance.choice(('/', '/basket'))}",
            "visitor": f"visitor {visitor}",
            "time": at,
            "properties": {"depth": visitor},
        }
        headers = {"user-agent": AGENTS[visitor % 3]}
        request = Request("POST", "/e", "", headers, "203.0.113.7", at, json.dumps(event).encode())
        [outgoing] = intake.take(request).events
        record = json.loads(outgoing.records[0].value or b"")
        yield json.dumps({**record, "country": (None, "DE", "FR", "US")[visitor % 4]}).encode()


# --- what the questions are to answer, by the topics alone


def slot(milliseconds: int, seconds: int) -> str:
    """The beginning of the minute or hour, as Druid writes it."""
    at = datetime.fromtimestamp(milliseconds // 1000 // seconds * seconds, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def about(figure: float) -> Any:
    """A distinct count, or what is computed of one, is an estimate."""
    return pytest.approx(figure, rel=0.05)


def page_views(found: Ingested) -> Rows:
    counts = sorted(Counter(slot(event["time"], 60) for event in found.views).items())
    totals = accumulate(count for _, count in counts)
    return [[minute, count, total] for (minute, count), total in zip(counts, totals, strict=True)]


def visitors(found: Ingested) -> Rows:
    return [[hour, about(len(who))] for (hour,), _, who in grouped(found.people, lambda one: (hour_of(one),))]


def hour_of(event: Record) -> str:
    return slot(event["time"], 3600)


def grouped(
    events: list[Record], key: Callable[[Record], tuple[str, ...]], of: str = "visitor"
) -> list[tuple[tuple[str, ...], int, set[str]]]:
    """Key, number of events and distinct values, in the order of keys."""
    counts = Counter(map(key, events))
    seen: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for event in events:
        seen[key(event)].add(event[of])
    return [(one, counts[one], seen[one]) for one in sorted(counts)]


def countries(found: Ingested) -> Rows:
    groups = grouped(found.people, lambda event: (event["country"] or "unknown",))
    return most([[*key, about(len(who)), count] for key, count, who in groups])


def systems_and_browsers(found: Ingested) -> Rows:
    groups = grouped(found.people, lambda event: (event["os"] or "unknown", event["browser"] or "unknown"))
    assert len(groups) == 2
    return most([[*key, about(len(who)), count] for key, count, who in groups])


def most(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: (-row[-1], *row[:-2]))[:20]


def growth(found: Ingested) -> Rows:
    counts = sorted(Counter(map(hour_of, found.views)).items())
    before = [None, *(count for _, count in counts)]
    return [
        [hour, count, None if last is None else pytest.approx(100 * (count - last) / last)]
        for (hour, count), last in zip(counts, before, strict=False)
    ]


def visits(found: Ingested) -> Rows:
    groups = grouped(found.views, lambda event: (hour_of(event), event["site"]), of="session")
    return [[*key, about(len(sessions)), about(count / len(sessions))] for key, count, sessions in groups]


def errors(found: Ingested) -> Rows:
    minutes: dict[str, list[Record]] = defaultdict(list)
    for click in found.clicks:
        minutes[slot(click["_time"], 60)].append(click)
    rows = []
    for minute, clicks in sorted(minutes.items()):
        failed = sum(click["status"] >= 400 for click in clicks)
        percent = pytest.approx(100 * failed / len(clicks))
        rows.append([minute, len(clicks), failed, percent, about(len({click["ip"] for click in clicks}))])
    return rows


EXPECTED: dict[str, Callable[[Ingested], Rows]] = {
    "page-views": page_views,
    "visitors": visitors,
    "countries": countries,
    "systems-and-browsers": systems_and_browsers,
    "growth": growth,
    "visits": visits,
    "errors": errors,
}
QUESTIONS = sorted((FOLDER / "questions").glob("*.sql"))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda path: path.stem)
def test_a_question_is_answered_by_what_the_topics_hold(ingested: Ingested, question: Path) -> None:
    answered = ingested.druid.sql(question.read_text("utf-8"))
    assert len(answered) > 1
    assert answered == EXPECTED[question.stem](ingested)


def test_fields_keep_their_types(ingested: Ingested) -> None:
    [[depth, flags]] = ingested.druid.sql(
        """SELECT SUM(JSON_VALUE(properties, '$.depth' RETURNING BIGINT)), SUM(new_session) FROM "web-events" """
    )
    assert depth == sum(event["properties"]["depth"] for event in ingested.events)
    assert flags == sum(event["new_session"] for event in ingested.events)


# --- the check; each goes further than the one before


def told(ingested: Ingested, supervisor: str) -> tuple[int, Record, str] | None:
    """Once Druid tells how far it is in all partitions: it asks its tasks every 30 s."""
    code, found, said = ingested.check(supervisor)
    return None if any(one["lag"] is None for one in found["partitions"]) else (code, found, said)


@pytest.mark.parametrize(("supervisor", "rows"), [("web-events", EVENTS), ("clickstream", CLICKS)])
def test_all_is_well_when_everything_was_read(ingested: Ingested, supervisor: str, rows: int) -> None:
    def read() -> tuple[int, Record, str] | None:
        done = told(ingested, supervisor)
        return done if done and not any(one["lag"] for one in done[1]["partitions"]) else None

    code, found, said = druidsupport.patiently(read)

    assert (code, said, found["problems"]) == (0, "", [])
    assert found["reset"] == {"earliest": True, "read": rows, "doubled": 0, "lost": 0}


def has_looked(status: Record) -> bool:
    """Whether a supervisor that resumes has gone on where its former tasks were, or has found that it cannot."""
    return bool(status["activeTasks"] or status["recentErrors"])


def test_records_that_were_deleted_before_they_were_read_and_going_on_behind_them(ingested: Ingested) -> None:
    topic = f"{ingested.prefix}-clickstream"
    api = "/druid/indexer/v1/supervisor/clickstream"
    ingested.druid.call(f"{api}/suspend", {})
    [end, *_] = (one["end"] for one in ingested.check("clickstream")[1]["partitions"])
    produce(ingested.kafka, topic, [json.dumps(ingested.clicks[0]).encode()] * 50, partition=0)
    delete_records(ingested.kafka, topic, {0: end + 10})

    code, found, said = druidsupport.patiently(lambda: told(ingested, "clickstream"))

    assert code == 1
    assert "supervisor clickstream is suspended" in said
    assert f"{topic} partition 0: Druid is at {end}, the log begins at {end + 10}: 10 records were" in said
    assert [one["partition"] for one in found["partitions"] if one["problem"]] == [0]

    # As docs/deploy/druid.md says: a supervisor that resumes goes on where its former tasks were.
    published = """SELECT MIN(is_published) FROM sys.segments WHERE datasource = 'clickstream'"""
    druidsupport.patiently(lambda: ingested.druid.sql(published) == [[1]])
    ingested.druid.call(f"{api}/resume", {})
    druidsupport.patiently(lambda: has_looked(ingested.druid.call(f"{api}/status")["payload"]))
    ends = {"type": "end", "stream": topic, "partitionOffsetMap": {"0": end + 10}}
    ingested.druid.call(f"{api}/resetOffsets", {"type": "kafka", "partitions": ends})

    ingested.druid.wait_for_rows({"clickstream": CLICKS + 40})
    druidsupport.patiently(lambda: ingested.check("clickstream")[0] == 0)


def test_a_hard_reset_costs_what_the_check_says(ingested: Ingested) -> None:
    """What the test before has left: segments up to where the supervisor was suspended, and 40 rows in tasks."""
    topic = f"{ingested.prefix}-clickstream"
    api = "/druid/indexer/v1/supervisor/clickstream"
    # Until its segments are handed on, what a task has published counts as not published.
    druidsupport.patiently(lambda: not ingested.druid.call(f"{api}/status")["payload"]["publishingTasks"])
    code, found, _ = druidsupport.patiently(lambda: told(ingested, "clickstream"))
    assert code == 0
    [first, *others] = found["partitions"]
    lost = 15
    delete_records(ingested.kafka, topic, {0: first["published"] + lost})

    cost = ingested.check("clickstream")[1]["reset"]

    doubled = sum(one["end"] for one in others)
    assert cost == {"earliest": True, "read": 40 - lost + doubled, "doubled": doubled, "lost": lost}
    ingested.druid.call(f"{api}/reset", {})
    ingested.druid.wait_for_rows({"clickstream": CLICKS + 40 + doubled - lost})


def test_a_topic_that_was_recreated(ingested: Ingested) -> None:
    topic = f"{ingested.prefix}-web-events"
    run("topics", "delete", topic, "--yes", "-b", ingested.kafka)
    make_topic(ingested.kafka, topic)

    code, found, said = ingested.check("web-events")

    assert code == 1
    assert said.count("the topic was recreated, or lost records") == 3
    # What only tasks have is nowhere else any more.
    assert found["reset"] == {"earliest": True, "read": 0, "doubled": 0, "lost": EVENTS}
