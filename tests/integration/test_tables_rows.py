"""Rows that are not as they should be, and references: none is lost without a word."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from clickstream.errors import ClickstreamError
from tests.integration.support import header, is_an_error_for_people, make_topic, produce, records, run, value
from tests.integration.tablesupport import (
    MINUTES,
    START,
    appended,
    at_work,
    click,
    command,
    engine_of,
    minute,
    per_minute,
    script,
    table,
    to_end,
    upsert,
)
from tests.support import PATIENCE

PER_STATUS = upsert(
    "hits", "status INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), hits BIGINT", "status, window_start"
) + (
    "INSERT INTO hits SELECT status, window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE clicks, "
    "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY status, window_start, window_end;\n"
)
DROP = "SET 'table.exec.sink.not-null-enforcer' = 'DROP';\n"


# --- late rows


def test_late_rows_are_counted_and_kept(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    seconds = [1, 59, 65, 58, 64, 130, 2, 120]
    produce(kafka, topic_name, [click(second, status=number) for number, second in enumerate(seconds)])
    late = f"{topic_name}-late"
    engine = to_end(kafka, script(tmp_path, topic_name, PER_STATUS), late_topic=late)
    # 65 moves the watermark to 60: 58 is late. 130 moves it to 125: 2 is late, and 120 is not.
    found = records(kafka, late)
    assert [json.loads(value(record)) for record in found] == [{"status": 3}, {"status": 6}]
    assert [header(record, "origin-offset") for record in found] == ["3", "6"]
    said = {(header(record, "statement"), header(record, "origin-topic")) for record in found}
    assert said == {("hits", topic_name)}
    assert {header(record, "origin-partition") for record in found} == {"0"}
    [result] = engine.results()
    assert (result.late, engine.totals()["late"]) == (2, 2)
    counted = sum(row["hits"] for row in table(kafka, f"{topic_name}-hits").values())
    assert counted + result.late == engine.totals()["rows"] == len(seconds)


def test_a_hopping_window_takes_what_is_late_for_others(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    hop = MINUTES.replace("TUMBLE", "HOP").replace("INTERVAL '1' MINUTE", "INTERVAL '30' SECOND, INTERVAL '1' MINUTE")
    produce(kafka, topic_name, [click(65), click(31), click(29)])
    engine = to_end(kafka, script(tmp_path, topic_name, hop))
    ends = {row["window_end"][-8:]: row["hits"] for row in table(kafka, f"{topic_name}-per_min").values()}
    assert engine.totals()["late"] == 1  # 29 was in windows to 30 and 60
    assert ends == {"22:15:30": 2, "22:16:00": 1}


# --- records that are no rows


def test_what_is_no_row_is_a_dead_letter(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    bad: list[bytes | None] = [b'{"ip":', b"7", b'{"ip": "\xff"}', b"", None]
    ahead = json.dumps({"_time": int((time.time() + 3700) * 1000)}).encode()
    produce(kafka, topic_name, [click(1), *bad, ahead, click(2)])
    path = script(tmp_path, topic_name, MINUTES, name=topic_name[-30:])
    engine = to_end(kafka, path, max_ahead=3600.0)
    found = records(kafka, f"{path.stem}-dead")
    assert [record.value() for record in found] == [*bad, ahead]
    assert [header(record, "origin-offset") for record in found] == ["1", "2", "3", "4", "5", "6"]
    reasons = [header(record, "reason") for record in found]
    assert reasons[1] == "a number instead of an object"
    assert "UTF-8" in reasons[2]
    assert reasons[4] == "no value"
    assert reasons[5].startswith("event time more than ")
    assert "ahead of the record's timestamp" in reasons[5]
    assert {header(record, "part") for record in found} == {f"tables {path.stem}"}
    totals = engine.totals()
    assert (totals["rows"], totals["dead_letters"]) == (2, 6)
    assert per_minute(kafka, f"{topic_name}-per_min") == {0: 2}


def test_an_event_far_ahead_closes_nothing(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1), click(10 * 365 * 86_400), click(2)])
    path = script(tmp_path, topic_name, MINUTES)
    assert to_end(kafka, path).totals()["late"] == 0
    assert per_minute(kafka, f"{topic_name}-per_min") == {0: 2}


def test_fields_of_another_type_are_null_and_counted(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    statuses: list[Any] = [200, "404", "no", True, [1], 2**40, None]
    produce(kafka, topic_name, [click(1, status=status) for status in statuses])
    path = script(tmp_path, topic_name, DROP, PER_STATUS)
    totals = to_end(kafka, path).totals()
    found = {row["status"]: row["hits"] for row in table(kafka, f"{topic_name}-hits").values()}
    assert {200, 404} <= found.keys()
    # The row of NULL in one minute is one row: without a key, it is left out.
    assert (totals["rows"], totals["dropped"], totals["dead_letters"]) == (7, 1, 0)
    assert totals["nulled"] + sum(found.values()) + 1 == 7


def test_the_columns_with_fields_of_another_type_are_named(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1, status="\x9bno"), click(2, status=[1]), click(3, status=200)])
    done = run(*command(kafka, script(tmp_path, topic_name, DROP, PER_STATUS)), "--exit-at-end")
    assert done.code == 0, done.said
    assert ", 2 fields of another type.\nTable clicks, column status: 2 values that are no INT.\n" in done.said
    assert done.said.count('has a value that is no INT, such as "\\u009bno".') == 1


def test_rows_without_a_time_are_in_no_window(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1), b'{"ip": "x"}', b'{"ip": "x", "_time": "soon"}'])
    everything = appended("everything", "ip STRING, o BIGINT") + "INSERT INTO everything SELECT ip, o FROM clicks;\n"
    engine = to_end(kafka, script(tmp_path, topic_name, MINUTES, everything))
    assert per_minute(kafka, f"{topic_name}-per_min") == {0: 1}
    assert len(records(kafka, f"{topic_name}-everything")) == 3
    assert engine.totals()["nulled"] == 1


# --- NULL in a key


def test_null_in_a_primary_key_stops_the_run(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1), click(2, status=None)])
    done = run(*command(kafka, script(tmp_path, topic_name, PER_STATUS)), "--exit-at-end")
    assert done.code == 1
    assert is_an_error_for_people(done, "INSERT INTO hits", "status of hits must not be NULL", "DROP")


def test_null_in_a_primary_key_can_be_left_out(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1), click(2, status=None), click(61, status=None)])
    done = run(*command(kafka, script(tmp_path, topic_name, DROP, PER_STATUS)), "--exit-at-end")
    assert done.code == 0, done.said
    assert "Read 3 rows, wrote 1; 0 late, 0 dead letters, 2 without a key." in done.said
    assert [row["status"] for row in table(kafka, f"{topic_name}-hits").values()] == [200]


# --- expressions that stop a run


@pytest.mark.parametrize(
    ("expression", "says"),
    [("CAST(ip AS INT)", "Cannot cast 'words' to INT. TRY_CAST"), ("status / (status - status)", "division by zero")],
)
def test_what_cannot_be_computed_stops_the_run(
    kafka: str, topic_name: str, tmp_path: Path, expression: str, says: str
) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1, ip="words")])
    numbers = appended("numbers", "n INT, o BIGINT") + f"INSERT INTO numbers SELECT {expression}, o FROM clicks;\n"
    with pytest.raises(ClickstreamError, match=rf"INSERT INTO numbers \(line \d+\) cannot go on: {says}"):
        to_end(kafka, script(tmp_path, topic_name, numbers))


def test_a_computed_column_that_cannot_be_computed_stops_the_run(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1, ip="words")])
    path = script(tmp_path, topic_name, MINUTES)
    path.write_text(path.read_text().replace("TO_TIMESTAMP_LTZ(`_time`, 3)", "TO_TIMESTAMP_LTZ(CAST(ip AS BIGINT), 3)"))
    with pytest.raises(ClickstreamError, match="TABLE clicks cannot go on: Cannot cast 'words' to BIGINT"):
        to_end(kafka, path)


def test_a_window_that_cannot_be_computed_stops_the_run(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1, ip="words")])
    total = MINUTES.replace("COUNT(*)", "SUM(CAST(ip AS BIGINT))")
    with pytest.raises(ClickstreamError, match=r"INSERT INTO per_min .* Cannot cast 'words' to BIGINT"):
        to_end(kafka, script(tmp_path, topic_name, total))


# --- references

USERS = """
CREATE TABLE users (
  id INT NOT NULL, name STRING, changed TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR changed AS TO_TIMESTAMP_LTZ(0, 3), PRIMARY KEY (id) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = '{topic}-users',
  'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}', 'key.format' = 'json', 'value.format' = 'json',
  'value.json.ignore-parse-errors' = 'true');
