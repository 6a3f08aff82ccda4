"""What comes to a topic is on the open pages soon after: one marked record beside a dashboard that runs, and the clock.

How soon is measured by `bench`; here the bound is so wide that only a page that does not follow misses it.
"""

import asyncio
import time
from typing import Any

from clickstream.history.history import History
from clickstream.history.store import Limits
from clickstream.kafka.clients import Cluster
from tests.integration.support import make_topic, produce
from tests.integration.test_history import click, now, send, topics_of
from tests.integration.uisupport import State, dashboard, tab
from tests.support import PATIENCE, wait_until

SOON_S = 10.0 * PATIENCE
MARK = "/a-page-that-nobody-else-asks-for.html"


def test_a_click_is_on_the_overview_soon_after_it_came(kafka: str, topic_name: str) -> None:
    topics = topics_of(topic_name)
    for topic in (topics.clicks, topics.events, topics.vip):
        make_topic(kafka, topic, 1)
    send(kafka, topics.clicks, [click(now() - 1_000 * number, number) for number in range(10)])
    history = History(Cluster(kafka), topics, Limits())

    async def seen() -> float:
        async with tab(address) as page:
            await page.say(open="overview", panel="overview", params={"range": 300_000})
            await page.until(lambda frame: pages(frame) and MARK not in pages(frame))
            begun = time.monotonic()
            await asyncio.to_thread(send, kafka, topics.clicks, [click(now(), 1, request=f"GET {MARK} HTTP/1.1")])
            await page.until(lambda frame: MARK in pages(frame))
            return time.monotonic() - begun

    with dashboard(Cluster(kafka), history=lambda _statuses: history) as address:
        wait_until(lambda: history.status().live, 90, lambda: str(history.status()))
        took = asyncio.run(seen())
    print(f"a click was on the Overview after {took:.2f} s")
    assert took < SOON_S


def test_a_row_of_a_result_is_on_its_topics_page_soon_after_it_came(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [b'{"row":1}'])

    async def seen() -> float:
        async with tab(address) as page:
            await page.say(open="tail", panel="tail", params={"topic": topic_name})
            await page.until(lambda frame: "1" in rows(frame))
            begun, before = time.monotonic(), len(page.frames)
            await asyncio.to_thread(produce, kafka, topic_name, [b'{"row":"marked"}'])
            await page.until(lambda frame: "marked" in rows(frame), since=before)  # it comes once, maybe meanwhile
            return time.monotonic() - begun

    with dashboard(Cluster(kafka)) as address:
        took = asyncio.run(seen())
    print(f"a row was on the page of its topic after {took:.2f} s")
    assert took < SOON_S


def pages(frame: State) -> list[str]:
    """The top pages of a state of the Overview."""
    top: Any = frame.get("state", {}).get("tops", {}).get("page", {"rows": []})
    return [row[0] for row in top["rows"]]


def rows(frame: State) -> str:
    """The texts of the rows that came to the list of records."""
    return "\n".join(row["value"]["text"] for row in frame.get("feed", {}).get("rows", []))
