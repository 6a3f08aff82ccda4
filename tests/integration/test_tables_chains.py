"""Windows over windows: a file reads the topic that another file writes, and none of its rows is late.

Final rows leave in the order of their windows' ends, over all branches of a result, so that a partition of the topic
never goes back in time.
"""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from clickstream.tables.engine import timetable
from clickstream.tables.engine.sources import source as sources
from tests.integration.support import make_topic, produce, records, value
from tests.integration.tablesupport import appended, click, script, table, to_end, upsert

WINDOW = "window_start TIMESTAMP(3), window_end TIMESTAMP(3)"
PER_IP = f"ip STRING, {WINDOW}, hits BIGINT"


def windows(call: str, keys: str = "ip, ") -> str:
    """A query that counts clicks by address and window."""
    return (
        f"SELECT {keys}window_start, window_end, COUNT(*) AS hits FROM TABLE({call}) "
        f"GROUP BY {keys}window_start, window_end"
    )


TUMBLE = windows("TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '20' SECOND)")
HOP = windows("HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '60' SECOND)")
CUMULATE = windows("CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '60' SECOND)")
SESSION = windows("SESSION(TABLE clicks PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '20' SECOND)")
TOP = (
    f"SELECT ip, window_start, window_end, hits FROM (SELECT *, ROW_NUMBER() OVER "
    f"(PARTITION BY window_start, window_end ORDER BY hits DESC, ip) AS place FROM ({HOP})) WHERE place <= 3"
)
QUERIES = {
    "hops": HOP,
    "sessions": SESSION,
    "cumulated": CUMULATE,
    "top": TOP,
    "both": f"{TUMBLE} UNION ALL {HOP} UNION ALL {SESSION}",
}


def _keyed(name: str) -> bool:
    """Which of the results are tables: two branches would write over each other."""
    return name != "both"


def _first() -> list[str]:
    """Every query to an append-only topic, and those that can to a table."""
    statements = []
    for name, query in QUERIES.items():
        statements.append(appended(f"{name}_a", PER_IP) + f"INSERT INTO {name}_a {query};\n")
        if _keyed(name):
            key = "ip, window_start, window_end"
            statements.append(upsert(f"{name}_t", PER_IP, key) + f"INSERT INTO {name}_t {query};\n")
    return statements


def _second(topics: list[str]) -> list[str]:
    """For each of these topics the hits of each minute of its rows' ends, without any delay for disorder."""
    statements = []
    for name in topics:
        statements.append(
            f"CREATE TABLE {name} (window_end TIMESTAMP(3), hits BIGINT, ended AS window_end, "
            "WATERMARK FOR ended AS ended) WITH ('connector' = 'kafka', "
            f"'topic' = '{{topic}}-{name}', 'properties.bootstrap.servers' = '${{{{BOOTSTRAP_SERVERS}}}}', "
            "'scan.startup.mode' = 'earliest-offset', 'format' = 'json');\n"
            f"CREATE VIEW {name}_ends AS SELECT ended, hits FROM {name};\n"
        )
        statements.append(
            upsert(f"{name}_min", f"{WINDOW}, n BIGINT, hits BIGINT", "window_start")
            + f"INSERT INTO {name}_min SELECT window_start, window_end, COUNT(*), SUM(hits) FROM TABLE(TUMBLE(TABLE "
            f"{name}_ends, DESCRIPTOR(ended), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;\n"
        )
    return statements


@pytest.fixture(params=["many small steps", "few large ones"])
def steps(request: pytest.FixtureRequest, mocker: MockerFixture) -> None:
    """How many windows close at once."""
    if request.param == "many small steps":
        mocker.patch.object(sources, "BATCH_RECORDS", 700)
        mocker.patch.object(timetable, "COMMIT_EVERY_S_BOUNDED", 0.0)
        mocker.patch.object(timetable, "CLOSE_EVERY_S_BOUNDED", 0.0)


@pytest.mark.usefixtures("steps")
def test_a_file_that_reads_the_windows_of_another_finds_none_of_them_late(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    names = [f"{name}_a" for name in QUERIES] + [f"{name}_t" for name in QUERIES if _keyed(name)]
    make_topic(kafka, topic_name, 3)
    for name in names:
        make_topic(kafka, f"{topic_name}-{name}", 2)
    drawn = random.Random(5)
    clicks = [
        click(number / 10 + drawn.uniform(-4, 0), ip=f"10.0.0.{int(drawn.paretovariate(0.7)) % 60}")
        for number in range(6_000)
    ]
    produce(kafka, topic_name, clicks)

    to_end(kafka, script(tmp_path, topic_name, *_first(), name="first"))
    rows = {name: _rows(kafka, f"{topic_name}-{name}") for name in names}
    for name, found in rows.items():
        assert len(found) > 50, name
        for partition in (0, 1):
            ends = [row["window_end"] for number, row in found if number == partition]
            assert ends == sorted(ends), name

    second = to_end(kafka, script(tmp_path, topic_name, *_second(names), name="second"))
    assert second.totals()["late"] == 0
    for name, found in rows.items():
        hits: Counter[str] = Counter()
        for _, row in found:
            hits[row["window_end"][:16]] += row["hits"]
        read = {row["window_start"][:16]: row["hits"] for row in table(kafka, f"{topic_name}-{name}_min").values()}
        assert read == dict(hits), name


def _rows(kafka: str, topic: str) -> list[tuple[int, dict[str, Any]]]:
    """Each record's partition and row, in the order of the log."""
    return [(record.partition() or 0, json.loads(value(record))) for record in records(kafka, topic)]
