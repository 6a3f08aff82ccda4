"""`clickstream query` on a real Kafka."""

import json
from typing import Any

import pytest

from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.topics import Declared, ensure
from tests.integration.support import Done, is_an_error_for_people, run
from tests.support import PATIENCE

WITHIN = f"{4 * PATIENCE:g}"  # s
HUGE = 170141183460469231731687303715884105728


class Asked:
    """A topic, and questions about it."""

    def __init__(self, kafka: str, topic: str) -> None:
        self.kafka, self.topic = kafka, topic
        ensure(Cluster(kafka), [Declared(topic, 3, 1)])

    def send(self, *values: bytes | None, key: bytes = b"k") -> None:
        sender = Sender(Cluster(self.kafka).producer({"linger.ms": 0}))
        for value in values:
            sender.send(self.topic, value, key)
        sender.must_have_delivered("The records")

    def query(self, sql: str, *options: str) -> Done:
        return run("query", sql.replace("$T", f'"{self.topic}"'), "-b", self.kafka, *options, timeout=120)

    def rows(self, sql: str, *options: str) -> list[dict[str, Any]]:
        done = self.query(sql, "--json", *options)
        assert done.code == 0, done.said
        return [json.loads(line) for line in done.printed.splitlines()]


@pytest.fixture
def asked(kafka: str, topic_name: str) -> Asked:
    return Asked(kafka, topic_name)


def test_fields_are_columns_and_integers_have_all_their_digits(asked: Asked) -> None:
    asked.send(
        b'{"page":"/a","bytes":9007199254740993,"huge":%d,"of":{"city":"Oslo"}}' % HUGE,
        b'{"page":"/b","bytes":1}',
        b"no JSON",
        None,
    )
    rows = asked.rows("SELECT page, bytes, huge, of->>'city' AS city, _offset, _key FROM $T ORDER BY _offset")
    assert rows[0] == {
        "page": "/a", "bytes": 9007199254740993, "huge": str(HUGE), "city": "Oslo", "_offset": 0, "_key": "k"
    }  # fmt: skip
    assert [row["page"] for row in rows] == ["/a", "/b", None, None]
    assert asked.rows("SELECT _value FROM $T WHERE page IS NULL ORDER BY 1") == [
        {"_value": "no JSON"},
        {"_value": None},
    ]
    assert asked.rows("SELECT sum(bytes) AS s FROM $T") == [{"s": "9007199254740994"}]


def test_a_table_csv_and_how_many_rows_there_were(asked: Asked) -> None:
    asked.send(*(b'{"n":%d}' % number for number in range(20)))
    done = asked.query("SELECT n, 'x' AS t FROM $T ORDER BY n", "-n", "2")
    assert [line.split() for line in done.printed.splitlines()] == [["n", "t"], ["0", "x"], ["1", "x"]]
    assert "2 rows, the first ones: --limit allows more" in done.said
    done = asked.query("SELECT n, NULL AS t FROM $T ORDER BY n DESC", "--format", "csv", "-n", "1")
    assert done.printed == "n,t\n19,\n"


def test_only_the_last_records(asked: Asked) -> None:
    asked.send(*(b'{"n":%d}' % number for number in range(20)))
    assert asked.rows("SELECT min(n) AS least, count(*) AS n FROM $T", "--records", "5") == [{"least": 15, "n": 5}]
    done = asked.query("SELECT count(*) FROM $T", "--records", "5")
    assert f" {asked.topic}: the newest 5 records, from 20" in done.said
    assert "the newest" not in asked.query("SELECT count(*) FROM $T").said


def test_an_empty_topic_has_the_columns_of_every_record(asked: Asked) -> None:
    names = [row["column_name"] for row in asked.rows("DESCRIBE $T")]
    assert names == ["_partition", "_offset", "_timestamp", "_key", "_headers", "_value"]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("FROM nowhere", "There is no table nowhere"),
        ("SELECT * FROM read_csv('/etc/passwd')", "read_csv cannot stand in the place of a table"),
        ("DROP TABLE $T", "DROP is not answered"),
        ("SELECT count(*) FROM range(1000000) a, range(1000000) b", f"takes longer than {WITHIN} s"),
        ("SELECT repeat('x', 2000000000)", "needs more than 512 MB"),
    ],
)
def test_what_is_not_answered_is_said(asked: Asked, sql: str, words: str) -> None:
    assert is_an_error_for_people(asked.query(sql, "--within", WITHIN), words)
