"""Questions in SQL in a real browser, on a real Kafka: what is shown equals what the records say."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from clickstream.kafka.clients import Cluster
from clickstream.topics import Declared, ensure
from tests.integration.conftest import broker_java, kafka, kafka_data_dir  # noqa: F401 - fixtures
from tests.integration.support import produce, records
from tests.integration.uisupport import TOKEN, dashboard
from tests.support import PATIENCE, wait_until

TOPIC, RESULT = "query-page", "query-page-result"
BASE = 1_700_000_040_000 // 60_000 * 60_000
BEYOND = 9_007_199_254_740_993
FILE = f"""
CREATE TABLE clicks (status INT, `bytes` BIGINT, at_ BIGINT, ts AS TO_TIMESTAMP_LTZ(at_, 3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'kafka', 'topic' = '{TOPIC}', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'format' = 'json', 'scan.startup.mode' = 'earliest-offset');
CREATE TABLE per_min (window_start TIMESTAMP(3), hits BIGINT)
  WITH ('connector' = 'kafka', 'topic' = '{RESULT}', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'format' = 'json');
INSERT INTO per_min SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
"""


@pytest.fixture(scope="module")
def address(kafka: str) -> Iterator[str]:  # noqa: F811
    ensure(Cluster(kafka), [Declared(TOPIC, 1, 1)])
    values = [
        {"status": (200, 404, 500)[place % 3], "bytes": BEYOND if place == 4 else place, "at_": BASE + place * 1_700}
        for place in range(200)
    ]
    produce(kafka, TOPIC, [json.dumps(value).encode() for value in values])
    with dashboard(Cluster(kafka)) as found:
        yield found


def rows(page: Any) -> list[list[str]]:
    found = page.locator(".q-out tbody tr")
    return [found.nth(place).locator("td").all_inner_texts() for place in range(found.count())]


def test_rows_and_previews_equal_what_the_records_say(browser: Any, address: str, kafka: str) -> None:  # noqa: F811
    clicks = [json.loads(one.value() or b"") for one in records(kafka, TOPIC)]
    bytes_of: dict[int, int] = defaultdict(int)
    for one in clicks:
        bytes_of[one["status"]] += one["bytes"]
    hits = Counter(one["status"] for one in clicks)
    context = browser.new_context()
    context.set_default_timeout(90_000 * PATIENCE)
    try:
        page = context.new_page()
        sql = f'SELECT status, count(*) AS hits, sum(bytes) AS bytes FROM "{TOPIC}" GROUP BY status ORDER BY status'
        page.goto(f"{address}/#token={TOKEN}")
        page.wait_for_selector("main h1")
        page.evaluate("hash => { location.hash = hash; }", f"#/query?sql={quote(sql)}")
        wanted = [[str(status), f"{hits[status]:,}", f"{bytes_of[status]:,}"] for status in sorted(hits)]
        wait_until(lambda: rows(page) == wanted, 90, lambda: f"{wanted}: {page.inner_text('.q-out')}")

        minutes = Counter(one["at_"] // 60_000 * 60_000 for one in clicks)
        page.evaluate("hash => { location.hash = hash; }", f"#/query?mode=check&sql={quote(FILE)}")
        wait_until(lambda: page.inner_text(".q-out h2") == "No problems", 90, lambda: page.inner_text(".q-out"))
        page.get_by_role("button", name="Preview").click()
        wait_until(lambda: page.inner_text(".q-out h2") == "Preview", 90, lambda: page.inner_text(".q-out"))
        assert [int(row[1]) for row in rows(page)] == [minutes[start] for start in sorted(minutes)]
        assert "No topic was written." in page.inner_text(".q-out")
    finally:
        context.close()
    topics = Cluster(kafka).admin().list_topics(timeout=60 * PATIENCE).topics
    assert RESULT not in topics
