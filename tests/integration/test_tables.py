"""The shipped files on a real Kafka: what they compute, against counts made in plain Python."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message

from tests.integration.support import ROOT, header, is_an_error_for_people, make_topic, produce, records, run, value
from tests.integration.tablesupport import (
    MINUTES,
    click,
    command,
    generate,
    minute,
    per_minute,
    script,
    shipped,
    stream,
    table,
    tables,
    targets,
    to_end,
)

SHARED = Path(os.environ.get("CLICKSTREAM_SHARED_DATA") or ROOT.parent / "shared" / "data")
DELAY_MS = 5_000
Click = dict[str, Any]


def judged(kafka: str, topic: str, time: str = "_time") -> Iterator[tuple[Click, int]]:
    """Every click with the watermark (ms) that its partition had before it."""
    highest: dict[int | None, int] = defaultdict(lambda: -(2**60))
    for record in records(kafka, topic):
        found = json.loads(value(record))
        yield found, highest[record.partition()] - DELAY_MS
        highest[record.partition()] = max(highest[record.partition()], found[time])


def in_windows(kafka: str, topic: str, slide_ms: int, size_ms: int) -> Iterator[tuple[Click, int]]:
    """Every click with the start (ms) of each window that it is not late for."""
    for found, watermark in judged(kafka, topic):
        first = found["_time"] // slide_ms * slide_ms
        for start in range(first, first - size_ms, -slide_ms):
            if watermark < start + size_ms - 1:
                yield found, start


def milliseconds(row: Click) -> int:
    return int(datetime.fromisoformat(row["window_start"]).replace(tzinfo=UTC).timestamp() * 1000)


def rows(kafka: str, topic: str, *key: str, count: str) -> dict[tuple[Any, ...], int]:
    """A table's numbers by the columns of its key and the start (ms) of the window."""
    return {(*(row[name] for name in key), milliseconds(row)): row[count] for row in table(kafka, topic).values()}


