"""`clickstream tables preview` on a real Kafka: what it shows is what a run writes, and it writes nothing."""

import json
from collections import Counter
from pathlib import Path

import pytest

from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.tables.sql.check import check_file
from clickstream.topics import Declared, ensure
from tests.integration.support import Done, is_an_error_for_people, run, run_well
from tests.integration.tablesupport import shipped

SQL = """
CREATE TABLE clicks (ip STRING, at_ BIGINT, ts AS TO_TIMESTAMP_LTZ(at_, 3), place BIGINT METADATA FROM 'offset' VIRTUAL,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'kafka', 'topic' = '{0}',
  'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}', 'format' = 'json', 'scan.startup.mode' = '{1}');
CREATE TABLE hits (window_start TIMESTAMP(3), hits BIGINT, first_place BIGINT,
  PRIMARY KEY (window_start) NOT ENFORCED) WITH ('connector' = 'upsert-kafka', 'topic' = '{0}-hits',
  'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}', 'key.format' = 'json', 'value.format' = 'json');
SET 'table.exec.sink.require-on-conflict' = 'false';
INSERT INTO hits SELECT window_start, COUNT(*), MIN(place)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
"""


class Clicks:
    """A file of SQL over a topic of one partition with a click every 10 s, and where temporary files would be."""

    def __init__(self, kafka: str, topic: str, directory: Path, mode: str = "earliest-offset") -> None:
        self.kafka, self.topic = kafka, topic
        self.path = directory / "hits.sql"
        self.path.write_text(SQL.format(topic, mode))
        self.temporary = directory / "temporary"
        self.temporary.mkdir()
        ensure(Cluster(kafka), [Declared(topic, 1, 1)])

    def send(self, *values: bytes) -> None:
        sender = Sender(Cluster(self.kafka).producer({"linger.ms": 0}))
        for value in values:
            sender.send(self.topic, value)
        sender.must_have_delivered("The clicks")

    def clicks(self, *seconds: int) -> None:
        self.send(*(b'{"ip":"1","at_":%d}' % (second * 1000) for second in seconds))

    def preview(self, *options: str) -> Done:
        words = ("tables", "preview", str(self.path), *options, "-b", self.kafka)
        return run(*words, timeout=120, TMPDIR=str(self.temporary))

    def rows(self, *options: str) -> list[dict[str, object]]:
        done = self.preview("--format", "json", *options)
        assert done.code == 0, done.said
        return [json.loads(line) for line in done.printed.splitlines()]


@pytest.fixture
def clicks(kafka: str, topic_name: str, tmp_path: Path) -> Clicks:
    return Clicks(kafka, topic_name, tmp_path)


def test_the_rows_are_those_that_would_be_written_and_nothing_is(clicks: Clicks) -> None:
    clicks.clicks(0, 10, 50, 70, 30, 130)  # that of 30 s is late
    before = existing(Cluster(clicks.kafka))
    done = clicks.preview()
    assert done.code == 0, done.said
    assert done.printed.splitlines()[0] == "hits: 3 rows; 1 row came too late"
    assert "Over 6 records of clicks. No topic was written." in done.said
    assert [row["hits"] for row in clicks.rows()] == [3, 1, 1]
    assert clicks.preview("hits", "--format", "csv").printed.splitlines()[1] == "1970-01-01 00:00:00,3,0,"
    assert existing(Cluster(clicks.kafka)) == before
    assert list(clicks.temporary.iterdir()) == []


def test_the_last_records_have_the_offsets_that_they_have(clicks: Clicks) -> None:
    clicks.clicks(*range(0, 600, 10))
    rows = clicks.rows("--records", "12")
    assert [(row["hits"], row["first_place"]) for row in rows] == [(6, 48), (6, 54)]
    assert "12 records of clicks: the last ones" in clicks.preview("--records", "12").said


def test_records_since_a_time(clicks: Clicks) -> None:
    clicks.clicks(0, 60, 120)
    assert len(clicks.rows("--since", "2020-01-01")) == 3
    assert clicks.rows("--since", "2100-01-01") == []


def test_records_that_are_no_rows_are_said(clicks: Clicks) -> None:
    clicks.clicks(0, 60)
    clicks.send(b"no JSON")
    assert f"1 record of {clicks.topic} cannot be read as clicks." in clicks.preview().said


def test_where_a_table_would_begin_does_not_matter(kafka: str, topic_name: str, tmp_path: Path) -> None:
    clicks = Clicks(kafka, topic_name, tmp_path, "latest-offset")
    clicks.clicks(0, 60)
    assert len(clicks.rows()) == 2


def test_what_is_wrong_is_said(clicks: Clicks) -> None:
    clicks.clicks(0, 60)
    assert is_an_error_for_people(clicks.preview("clicks"), "no result clicks", "Results: hits")
    assert is_an_error_for_people(clicks.preview("--within", "0.001"), "It takes longer than 0.001 s")
    clicks.path.write_text(clicks.path.read_text().replace(f"'{clicks.topic}'", "'nowhere-at-all'"))
    assert is_an_error_for_people(clicks.preview(), "nowhere-at-all")
    clicks.path.write_text("SELECT")
    assert clicks.preview().code == 1
    assert list(clicks.temporary.iterdir()) == []


@pytest.mark.parametrize("name", ["clickstream", "vip", "products"])
def test_shipped_files_show_what_a_run_writes(kafka: str, topic_name: str, tmp_path: Path, name: str) -> None:
    made = ("-b", kafka, "--count", "3000", "--rate", "max", "--seed", "7", "--quiet")
    source = topic_name
    if name == "products":
        run_well("run-producer", "--topic", f"{source}-event-topic", *made)
    elif name == "vip":
        names = ("--topic", f"{source}-vip-clicks", "--users-topic", f"{source}-vip-users")
        run_well("generate", "vip", *names, *made, "--start", "2026-01-01", "--late", "5", "--malformed", "1")
    else:
        references = ("--codes-topic", f"{source}-clickstream_codes", "--users-topic", f"{source}-clickstream_users")
        flaws = ("--start", "2026-01-01", "--late", "5", "--malformed", "1")
        run_well("generate", "web", "--topic", f"{source}-clickstream", *references, *made, *flaws)
    path = shipped(name, tmp_path, source, f"{topic_name}-out")
    before = existing(Cluster(kafka))
    done = run("tables", "preview", str(path), "-n", "10000", "--json", "-b", kafka, timeout=180)
    assert done.code == 0, done.said
    assert existing(Cluster(kafka)) == before
    previewed: dict[str, Counter[str]] = {}
    for line in done.printed.splitlines():
        row = json.loads(line)
        previewed.setdefault(row.pop("$table", ""), Counter())[json.dumps(row)] += 1
    state = ("--state-dir", str(tmp_path / "state"))
    done = run("tables", "run", str(path), "--exit-at-end", "--quiet", "-b", kafka, *state, timeout=180)
    assert done.code == 0, done.said
    for table, rows in previewed.items():
        name_of = table or check_file(path).program.inserts[0].target.name
        shown = run("tables", "show", str(path), name_of, "-n", "10000", "--json", "-b", kafka, timeout=120)
        written = Counter(json.dumps(json.loads(line)) for line in shown.printed.splitlines())
        assert rows == written, name_of
