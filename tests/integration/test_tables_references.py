"""References that change while clicks flow."""

import json
from collections import Counter
from pathlib import Path

from confluent_kafka import Producer

from tests.integration.support import make_topic, records, value, written
from tests.integration.tablesupport import START, appended, at_work, click, engine_of, script
from tests.support import PATIENCE

USERS = """
CREATE TABLE users (
  user_id INT NOT NULL, name STRING, since BIGINT, vt AS TO_TIMESTAMP_LTZ(since, 3),
  WATERMARK FOR vt AS TO_TIMESTAMP_LTZ(0, 3), PRIMARY KEY (user_id) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = '{topic}-users',
  'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}', 'key.format' = 'json', 'value.format' = 'json');
"""
NAMED = appended("named", "o BIGINT, userid INT, name STRING") + (
    "INSERT INTO named SELECT c.o, c.userid, u.name FROM clicks AS c "
    "LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.user_id;"
)
SECONDS, CLICKS_A_SECOND, PEOPLE = 25, 4_000, 20


def test_references_change_several_times_a_second_under_heavy_traffic(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    """Every second of event time everybody has a new name, or none, while the clicks of the last one flow."""
    make_topic(kafka, topic_name, 2)
    make_topic(kafka, f"{topic_name}-users", 1, cleanup_policy="compact")
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5})
    expected: Counter[tuple[int, str | None]] = Counter()
    with at_work(engine_of(kafka, script(tmp_path, topic_name, USERS, NAMED))) as work:
        intake = work.engine._sources.references["users"]
        for second in range(SECONDS):
            for person in range(PEOPLE):
                named = _name(person, second)
                user = {"user_id": person, "name": named, "since": (START + second) * 1000}
                text = json.dumps(user).encode() if named else None
                # A tombstone has no time of its own: it holds from its record's timestamp.
                producer.produce(
                    f"{topic_name}-users",
                    text,
                    json.dumps({"user_id": person}).encode(),
                    timestamp=(START + second) * 1000,
                )
            producer.flush(30 * PATIENCE)
            # A version that is read after a click of its time would come too late for it.
            versions = (second + 1) * PEOPLE
            work.until(lambda wanted=versions: intake.rows >= wanted, "the new names", timeout=60)  # type: ignore[misc]
            for number in range(CLICKS_A_SECOND):
                person = number % PEOPLE
                time = second + number / CLICKS_A_SECOND
                producer.produce(topic_name, click(time, userid=person), partition=number // PEOPLE % 2)
                expected[person, _name(person, second)] += 1
            producer.poll(0)
        for partition in (0, 1):
            producer.produce(topic_name, click(SECONDS + 10, userid=-1), partition=partition)
        assert producer.flush(60 * PATIENCE) == 0
        clicks = SECONDS * CLICKS_A_SECOND
        work.until(lambda: written(kafka, f"{topic_name}-named") >= clicks, "all clicks with a name", timeout=60)
    rows = [json.loads(value(record)) for record in records(kafka, f"{topic_name}-named")]
    assert Counter((row["userid"], row["name"]) for row in rows if row["userid"] >= 0) == expected


def _name(person: int, second: int) -> str | None:
    """A person's name in a second; None: the person is deleted then."""
    return None if (person + second) % 7 == 0 else f"{person} in {second}"
