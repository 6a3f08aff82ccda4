"""Numbers that are measured: what each is stands at the foot of their page, and a key leads there."""

import pytest

from tests.browser import flowstates, topicstates
from tests.browser.conftest import Open
from tests.browser.fakeserver import FakeServer


@pytest.mark.parametrize(
    ("hash_", "says"),
    [
        ("#/topics", ["Messages/s in: how far", "Records: offsets between", "Lag: records that", "Kept: by the"]),
        ("#/topics/clickstream", ["Bytes/s in: how fast", "Begin: the offset", "Behind: how long", "Trend: whether"]),
        ("#/dead", ["Bytes: of the whole value", "Records in all: between"]),
        ("#/flow", ["final: how far", "final until", "late: rows"]),
        ("#/sources", ["Records/s: as the part", "Failed: what", "Missing: Numbers"]),
    ],
)
def test_the_foot_of_a_page_says_what_its_numbers_are(
    open_page: Open, server: FakeServer, hash_: str, says: list[str]
) -> None:
    server.states |= {"topics": topicstates.topics, "topic": topicstates.topic, "tail": lambda _params, _now: None}
    server.states |= {"dead": topicstates.dead([]), "flow": flowstates.flow, "sources": flowstates.sources}
    server.states |= {"collected": flowstates.collected}
    server.answers["/api/topics/clickstream/records"] = topicstates.found([])
    tab = open_page(hash_, ready=False)
    words = tab.wait_text(".defs", says[0])
    assert [part for part in says if part not in words] == []
    tab.page.keyboard.press("i")
    tab.wait_for(lambda: tab.page.evaluate("() => document.activeElement.matches('.defs')"), "the key leads there")
