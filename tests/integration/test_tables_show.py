"""`clickstream tables show` as a person runs it, on a real Kafka."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Headers, Sender
from clickstream.topics import Declared, ensure
from tests.integration.support import Done, run, running
from tests.integration.terminal import on_terminal
from tests.support import PATIENCE, wait_until

SQL = """
CREATE TABLE clicks (
  ip STRING, status INT, `_time` BIGINT,
  ts AS TO_TIMESTAMP_LTZ(`_time`, 3),
  src_partition INT METADATA FROM 'partition' VIRTUAL,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json', 'json.ignore-parse-errors' = 'true');
CREATE TABLE hits (
  status INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), hits BIGINT,
  PRIMARY KEY (status, window_start) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = '{topic}-hits',
  'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'key.format' = 'json', 'value.format' = 'json');
SET 'table.exec.sink.not-null-enforcer' = 'DROP';
SET 'table.exec.sink.require-on-conflict' = 'false';
INSERT INTO hits
SELECT status, window_start, window_end, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY status, window_start, window_end;
"""
EARLY: Headers = [("final", b"0")]


class Topics:
    """A file of SQL with its topics, which exist."""

    def __init__(self, kafka: str, topic: str, path: Path) -> None:
        self.kafka, self.topic, self.path = kafka, topic, path
        path.write_text(SQL.format(topic=topic))
        ensure(Cluster(kafka), [Declared(topic, 3, 1), Declared(f"{topic}-hits", 2, 1)])
        self._sender = Sender(Cluster(kafka).producer({"linger.ms": 0}))

    def hit(self, status: int, minute: int, hits: int | None, headers: Headers | None = None) -> None:
        """A row of `hits`, or without a number of them a tombstone."""
        start, end = (f"2026-01-01 00:{number:02}:00" for number in (minute, minute + 1))
        key = {"status": status, "window_start": start}
        value = None if hits is None else {**key, "window_end": end, "hits": hits}
        self.send(f"{self.topic}-hits", encoded(value), encoded(key), headers=headers)

    def send(self, topic: str, value: bytes | None, key: bytes | None = None, **options: Any) -> None:
        self._sender.send(topic, value, key, **options)
        self._sender.must_have_delivered("a test's record")

    def command(self, table: str, *options: str) -> list[str]:
        return ["tables", "show", str(self.path), table, "-b", self.kafka, *options]

    def show(self, table: str, *options: str) -> Done:
        done = run(*self.command(table, *options))
        assert done.code == 0, done.said
        return done

    def rows(self, table: str, *options: str) -> list[Any]:
        return [json.loads(line) for line in self.show(table, "--format", "json", *options).printed.splitlines()]

    def on_terminal(self, columns: int, table: str, *options: str) -> str:
        """What a terminal of that width gets, without its colours."""
        screen = on_terminal(*self.command(table, *options), columns=columns, errors=False)
        assert screen.code == 0
        return re.sub(r"\x1b\[[0-9;]*m", "", screen.shown).replace("\r\n", "\n")


def encoded(fields: dict[str, Any] | None) -> bytes | None:
    return None if fields is None else json.dumps(fields, separators=(",", ":")).encode()


@pytest.fixture
def topics(kafka: str, topic_name: str, tmp_path: Path) -> Topics:
    return Topics(kafka, topic_name, tmp_path / "tables.sql")


def hit(status: int, minute: int, hits: int, **more: Any) -> dict[str, Any]:
    start, end = (f"2026-01-01T00:{number:02}:00.000" for number in (minute, minute + 1))
    return {"status": status, "window_start": start, "window_end": end, "hits": hits, **more}


# --- upsert-kafka


def test_the_latest_row_of_each_key_by_window_and_key(topics: Topics) -> None:
    topics.hit(500, 1, 4)
    topics.hit(404, 2, 1, EARLY)
    topics.hit(404, 1, 7, EARLY)
    topics.hit(404, 1, 9)
    topics.hit(403, 0, 1)
    topics.hit(403, 0, None)
    assert topics.rows("hits") == [hit(404, 1, 9), hit(500, 1, 4), hit(404, 2, 1, **{"$early": True})]
    assert topics.rows("hits", "--final") == [hit(404, 1, 9), hit(500, 1, 4)]


def test_the_newest_windows_up_to_a_limit(topics: Topics) -> None:
    for minute in (5, 3, 4, 1, 2):
        topics.hit(404, minute, minute)
    done = topics.show("hits", "--limit", "2")
    assert [line.split()[-1] for line in done.printed.splitlines()] == ["hits", "4", "5"]
    assert done.said == "2 of 5 rows, the newest. --limit shows more.\n"


def test_records_that_are_no_rows_are_counted(topics: Topics) -> None:
    topics.hit(404, 1, 1)
    for value, key in ((b"\xff", b"{}"), (b"{}", b"404"), (b"[]", None)):
        topics.send(f"{topics.topic}-hits", value, key)
    done = topics.show("hits", "--format", "json")
    assert json.loads(done.printed) == hit(404, 1, 1)
    assert done.said.startswith("3 records are no row of hits.")


# --- kafka


def test_the_last_rows_of_a_stream_newest_last_with_computed_columns(topics: Topics) -> None:
    for number in range(30):
        click = encoded({"ip": "a", "status": number, "_time": 1000 * number})
        # Of records of the same ms in several partitions none is the newer.
        topics.send(topics.topic, click, partition=number % 3, timestamp=1_767_225_600_000 + number)
    found = topics.rows("clicks")
    assert [row["status"] for row in found] == list(range(10, 30))
    ts = "1970-01-01T00:00:29.000Z"
    assert found[-1] == {"ip": "a", "status": 29, "_time": 29_000, "ts": ts, "src_partition": 2}
    assert [row["status"] for row in topics.rows("clicks", "-n", "3")] == [27, 28, 29]


def test_what_runs_here_is_shown(topics: Topics) -> None:
    for number in range(10):
        click = {"ip": "a", "status": 404 if number < 7 else 200, "_time": 1_767_225_600_000 + 10_000 * number}
        topics.send(topics.topic, encoded(click), partition=0)
    state = str(topics.path.parent / "state")
    done = run(
        *("tables", "run", str(topics.path), "-b", topics.kafka, "--exit-at-end", "--quiet", "--state-dir", state),
        *("--dead-letter-topic", f"{topics.topic}-dead"),
    )
    assert done.code == 0, done.said
    assert topics.rows("hits") == [hit(404, 0, 6), hit(200, 1, 3), hit(404, 1, 1)]


# --- what comes


def test_follow_goes_on_with_every_change(topics: Topics) -> None:
    topics.hit(404, 1, 1)
    with running(*topics.command("hits", "--follow", "--format", "json")) as part:
        wait_until(lambda: part.printed().count("\n") == 1, 30, "the first row")
        topics.hit(404, 1, 2, EARLY)
        topics.hit(404, 1, None)
        # Other keys may be in other partitions, whose records come in any order.
        wait_until(lambda: part.printed().count("\n") == 3, 30, "the first key's changes")
        topics.send(f"{topics.topic}-hits", b"{", b"{}")
        topics.hit(404, 3, 3)
        wait_until(lambda: part.printed().count("\n") == 4, 30, "the changes")
        part.process.send_signal(signal.SIGINT)
        assert part.wait(10) == 0, part.said()
        found = [json.loads(line) for line in part.printed().splitlines()]
        assert "1 record is no row of hits." in part.said()
    gone = {**hit(404, 1, 1), "window_end": None, "hits": None, "$deleted": True}
    assert found == [hit(404, 1, 1), hit(404, 1, 2, **{"$early": True}), gone, hit(404, 3, 3)]


def test_follow_without_early_rows(topics: Topics) -> None:
    with running(*topics.command("hits", "--follow", "--final")) as part:
        wait_until(lambda: part.printed().count("\n") == 1, 30, "the header")
        topics.hit(404, 1, 1, EARLY)
        topics.hit(404, 1, 2)
        wait_until(lambda: part.printed().count("\n") == 2, 30, "the row")
        assert part.printed().splitlines()[1].split() == [
            *("404", "2026-01-01", "00:01:00", "2026-01-01", "00:02:00", "2"),
        ]


def test_follow_sees_what_a_transaction_commits_that_was_open_when_it_began(topics: Topics) -> None:
    producer = Cluster(topics.kafka).producer({"transactional.id": topics.topic, "linger.ms": 0})
    producer.init_transactions(30)
    producer.begin_transaction()
    key, value = {"status": 404, "window_start": "2026-01-01 00:01:00"}, {"status": 404, "hits": 5}
    producer.produce(f"{topics.topic}-hits", encoded({**key, **value}), encoded(key))
    producer.flush(30 * PATIENCE)
    with running(*topics.command("hits", "--follow", "--format", "json")) as part:
        wait_until(lambda: "has no rows" in part.said(), 30, "the end of what there is")
        producer.commit_transaction(30)
        wait_until(lambda: part.printed().count("\n") == 1, 30, "the row")
        assert json.loads(part.printed())["hits"] == 5


# --- on a terminal


@pytest.mark.parametrize("options", [[], ["--final"]], ids=["all", "final"])
def test_a_terminal(topics: Topics, options: list[str]) -> None:
    topics.hit(404, 1, 7)
    topics.hit(404, 2, 1, EARLY)
    wide = topics.on_terminal(100, "hits", *options).splitlines()
    assert wide[0] == "(times in UTC)"
    assert wide[1].split() == ["status", "window_start", "window_end", "hits"]
    assert wide[2].split() == ["404", "2026-01-01", "00:01:00", "2026-01-01", "00:02:00", "7"]
    assert [line.split()[-1] for line in wide[3:]] == ([] if options else ["early"])
    narrow = topics.on_terminal(42, "hits", *options).splitlines()
    assert narrow[0] == "(times in UTC; no room for window_end)"
    assert [line.split()[0] for line in narrow[1:3]] == ["status", "404"]
    assert all(len(line) <= 42 for line in narrow)


def test_what_a_terminal_would_obey_is_escaped(topics: Topics) -> None:
    topics.send(topics.topic, encoded({"ip": "\x1b]0;owned\x07\u202e", "status": 1}))
    for width in (36, 120):
        said = topics.on_terminal(width, "clicks")
        assert "\\u001b]0;" in said
        assert not set(said) & {"\x1b", "\x07", "\u202e"}
    assert "\x1b" not in topics.show("clicks").printed


@pytest.mark.parametrize("width", [36, 120])
def test_an_empty_table_on_a_terminal(topics: Topics, width: int) -> None:
    assert topics.on_terminal(width, "hits") == ""


# --- what is not there


def test_an_empty_table(topics: Topics) -> None:
    done = topics.show("hits")
    assert (done.printed, done.said) == ("", f"hits (topic {topics.topic}-hits) has no rows.\n")


@pytest.mark.parametrize(
    ("table", "next_step"), [("hits", "This writes it: clickstream tables run"), ("clicks", "topics list")]
)
def test_a_topic_that_does_not_exist(kafka: str, topic_name: str, tmp_path: Path, table: str, next_step: str) -> None:
    path = tmp_path / "tables.sql"
    path.write_text(SQL.format(topic=topic_name))
    done = run("tables", "show", str(path), table, "-b", kafka)
    assert done.code == 1
    assert f"Table {table}: its topic {topic_name}" in done.said
    assert f"does not exist at {kafka}" in done.said
    assert next_step in done.said