@pytest.fixture(scope="module")
def web(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """clickstream.sql run on clicks of which some are late, with early rows: prefix of its topics, and what it said."""
    source = f"web-{os.urandom(4).hex()}"
    flow = ["--count", "12000", "--seed", "5", "--start", "2026-01-01", "--event-rate", "20"]
    generate(kafka, source, *flow, "--late", "3", "--late-by", "3m")
    path = shipped("clickstream", tmp_path_factory.mktemp("web"), source, source)
    done = tables(kafka, path, "--emit", "changes", "--late-topic", f"{source}-late")
    assert done.code == 0, done.said
    return source, done.said


def test_events_per_minute_are_those_counted_by_hand(kafka: str, web: tuple[str, str]) -> None:
    source, _ = web
    clicks = in_windows(kafka, f"{source}-clickstream", 60_000, 60_000)
    by_hand = Counter((one["userid"], start) for one, start in clicks if one["userid"] is not None)
    assert rows(kafka, f"{source}-events_per_min", "userid", count="events") == by_hand
    assert sum(by_hand.values()) > 10_000


def test_traffic_per_minute_is_that_counted_by_hand(kafka: str, web: tuple[str, str]) -> None:
    source, _ = web
    by_hand: dict[int, list[Any]] = defaultdict(lambda: [0, set(), 0, 0])
    for one, start in in_windows(kafka, f"{source}-clickstream", 60_000, 60_000):
        counts = by_hand[start]
        counts[0] += 1
        counts[1].add(one["ip"])
        counts[2] += one["bytes"]
        counts[3] += one["status"] >= 400
    found = {
        milliseconds(row): [row["hits"], row["visitors"], row["bytes"], row["errors"]]
        for row in table(kafka, f"{source}-traffic_per_min").values()
    }
    assert found == {start: [hits, len(ips), size, bad] for start, (hits, ips, size, bad) in by_hand.items()}


def test_hopping_windows_are_those_counted_by_hand(kafka: str, web: tuple[str, str]) -> None:
    source, _ = web
    clicks = list(in_windows(kafka, f"{source}-clickstream", 5_000, 60_000))
    pages = Counter(
        (one["userid"], start) for one, start in clicks if "html" in one["request"] and one["userid"] is not None
    )
    errors = Counter((one["status"], start) for one, start in clicks if one["status"] > 400)
    assert rows(kafka, f"{source}-pages_per_min", "userid", count="pages") == pages
    assert rows(kafka, f"{source}-errors_per_min", "status", count="errors") == errors
    wide = in_windows(kafka, f"{source}-clickstream", 20_000, 60_000)
    alerts = Counter((one["status"], start) for one, start in wide if one["status"] > 400)
    assert rows(kafka, f"{source}-errors_per_min_alert", "status", count="errors") == {
        key: count for key, count in alerts.items() if count > 5
    }


def test_sessions_have_every_click_of_a_known_user_once(kafka: str, web: tuple[str, str]) -> None:
    """A click is in a session, or late for it; the late ones of nobody are not told from others' by their number."""
    source, _ = web
    names = {user["user_id"]: user["username"] for user in values(kafka, f"{source}-clickstream_users")}
    clicks = Counter(names.get(one["userid"]) for one in values(kafka, f"{source}-clickstream"))
    late = Counter(
        json.loads(value(record))["username"]
        for record in records(kafka, f"{source}-late")
        if header(record, "statement") == "click_user_sessions"
    )
    hits: Counter[str | None] = Counter()
    for row in table(kafka, f"{source}-click_user_sessions").values():
        hits[row["username"]] += row["hits"]
    del clicks[None], late[None]
    assert hits + late == clicks
    assert late


def values(kafka: str, topic: str) -> list[Click]:
    return [json.loads(value(record)) for record in records(kafka, topic)]


def test_streams_have_every_click_once(kafka: str, web: tuple[str, str]) -> None:
    source, _ = web
    clicks = {
        (record.partition(), record.offset()): json.loads(value(record))
        for record in records(kafka, f"{source}-clickstream")
    }
    names = {user["user_id"]: user["username"] for user in values(kafka, f"{source}-clickstream_users")}
    found = values(kafka, f"{source}-user_clickstream")
    assert len(found) == len(clicks)
    for row in found:
        one = clicks[row["src_partition"], row["src_offset"]]
        assert (row["ip"], row["userid"], row["bytes"]) == (one["ip"], one["userid"], one["bytes"])
        assert row["username"] == names.get(one["userid"])
    meanings = {row["code"]: row["definition"] for row in values(kafka, f"{source}-clickstream_codes")}
    codes = values(kafka, f"{source}-enriched_error_codes")
    assert Counter(row["code"] for row in codes) == Counter(one["status"] for one in clicks.values())
    assert all(row["definition"] == meanings[row["code"]] for row in codes)


def test_late_rows_are_kept_with_where_they_come_from(kafka: str, web: tuple[str, str]) -> None:
    source, said = web
    late = records(kafka, f"{source}-late")
    rows = {(header(record, "origin-partition"), header(record, "origin-offset")) for record in late}
    # Once, however many statements miss it, and although a join lets it go later.
    assert f"{len(rows):,} late" in said
    by_statement = Counter(header(record, "statement") for record in late)
    by_hand = sum(
        watermark >= one["_time"] // 60_000 * 60_000 + 60_000 - 1
        for one, watermark in judged(kafka, f"{source}-clickstream")
    )
    assert by_statement["events_per_min"] == by_statement["traffic_per_min"] == by_hand > 0
    clicks = {
        (str(record.partition()), str(record.offset())): json.loads(value(record))
        for record in records(kafka, f"{source}-clickstream")
    }
    for record in late:
        if header(record, "statement") == "events_per_min":
            one = clicks[header(record, "origin-partition"), header(record, "origin-offset")]
            assert json.loads(value(record))["userid"] == one["userid"]


def test_a_run_to_the_end_leaves_no_early_row(kafka: str, web: tuple[str, str]) -> None:
    source, _ = web
    for topic, keyed in targets(ROOT / "config" / "tables" / "clickstream.sql").items():
        if keyed:
            latest: dict[bytes | None, Message] = {
                record.key(): record for record in records(kafka, f"{source}-{topic}")
            }
            assert not [one.key() for one in latest.values() if one.value() and one.headers()], topic


def test_the_same_with_final_rows_only(kafka: str, web: tuple[str, str], tmp_path: Path) -> None:
    source, _ = web
    path = shipped("clickstream", tmp_path, source, f"{source}-final")
    engine = to_end(kafka, path)
    assert engine.totals()["early"] == 0
    for topic, keyed in targets(path).items():
        other = topic.replace(f"{source}-final", source)
        if keyed:
            assert all(record.value() and not record.headers() for record in records(kafka, topic))
            assert table(kafka, topic) == table(kafka, other), topic
        else:
            assert stream(kafka, topic) == stream(kafka, other), topic


def test_product_events_per_minute_and_name(kafka: str, topic_name: str, tmp_path: Path) -> None:
    done = run("run-producer", "-b", kafka, "--topic", f"{topic_name}-event-topic", "--count", "5000", "--rate", "max")
    assert done.code == 0, done.said
    to_end(kafka, shipped("products", tmp_path, topic_name, topic_name))
    events = values(kafka, f"{topic_name}-event-topic")
    by_hand: dict[tuple[str, str], list[str]] = defaultdict(list)
    for event in events:
        by_hand[event["eventName"], f"{event['date'][:16].replace('T', ' ')}:00"].append(event["userId"])
    found = {
        (row["event_name"], row["window_start"]): (row["events"], row["users"])
        for row in table(kafka, f"{topic_name}-events-per-name").values()
    }
    assert found == {key: (len(users), len(set(users))) for key, users in by_hand.items()}


def test_clicks_of_platinum_customers(kafka: str, topic_name: str, tmp_path: Path) -> None:
    names = ["--topic", f"{topic_name}-vip-clicks", "--users-topic", f"{topic_name}-vip-users", "--quiet"]
    flow = ["--count", "3000", "--rate", "max", "--seed", "1", "--start", "2026-01-01"]
    done = run("generate", "vip", "-b", kafka, *names, *flow)
    assert done.code == 0, done.said
    to_end(kafka, shipped("vip", tmp_path, topic_name, topic_name))
    versions: dict[str, list[tuple[int, Click]]] = defaultdict(list)
    for record in records(kafka, f"{topic_name}-vip-users"):
        user = json.loads(value(record))
        versions[user["user_id"]].append((record.timestamp()[1], user))
    by_hand: Counter[tuple[Any, ...]] = Counter()
    for record in records(kafka, f"{topic_name}-vip-clicks"):
        one = json.loads(value(record))
        known = [user for since, user in versions[one["user_id"]] if since <= one["event_time"]]
        if known and known[-1]["level"] == "PLATINUM":
            by_hand[known[-1]["name"], one["page"], one["action"], record.partition(), record.offset()] += 1
    columns = ("name", "page", "action", "src_partition", "src_offset")
    assert by_hand
    assert by_hand == Counter(tuple(row[name] for name in columns) for row in values(kafka, f"{topic_name}-vip-action"))


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no folder {SHARED} (CLICKSTREAM_SHARED_DATA names another)")
def test_a_real_log(kafka: str, topic_name: str, tmp_path: Path) -> None:
    """Its visitors are nobody, and the references are empty topics."""
    clicks = f"{topic_name}-clickstream"
    done = run("replay", "-b", kafka, "--topic", clicks, "--quiet", str(SHARED / "access.log.gz"))
    assert "9,999 acknowledged" in done.said
    for name in ("codes", "users"):
        make_topic(kafka, f"{clicks}_{name}", cleanup_policy="compact")
    engine = to_end(kafka, shipped("clickstream", tmp_path, topic_name, topic_name))
    late = {result.name: result.late for result in engine.results()}
    missed = [
        one for one, watermark in judged(kafka, clicks) if watermark >= one["_time"] // 60_000 * 60_000 + 60_000 - 1
    ]
    traffic = table(kafka, f"{topic_name}-traffic_per_min").values()
    assert len(missed) == late["traffic_per_min"]
    assert sum(row["hits"] for row in traffic) == 9_999 - len(missed)
    assert sum(row["bytes"] for row in traffic) == 2_747_282_505 - sum(one["bytes"] for one in missed)
    assert sum(row["errors"] for row in traffic) == 220 - sum(one["status"] >= 400 for one in missed)
    assert len(records(kafka, f"{topic_name}-user_clickstream")) == 9_999
    assert table(kafka, f"{topic_name}-events_per_min") == {}


# --- again, and more than one


def test_a_topic_that_grew(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    path = script(tmp_path, topic_name, MINUTES)
    produce(kafka, topic_name, [click(1), click(2), click(61)])
    assert to_end(kafka, path).totals()["written"] == 2
    # The end of the topic closed the minute of the last click: the next one of it is late.
    produce(kafka, topic_name, [click(62), click(121), click(3), click(122)])
    totals = to_end(kafka, path).totals()
    assert (totals["rows"], totals["written"], totals["late"]) == (4, 1, 2)
    assert per_minute(kafka, f"{topic_name}-per_min") == {0: 2, 1: 1, 2: 2}
    assert len(records(kafka, f"{topic_name}-per_min")) == 3
    assert to_end(kafka, path).totals()["written"] == 0


def test_several_files_in_one_command(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 2)
    produce(kafka, topic_name, [click(second) for second in range(0, 300, 3)])
    one = script(tmp_path, topic_name, MINUTES, name="one")
    other = script(tmp_path, topic_name, MINUTES.replace("per_min", "again"), name="other")
    done = run(*command(kafka, one), str(other), "--exit-at-end")
    assert done.code == 0, done.said
    assert "Read 200 rows, wrote 10;" in done.said
    assert (
        per_minute(kafka, f"{topic_name}-per_min")
        == per_minute(kafka, f"{topic_name}-again")
        == dict.fromkeys(range(5), 20)
    )


def test_one_file_that_fails_ends_the_others(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    good = script(tmp_path, topic_name, MINUTES, name="good")
    bad = script(tmp_path, f"{topic_name}-missing", MINUTES, name="bad")
    done = run(*command(kafka, good), str(bad), "--exit-at-end")
    assert done.code == 1
    assert is_an_error_for_people(done, f"Topic {topic_name}-missing", "does not exist")


def test_two_files_with_the_same_name(kafka: str, topic_name: str, tmp_path: Path) -> None:
    one = script(tmp_path / "one", topic_name, MINUTES)
    other = script(tmp_path / "other", topic_name, MINUTES)
    done = run(*command(kafka, one), str(other), "--exit-at-end")
    assert done.code == 2
    assert is_an_error_for_people(done, "Two files are called file", "Rename one")


def test_the_group_shows_the_lag(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 2)
    produce(kafka, topic_name, [click(second) for second in range(10)])
    to_end(kafka, script(tmp_path, topic_name, MINUTES, name=topic_name[-20:]))
    produce(kafka, topic_name, [click(11)])
    done = run("groups", "describe", "-b", kafka, f"clickstream-tables-{topic_name[-20:]}", "--json")
    assert done.code == 0, done.said
    assert json.loads(done.printed)["lag"] == 1


def test_minutes_are_written_as_sql_writes_times(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(61)])
    to_end(kafka, script(tmp_path, topic_name, MINUTES))
    [record] = records(kafka, f"{topic_name}-per_min")
    assert json.loads(value(record)) == {"window_start": minute(1), "window_end": minute(2), "hits": 1}
    assert record.key() == json.dumps({"window_start": minute(1)}, separators=(",", ":")).encode()
