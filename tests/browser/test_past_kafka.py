"""Records at a past instant in a real browser, on a real Kafka: what is shown is what a filter of the topic by
timestamp leaves."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from confluent_kafka import Message

from clickstream.history.history import History
from clickstream.history.store import Limits
from clickstream.inspect.letters import RETRIED_OFFSET, RETRIED_TO, mark_of
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetter, Origin, headers_of, letter_headers
from clickstream.kafka.produce import Headers, Sender
from tests.browser.conftest import page_at
from tests.integration.conftest import broker_java, kafka, kafka_data_dir  # noqa: F401 - fixtures
from tests.integration.support import make_topic, records
from tests.integration.test_history import MINUTE, click, now, send, topics_of
from tests.integration.uisupport import TOKEN, dashboard
from tests.support import wait_until

TOPIC, DEAD, HISTORY = "past-records", "past-dead", "past-history"
RECORDS = 1_500
END = now() // 1_000 * 1_000 - 30_000
START = END - 10 * MINUTE
# In the midst of it, with records to both sides.
INSTANT = START + 8 * MINUTE
FILE = f"""
CREATE TABLE hits_in (n INT, at_ BIGINT, ts AS TO_TIMESTAMP_LTZ(at_, 3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'kafka', 'topic' = '{TOPIC}', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'format' = 'json', 'scan.startup.mode' = 'earliest-offset');
CREATE TABLE per_min (window_start TIMESTAMP(3), hits BIGINT)
  WITH ('connector' = 'kafka', 'topic' = 'past-result', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'format' = 'json');
INSERT INTO per_min SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE hits_in, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
"""


def fill(kafka: str) -> None:  # noqa: F811
    """Each record 0.4 s after the one before, but up to 3 s late, as where clocks disagree."""
    dice = random.Random(7)
    make_topic(kafka, TOPIC, 3)
    sender = Sender(Cluster(kafka).producer())
    for number in range(RECORDS):
        at = START + number * 400 - dice.randrange(3_000)
        sender.send(TOPIC, json.dumps({"n": number, "at_": at}).encode(), partition=number % 3, timestamp=at)
    sender.must_have_delivered("the records")


def fill_letters(kafka: str) -> None:  # noqa: F811
    """A letter each minute, sent again two minutes later, but for every third."""
    make_topic(kafka, DEAD, 1)
    sender = Sender(Cluster(kafka).producer({"linger.ms": 0}))
    events = [(START + minute * MINUTE, minute, True) for minute in range(10)]
    events += [(START + (minute + 2) * MINUTE, minute, False) for minute in range(10) if minute % 3]
    offsets: dict[int, int] = {}
    for offset, (at, minute, is_letter) in enumerate(sorted(events)):
        if is_letter:
            offsets[minute] = offset
            value, headers = letter_headers(DeadLetter(b"{]", f"no JSON {minute}", Origin("clicks", 0, minute)), "part")
            sender.send(DEAD, value, None, headers=headers, timestamp=at, partition=0)
        else:
            mark: Headers = [(RETRIED_OFFSET, str(offsets[minute]).encode()), (RETRIED_TO, b"clicks")]
            sender.send(DEAD, None, None, headers=mark, timestamp=at, partition=0)
    sender.must_have_delivered("the letters")


@pytest.fixture(scope="module")
def address(kafka: str) -> Iterator[str]:  # noqa: F811
    fill(kafka)
    fill_letters(kafka)
    topics = topics_of(HISTORY)
    for topic in (topics.clicks, topics.events, topics.vip):
        make_topic(kafka, topic, 1)
    send(kafka, topics.clicks, [click(START + number * 1_000, number) for number in range(600)])
    history = History(Cluster(kafka), topics, Limits())
    with dashboard(Cluster(kafka), history=lambda _statuses: history, dead_letter_topic=DEAD) as found:
        wait_until(lambda: history.status().live, 90, lambda: str(history.status()))
        yield found


@pytest.fixture
def go(browser: Any, address: str) -> Iterator[Callable[[str], Any]]:
    with page_at(browser, f"{address}/#token={TOKEN}") as page:

        def open_(hash_: str) -> Any:
            page.evaluate("hash => { location.hash = hash; }", hash_)
            return page

        yield open_


def time_of(record: Message) -> int:
    return record.timestamp()[1]


def had_come(kafka: str, topic: str) -> list[Message]:  # noqa: F811
    """By the instant, as the timestamps of all records say."""
    every = records(kafka, topic)
    found = [one for one in every if time_of(one) <= INSTANT]
    assert 0 < len(found) < len(every)
    return found


def place(record: Message) -> str:
    return f"{record.partition()}:{record.offset()}"


def places(page: Any) -> list[str]:
    found: list[str] = page.locator(".records tbody tr").evaluate_all("all => all.map((one) => one.dataset.key)")
    return found


def test_a_topic_shows_and_exports_what_had_come(go: Callable[[str], Any], kafka: str) -> None:  # noqa: F811
    wanted = {place(one) for one in had_come(kafka, TOPIC)}
    page = go(f"#/topics/{TOPIC}?to={INSTANT}")
    wait_until(lambda: places(page), 90, lambda: page.inner_text(".infoline"))

    def all_of_them() -> bool:
        more = page.get_by_role("button", name="Search further back")
        if more.is_visible():
            more.click()
        return "That is all there is." in page.inner_text(".infoline")

    wait_until(all_of_them, 90, lambda: page.inner_text(".infoline"))
    assert "As of" in page.inner_text(".infoline")
    assert set(places(page)) == wanted
    assert len(places(page)) == len(wanted)
    newest = max(had_come(kafka, TOPIC), key=lambda one: one.offset() or 0)
    assert places(page).index(place(newest)) < 20, "the newest come first"

    page = go(f"#/topics/{TOPIC}?to={INSTANT}&part=1&at=100&filter=" + quote("n >= 700"))
    span = [
        place(one)
        for one in had_come(kafka, TOPIC)
        if one.partition() == 1 and (one.offset() or 0) >= 100 and json.loads(one.value() or b"")["n"] >= 700
    ]
    wait_until(lambda: places(page) == span[:100], 90, lambda: page.inner_text(".infoline"))
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON lines exact").click()
    lines = [json.loads(line) for line in download.value.path().read_bytes().splitlines()]
    assert [f"{one['partition']}:{one['offset']}" for one in lines] == span


def test_dead_letters_and_their_marks_are_those_of_then(go: Callable[[str], Any], kafka: str) -> None:  # noqa: F811
    came = had_come(kafka, DEAD)
    marks = {mark_of(one) for one in came} - {None}
    wanted = [
        f"{'sent again ' if one.offset() in marks else ''}{(dict(headers_of(one))['reason'] or b'').decode()}"
        for one in reversed(came)
        if mark_of(one) is None
    ]
    assert any(words.startswith("sent again") for words in wanted)
    page = go(f"#/dead?to={INSTANT}")
    cells = ".d-list tbody tr td:nth-child(2)"
    wait_until(
        lambda: page.locator(cells).all_inner_texts() == wanted, 90, lambda: f"{wanted}: {page.inner_text('main')}"
    )
    note = page.inner_text(".d-list header .note").replace("\u202f", " ")
    assert f"the last {len(wanted)}, {len(came)} records in all, newest first, as of" in note


def rows(page: Any) -> list[list[str]]:
    found = page.locator(".q-out tbody tr")
    return [found.nth(at).locator("td").all_inner_texts() for at in range(found.count())]


def test_sql_sees_what_had_come(go: Callable[[str], Any], kafka: str) -> None:  # noqa: F811
    came = [json.loads(one.value() or b"") | {"_": time_of(one)} for one in had_come(kafka, TOPIC)]
    assert len(came) > 1_000
    last = sorted(came, key=lambda one: one["_"])[-1_000:]
    clicks = [json.loads(one.value() or b"") for one in records(kafka, topics_of(HISTORY).clicks)]
    hits = sum(one["_time"] < INSTANT for one in clicks)
    assert 0 < hits < len(clicks)

    def ask(sql: str, wanted: list[str], **more: Any) -> None:
        choices = "".join(f"&{name}={value}" for name, value in more.items())
        page = go(f"#/query?sql={quote(sql)}&to={INSTANT}{choices}")
        wait_until(lambda: rows(page) == [wanted], 90, lambda: f"{wanted}: {page.inner_text('.q-out')}")
        wait_until(lambda: "As of" in page.inner_text(".q-out header"), 90, lambda: page.inner_text(".q-out header"))

    sums = f'SELECT count(*) AS c, sum(n) AS s FROM "{TOPIC}"'
    ask(sums, [f"{len(came):,}", f"{sum(one['n'] for one in came):,}"])
    ask(f"{sums} -- of the last", [f"{len(last):,}", f"{sum(one['n'] for one in last):,}"], records=1_000)
    ask("SELECT count(*) AS hits FROM clicks", [f"{hits:,}"])

    minutes = Counter(one["at_"] // MINUTE for one in came)
    page = go(f"#/query?mode=check&sql={quote(FILE)}&to={INSTANT}")
    wait_until(lambda: page.inner_text(".q-out h2") == "No problems", 90, lambda: page.inner_text(".q-out"))
    page.get_by_role("button", name="Preview").click()
    wait_until(lambda: page.inner_text(".q-out h2") == "Preview", 90, lambda: page.inner_text(".q-out"))
    assert [int(row[1]) for row in rows(page)] == [minutes[minute] for minute in sorted(minutes)]
