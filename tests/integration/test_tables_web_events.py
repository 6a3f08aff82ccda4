"""web-events.sql and web-events-loss.sql on a real Kafka: what they compute, against counts made in plain Python."""

import json
import os
import random
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from clickstream.collect.intake import Intake, IntakeOptions
from clickstream.collect.model import Request
from tests.integration.flinksupport import need_flink, to_the_end
from tests.integration.support import make_topic, produce, records, value
from tests.integration.tablesupport import same_results, shipped, table, to_end

START = 1_795_867_200_000  # 2026-11-28 12:00 UTC
MINUTE, HOUR = 60_000, 3_600_000
AGENTS = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36": 9,
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": 1,
}
PAGES = ("", "/", "/products/42?a=b", "/products/42#reviews", "/basket")
REFERRERS = (None, "https://www.google.com/", "https://t.co/x", "https://shop.example/")

Event = dict[str, Any]


@pytest.fixture(scope="module")
def events(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Event]]:
    """Prefix of the topics, and what arrived: of 40 visitors, with losses and repetitions, once both files ran."""
    chance = random.Random(5)
    intake = Intake(IntakeOptions())
    next_number: dict[str, int] = defaultdict(int)
    sent: list[bytes | None] = []
    now = START
    for number in range(4_000):
        now += chance.randrange(6_000)
        visitor = f"visitor {chance.randrange(40)}"
        agent = chance.choices([*AGENTS], [*AGENTS.values()])[0]
        site = chance.choice(("shop", "blog"))
        stream = f"{site} {visitor}"
        event = {
            "id": f"e{number}",
            "event": chance.choice(("pageview", "scroll")),
            "url": f"https://{site}.example{chance.choice(PAGES)}",
            "visitor": visitor,
            "referrer": chance.choice(REFERRERS),
            "time": now,
            "stream": stream,
            "sequence": next_number[stream],
        }
        next_number[stream] += 1
        request = Request("POST", "/e", "", {"user-agent": agent}, "203.0.113.7", now + 500, json.dumps(event).encode())
        [outgoing] = intake.take(request).events
        sent += [outgoing.records[0].value] * chance.choice((0, *[1] * 20, 2))
    prefix = f"web-events-{os.urandom(4).hex()}"
    make_topic(kafka, f"{prefix}-web-events")
    produce(kafka, f"{prefix}-web-events", sent)
    folder = tmp_path_factory.mktemp("tables")
    for name in ("web-events", "web-events-loss"):
        to_end(kafka, shipped(name, folder / name, prefix, prefix))
    arrived = [json.loads(value(record)) for record in records(kafka, f"{prefix}-web-events")]
    return prefix, sorted(arrived, key=lambda one: int(one["time"]))


def at(row: Event) -> int:
    return int(datetime.fromisoformat(row["window_start"]).replace(tzinfo=UTC).timestamp() * 1000)


def people(events: list[Event]) -> list[Event]:
    return [one for one in events if one["bot"] is None]


def ids(events: list[Event]) -> int:
    return len({one["id"] for one in events})


def views(events: list[Event]) -> list[Event]:
    return [one for one in events if one["event"] == "pageview"]


def test_traffic_of_each_site_by_minute(kafka: str, events: tuple[str, list[Event]]) -> None:
    prefix, arrived = events
    by_minute: dict[tuple[str, int], list[Event]] = defaultdict(list)
    for one in arrived:
        by_minute[one["site"], one["time"] // MINUTE * MINUTE].append(one)
    by_hand = {
        key: (
            *(ids(people(those)), ids(views(people(those)))),
            len({one["visitor"] for one in people(those)}),
            ids(those) - ids(people(those)),
        )
        for key, those in by_minute.items()
    }
    rows = table(kafka, f"{prefix}-web_traffic_per_min").values()
    assert {
        (row["site"], at(row)): (row["events"], row["page_views"], row["visitors"], row["bot_events"]) for row in rows
    } == by_hand
    assert len({site for site, _ in by_hand}) == 2


@pytest.mark.parametrize(
    ("topic", "column"), [("web_pages_per_min", "page"), ("web_referrers_per_min", "referrer_class")]
)
def test_page_views_by_minute(kafka: str, events: tuple[str, list[Event]], topic: str, column: str) -> None:
    prefix, arrived = events
    grouped: dict[tuple[str, str, int], list[Event]] = defaultdict(list)
    for one in views(people(arrived)):
        by = urlsplit(one["url"]).path or "/" if column == "page" else one[column]
        grouped[one["site"], by, one["time"] // MINUTE * MINUTE].append(one)
    by_hand = {key: (ids(those), len({one["visitor"] for one in those})) for key, those in grouped.items()}
    rows = table(kafka, f"{prefix}-{topic}").values()
    assert {(row["site"], row[column], at(row)): (row["page_views"], row["visitors"]) for row in rows} == by_hand
    assert len({by for _, by, _ in by_hand}) > 2


def test_sessions_are_those_of_half_an_hour(kafka: str, events: tuple[str, list[Event]]) -> None:
    prefix, arrived = events
    visits: dict[tuple[str, str], list[list[Event]]] = defaultdict(list)
    for one in people(arrived):
        of_visitor = visits[one["site"], one["visitor"]]
        if not of_visitor or one["time"] - of_visitor[-1][-1]["time"] > 30 * MINUTE:
            of_visitor.append([])
        of_visitor[-1].append(one)
    by_hand = {
        (*key, visit[0]["time"]): (ids(visit), ids(views(visit))) for key, each in visits.items() for visit in each
    }
    rows = table(kafka, f"{prefix}-web_sessions").values()
    found = {(row["site"], row["visitor"], at(row)): (row["events"], row["page_views"]) for row in rows}
    assert found == by_hand
    assert len(by_hand) > len(visits), "some come again"


def test_loss_of_each_site_by_hour(kafka: str, events: tuple[str, list[Event]]) -> None:
    prefix, arrived = events
    numbers: dict[tuple[str, int], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for one in arrived:
        numbers[one["site"], one["time"] // HOUR * HOUR][one["stream"]].append(one["sequence"])
    by_hand = {}
    for key, streams in numbers.items():
        sent = sum(max(those) - min(those) + 1 for those in streams.values())
        received = sum(len(set(those)) for those in streams.values())
        doubled = sum(map(len, streams.values())) - received
        by_hand[key] = (len(streams), sent, received, sent - received, doubled)
    rows = table(kafka, f"{prefix}-web_loss_per_hour").values()
    columns = ("streams", "sent", "received", "missing", "doubled")
    assert {(row["site"], at(row)): tuple(row[name] for name in columns) for row in rows} == by_hand
    assert all(doubled for *_, doubled in by_hand.values())
    assert len(by_hand) >= 6


def test_flink_computes_the_same(kafka: str, events: tuple[str, list[Event]], tmp_path: Path) -> None:
    need_flink()
    prefix, _ = events
    for name in ("web-events", "web-events-loss"):
        ours, theirs = (shipped(name, tmp_path / of, prefix, of) for of in (prefix, f"{prefix}-flink"))
        if name == "web-events-loss":  # it reads what the first one has written
            theirs.write_text(theirs.read_text().replace(f"{prefix}-flink-web_streams", f"{prefix}-web_streams"))
        done = to_the_end(kafka, theirs)
        assert done.code == 0, done.said
        same_results(kafka, ours, theirs)