"""
NAMED = (
    USERS
    + appended("named", "name STRING, ts TIMESTAMP_LTZ(3), p INT, o BIGINT")
    + "INSERT INTO named SELECT u.name, c.ts, c.p, c.o FROM clicks AS c "
    "LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.id;\n"
)


def user(kafka: str, topic: str, second: float, number: int, name: str | None) -> None:
    """A version of a user from so many seconds after START on; without a name, a tombstone."""
    producer = Producer({"bootstrap.servers": kafka})
    text = json.dumps({"id": number, "name": name}).encode() if name is not None else None
    stamp = int((START + second) * 1000)
    producer.produce(f"{topic}-users", text, json.dumps({"id": number}).encode(), partition=0, timestamp=stamp)
    assert producer.flush(30 * PATIENCE) == 0


def names(kafka: str, topic: str) -> list[str | None]:
    rows = [json.loads(value(record)) for record in records(kafka, f"{topic}-named")]
    return [row["name"] for row in sorted(rows, key=lambda row: (row["p"], row["o"]))]


@pytest.fixture
def named(kafka: str, topic_name: str, tmp_path: Path) -> Path:
    """A file that gives clicks the names of their users."""
    make_topic(kafka, topic_name, 1)
    make_topic(kafka, f"{topic_name}-users", 1)
    return script(tmp_path, topic_name, NAMED)


def test_a_version_holds_from_its_time_to_the_next(kafka: str, topic_name: str, named: Path) -> None:
    for second, name in [(10, "Ann"), (20, "Anna"), (30, None), (40, "Hannah")]:
        user(kafka, topic_name, second, 1, name)
    user(kafka, topic_name, 0, 2, "Bob")
    seconds = [9.999, 10, 19.999, 20, 29.999, 30, 39.999, 40, 100]
    produce(kafka, topic_name, [click(second, userid=1) for second in seconds])
    produce(kafka, topic_name, [click(100, userid=2), click(100, userid=3), click(100, userid=None)])
    to_end(kafka, named)
    assert names(kafka, topic_name) == [
        *(None, "Ann", "Ann", "Anna", "Anna", None, None, "Hannah", "Hannah"),
        *("Bob", None, None),
    ]


def test_an_empty_reference(kafka: str, topic_name: str, named: Path) -> None:
    produce(kafka, topic_name, [click(1, userid=1)])
    to_end(kafka, named)
    assert names(kafka, topic_name) == [None]


def test_references_that_change_while_it_runs(kafka: str, topic_name: str, named: Path) -> None:
    user(kafka, topic_name, 0, 1, "Ann")
    with at_work(engine_of(kafka, named)) as work:
        produce(kafka, topic_name, [click(10, userid=1), click(16)])
        work.until(lambda: names(kafka, topic_name) == ["Ann"], "the first click's user")
        user(kafka, topic_name, 20, 1, "Anna")
        users = work.engine._sources.references["users"]
        work.until(lambda: users.rows == 2, "the new version")
        produce(kafka, topic_name, [click(19, userid=1), click(21, userid=1), click(30)])
        work.until(lambda: len(names(kafka, topic_name)) == 4, "what the watermark has passed")
    assert names(kafka, topic_name) == ["Ann", None, "Ann", "Anna"]
    # The reference is in the state: read on, not again.
    produce(kafka, topic_name, [click(31, userid=1)])
    engine = to_end(kafka, named)
    assert names(kafka, topic_name) == ["Ann", None, "Ann", "Anna", None, "Anna"]
    assert engine._sources.references["users"].rows == 0


def test_a_user_who_comes_a_little_later_than_his_click(kafka: str, topic_name: str, named: Path) -> None:
    """Clicks wait until the watermark has passed them."""
    with at_work(engine_of(kafka, named)) as work:
        produce(kafka, topic_name, [click(10, userid=1)])
        work.until_read(1)
        user(kafka, topic_name, 10, 1, "Ann")
        work.until(lambda: work.engine._sources.references["users"].rows == 1, "the user")
        produce(kafka, topic_name, [click(16)])
        work.until(lambda: names(kafka, topic_name) == ["Ann"], "the click")


def test_bad_references_are_dead_letters(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    make_topic(kafka, f"{topic_name}-users", 1)
    path = script(tmp_path, topic_name, NAMED, name=topic_name[-30:])
    produce(kafka, topic_name, [click(1, userid=1)])
    produce(kafka, f"{topic_name}-users", [b"{}"])  # its key is 0, no object
    user(kafka, topic_name, 0, 1, "Ann")
    to_end(kafka, path)
    [letter] = records(kafka, f"{path.stem}-dead")
    assert header(letter, "origin-topic") == f"{topic_name}-users"
    assert names(kafka, topic_name) == ["Ann"]


# --- one key with very many open sessions


def test_one_key_with_many_open_sessions(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 2)
    sessions = upsert(
        "sessions", "ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), hits BIGINT", "ip, window_start"
    ) + (
        "INSERT INTO sessions SELECT ip, window_start, window_end, COUNT(*) FROM TABLE(SESSION(TABLE clicks "
        "PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY ip, window_start, window_end;\n"
    )
    # Partition 1 says nothing but the first click: everything stays open.
    produce(kafka, topic_name, [click(0)], partition=1)
    produce(
        kafka, topic_name, [click(second) for start in range(20_000) for second in (start * 60, start * 60 + 10)], 0
    )
    path = script(tmp_path, topic_name, sessions)
    with at_work(engine_of(kafka, path)) as work:
        began = time.monotonic()
        work.until(lambda: work.engine.totals()["rows"] == 40_001, "all clicks", 60)
        produce(kafka, topic_name, [click(second) for second in range(1_199_990, 1_200_000)], 0)
        work.until_read(40_011)
        assert work.engine.totals()["written"] == 0
    to_end(kafka, path)
    assert time.monotonic() - began < 60 * PATIENCE
    hits = [row["hits"] for row in table(kafka, f"{topic_name}-sessions").values()]
    assert (len(hits), sum(hits)) == (20_001, 40_011)


def test_minutes_before_the_first_click_are_not_made_up(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1), click(6000)])
    to_end(kafka, script(tmp_path, topic_name, MINUTES))
    starts = [row["window_start"] for row in table(kafka, f"{topic_name}-per_min").values()]
    assert sorted(starts) == [minute(0), minute(100)]


# --- unions


def test_a_view_of_rows_and_of_windows_gives_all_of_both(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(second, ip=str(second)) for second in (1, 2, 61)])
    both = (
        "CREATE VIEW lines AS SELECT ip AS line, CAST(o AS BIGINT) AS n FROM clicks "
        "UNION ALL SELECT 'minute', COUNT(*) FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) "
        "GROUP BY window_start, window_end;\n"
    )
    target = appended("results", "line STRING, n BIGINT")
    to_end(kafka, script(tmp_path, topic_name, both, target, "INSERT INTO results SELECT line, n FROM lines;"))
    found = [json.loads(value(record)) for record in records(kafka, f"{topic_name}-results")]
    assert sorted((row["line"], row["n"]) for row in found) == [
        *[("1", 0), ("2", 1), ("61", 2)],
        *[("minute", 1), ("minute", 2)],
    ]
