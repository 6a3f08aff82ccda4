"""One topic in a real browser, out of states and records that the tests choose."""

import json
from typing import Any

import pytest

from bench.tab import NOTE_WHAT_DISTURBS
from tests.browser import topicstates
from tests.browser.conftest import VENDOR, Open, Opened, plain
from tests.browser.fakeserver import FakeServer
from tests.browser.topicstates import row

# As they come: clocks of partitions disagree, and one of partition 0 goes back.
BEFORE = [row(0, 0, 100), row(1, 0, 200), row(2, 0, 400), row(2, 1, 410)]
AFTER = [row(0, 1, 50), row(1, 1, 90), row(0, 2, 300)]
AT = 1_600_000_000_000
ASKED = "/api/topics/clickstream/records"
NEWEST_FIRST = ["2:1", "2:0", "0:2", "1:1", "1:0", "0:1", "0:0"]


@pytest.fixture
def server(server: FakeServer) -> FakeServer:
    server.states |= {"topic": topicstates.topic, "tail": lambda _params, _now: None}
    server.answers[ASKED] = topicstates.found([])
    return server


def opened(open_page: Open, hash_: str, **options: Any) -> Opened:
    tab = open_page(hash_, ready=False, **options)
    tab.wait_for(lambda: tab.page.locator(".readers tbody tr").count() == len(topicstates.GROUPS), "its groups")
    return tab


def come(tab: Opened, rows: list[dict[str, Any]], skipped: int = 0, *, anew: bool = False) -> None:
    """These records come, as the server sends them: a feed."""
    feed = {"rows": rows, "skipped": skipped, "anew": anew, "stage": "live", "words": ""}
    tab.wait_for(lambda: tab.page.evaluate("() => window.clickstream.app.live.panels.has('tail')"))
    tab.page.evaluate("feed => window.clickstream.app.live.panels.get('tail').handlers.feed(feed)", feed)


def places(tab: Opened) -> list[str]:
    found: list[str] = tab.page.locator(".records tbody tr").evaluate_all("all => all.map((one) => one.dataset.key)")
    return found


def head(tab: Opened, key: str) -> Any:
    return tab.page.locator(f".records th[data-k='{key}']")


def test_the_newest_come_first_over_partitions_whose_clocks_disagree(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream")
    come(tab, BEFORE, anew=True)
    assert places(tab) == ["2:1", "2:0", "1:0", "0:0"]
    come(tab, AFTER)
    assert places(tab) == NEWEST_FIRST
    assert "Live, newest first" in tab.text(".infoline")


def test_columns_sort_and_lead_back_to_the_newest(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream")
    come(tab, BEFORE, anew=True)
    offset = head(tab, "offset").locator("button")
    offset.click()
    assert head(tab, "offset").get_attribute("aria-sort") == "descending"
    come(tab, AFTER)
    tab.page.locator("h1").hover()
    assert places(tab) == ["0:2", "2:1", "1:1", "0:1", "2:0", "1:0", "0:0"], "equal ones stay newest first"
    assert "sorted" in tab.text(".infoline")
    offset.click()
    assert head(tab, "offset").get_attribute("aria-sort") == "ascending"
    assert [place[-1] for place in places(tab)] == list("0001112")
    assert "sort=offset%2B" in tab.hash()
    offset.click()
    assert (places(tab), head(tab, "offset").get_attribute("aria-sort")) == (NEWEST_FIRST, None)
    head(tab, "time").locator("button").click()
    assert places(tab) == ["2:1", "2:0", "0:2", "1:0", "0:0", "1:1", "0:1"], "by the clocks alone"
    tab.page.get_by_role("button", name="Newest first").click()
    assert places(tab) == NEWEST_FIRST
    assert "sort" not in tab.hash()


def test_fields_sort_as_the_numbers_and_texts_that_they_are(open_page: Open) -> None:
    values = ["9007199254740993", None, "1.5", '"b"', "9007199254740992", "-2", "null", '"a10"', '"a9"', "1e3"]
    tab = opened(open_page, "#/topics/clickstream?cols=n&sort=f%3An%2B")
    come(tab, [row(0, number, number, value) for number, value in enumerate(values)], anew=True)
    shown = [values[int(place[2:])] for place in places(tab)]
    assert shown[:8] == ["-2", "1.5", "1e3", "9007199254740992", "9007199254740993", '"a9"', '"a10"', '"b"']
    assert set(shown[8:]) == {None, "null"}, "what is not there stands last"
    head(tab, "f:n").locator("button").click()
    assert places(tab)[0] == "0:0", "the largest number first"
    head(tab, "f:n").locator("button").click()
    tab.wait_for(lambda: "sort" not in tab.hash(), "a third way is none")


def test_a_burst_is_counted_and_the_list_is_bounded_and_keeps_its_rows_on_one_socket(
    open_page: Open, server: FakeServer
) -> None:
    tab = opened(open_page, "#/topics/clickstream?cols=n")
    come(tab, [row(0, number, number, str(number)) for number in range(200)], 9_800, anew=False)
    shown = len(places(tab))
    assert "9,800 not shown" in tab.text(".infoline")
    assert shown + 9_800 == 10_000
    for start in range(200, 1_400, 200):
        come(tab, [row(0, number, number, str(number)) for number in range(start, start + 200)])
    assert places(tab) == [f"0:{number}" for number in range(1_399, 399, -1)]
    tab.page.get_by_role("button", name="Pause").click()
    come(tab, [row(0, 1_400, 1_400, None)])
    assert places(tab)[0] == "0:1399"
    tab.page.get_by_role("button", name="Follow").click()
    assert places(tab)[0] == "0:1400"
    assert len(server.connects) == 1
    assert tab.page.locator(".records tbody tr[tabindex='0']").count() == 1, "one of them is reached by Tab"


def test_what_finds_no_room_while_the_list_holds_is_counted(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream?cols=n")
    come(tab, [row(0, 0, 0, "0")], anew=True)
    tab.page.get_by_role("button", name="Pause").click()
    for start in range(1, 1_601, 200):
        come(tab, [row(0, number, number, str(number)) for number in range(start, start + 200)])
    assert "Paused, 1,000 newer, 600 not shown" in tab.text(".infoline")
    tab.page.get_by_role("button", name="Follow").click()
    assert places(tab)[0] == "0:1600"
    tab.page.locator("h1").hover()
    assert tab.text(".infoline") == "Live, newest first, 600 not shown"


def test_a_screen_reader_is_told_what_the_list_is_at_and_no_numbers_that_run(
    open_page: Open, server: FakeServer
) -> None:
    tab = opened(open_page, "#/topics/clickstream?cols=n", scripts=(NOTE_WHAT_DISTURBS,))
    come(tab, [row(0, 0, 0, "0")], anew=True)
    tab.page.evaluate("() => { window.spoken = []; }")
    for number in range(1, 6):
        come(tab, [row(0, number, number, str(number))], 7)
    assert "35 not shown" in tab.text(".infoline")
    tab.page.get_by_role("button", name="Pause").click()
    for number in range(6, 9):
        come(tab, [row(0, number, number, str(number))])
    assert "3 newer" in tab.text(".infoline")
    progress = [{"progress": {"read": read, "found": 1, "total": 900}} for read in (100, 400, 900)]
    [answer] = [json.loads(line) for line in topicstates.found([row(0, 0, 0, "0")])({})[1].splitlines()]
    lines = "".join(json.dumps(line) + "\n" for line in [*progress, answer])
    server.answers[ASKED] = lambda _asked: (200, lines)
    tab.page.get_by_role("button", name="Search further back").click()
    tab.wait_text(".infoline", "That is all there is.")
    assert tab.page.evaluate("() => window.spoken") == ["Paused", "Searching\u2026", tab.text(".infoline")]


def test_a_page_that_is_not_paused_goes_on_when_the_one_before_was(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    tab.page.keyboard.press("p")
    tab.wait_text(".foot .state", "Paused")
    tab.page.evaluate("() => { location.hash = '#/topics/clickstream'; }")
    tab.wait_text(".kvs", "40,000")
    assert tab.text(".foot .state") == "Live"

    def later(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = topicstates.topic(params, now)
        return {**state, "topic": {**state["topic"], "records": 41_000}}

    server.states["topic"] = later
    tab.wait_text(".kvs", "41,000")


KEPT = "range=15&to=1795900000000&page=/cart.html"


def test_the_way_to_a_topic_and_back_keeps_time_and_filters(open_page: Open, server: FakeServer) -> None:
    server.states["topics"] = topicstates.topics
    tab = open_page(f"#/topics?{KEPT}", ready=False)
    tab.page.locator(".topics tbody a").click()
    tab.wait_text(".kvs", "40,000")
    assert tab.hash() == f"#/topics/clickstream?{KEPT}"
    tab.page.locator(".chip").filter(has_text="page").get_by_role("button", name="Remove").click()
    tab.page.locator("a.crumb").click()
    tab.wait_for(lambda: tab.page.locator(".topics tbody a").count() == 1)
    assert tab.hash() == "#/topics?range=15&to=1795900000000"
    link = tab.page.locator(".topics tbody a")
    assert link.get_attribute("href") == "#/topics/clickstream?range=15&to=1795900000000"
    tab.page.keyboard.press("Escape")
    assert link.get_attribute("href") == "#/topics/clickstream?range=15"
    assert tab.page.locator(".brand").get_attribute("href") == "#/overview?range=15"


def order(tab: Opened, section: str) -> list[str]:
    return [words.strip() for words in tab.page.locator(f"{section} tbody td:first-child").all_inner_texts()]


def expected(values: dict[str, Any], *, down: bool) -> list[str]:
    """What is not known stands last, whichever way."""
    known = sorted((name for name in values if values[name] is not None), key=lambda name: values[name], reverse=down)
    return known + [name for name in values if values[name] is None]


def check_sorting(tab: Opened, section: str, title: str, values: dict[str, Any]) -> None:
    button = tab.page.locator(f"{section} th").get_by_role("button", name=title, exact=True)
    cell = button.locator("xpath=..")
    for _click in range(2):
        button.click()
        down = cell.get_attribute("aria-sort") == "descending"
        assert order(tab, section) == expected(values, down=down), f"{title}, {'down' if down else 'up'}"


@pytest.mark.parametrize("title", ["lag", "behind", "members"])
def test_every_number_of_groups_sorts(open_page: Open, title: str) -> None:
    tab = opened(open_page, "#/topics/clickstream")
    tab.wait_for(lambda: order(tab, ".readers") == ["slow", "old", "quick", "unknown"], "by lag at first")
    key = {"lag": "lag", "behind": "seconds", "members": "members"}[title]
    values = {name: topicstates.reader(name)[key] for name in topicstates.GROUPS}
    if title == "members":
        values = {name: members if members is None else len(members) for name, members in values.items()}
    check_sorting(tab, ".readers", title, values)


def test_a_group_shows_its_partitions_and_every_number_of_them_sorts(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream")
    tab.page.locator(".readers tbody tr", has_text="slow").click()
    parts = {str(one["partition"]): one for one in topicstates.reader("slow")["partitions"]}
    tab.wait_for(lambda: order(tab, ".lagparts") == ["0", "1", "2"], "by lag at first")
    for title, key in [
        ("no.", "partition"),
        ("reads next", "next"),
        ("end", "end"),
        ("lag", "lag"),
        ("behind", "seconds"),
    ]:
        check_sorting(tab, ".lagparts", title, {name: float(one[key]) for name, one in parts.items()})
    assert "group=slow" in tab.hash()
    tab.page.locator(".readers tbody tr", has_text="slow").click()
    tab.wait_for(lambda: not tab.page.locator(".lagparts").is_visible(), "a second click hides them")


def members(tab: Opened) -> list[list[str]]:
    rows = tab.page.locator(".members tbody tr")
    return [
        [plain(words).strip() for words in rows.nth(at).locator("td").all_inner_texts()] for at in range(rows.count())
    ]


def test_a_group_shows_who_is_in_it_and_what_each_reads(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream?group=slow")
    who = "<b>billing</b>U+202E"
    tab.wait_for(lambda: len(members(tab)) == 2, "its members")
    assert members(tab) == [
        [who, "10.0.0.7", "3f2a91c0\u2026 in full", "0\u20131"],
        ["spare", "a-host-with-a-long-name.example.net", "3f2a91c0\u2026 in full", "none"],
    ]
    assert tab.page.locator("main b", has_text="billing").count() == 0, "what is heard is text"
    owners = tab.page.locator(".lagparts td.member").all_inner_texts()
    assert owners == [f"{who} 3f2a91c0\u2026", f"{who} 3f2a91c0\u2026", "no member"]
    whole = tab.page.get_by_role("button", name="Member id of spare")
    whole.click()
    assert members(tab)[1][2] == f"spare-{topicstates.UUID}1 short"
    assert whole.get_attribute("aria-expanded") == "true"
    tab.server.push()
    assert members(tab)[1][2] == f"spare-{topicstates.UUID}1 short", "it stays so"
    whole.click()
    assert members(tab)[1][2] == "3f2a91c0\u2026 in full"


def test_a_group_without_members_says_so_and_unknown_ones_are_not_made_up(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream?group=old")
    tab.wait_text(".members .note", "No members: the group is empty. Who assigns partitions to itself is in no group.")
    assert set(tab.page.locator(".lagparts td.member").all_inner_texts()) == {"no member"}
    tab.page.locator(".readers tbody tr", has_text="unknown").click()
    tab.wait_text(".lagparts h3", "unknown, by partition")
    assert not tab.page.locator(".members").is_visible()
    assert not tab.page.locator(".lagparts .member").first.is_visible()


@pytest.mark.parametrize("width", [360, 1280, 1600])
def test_members_fit_beneath_their_group(open_page: Open, width: int) -> None:
    tab = opened(open_page, "#/topics/clickstream?group=slow", viewport={"width": width, "height": 900})
    tab.wait_for(lambda: len(members(tab)) == 2, "its members")
    assert fits(tab, ".members .scroll")


def fits(tab: Opened, selector: str) -> bool:
    found: bool = tab.page.locator(selector).evaluate("one => one.scrollWidth <= one.clientWidth")
    return found


MANY = {"a": (1, 3), "b": (12, 1), "c": (3, 2), "d": (2, 10)}  # partitions and replicas


def test_the_list_sorts_by_partitions_and_by_replicas(open_page: Open, server: FakeServer) -> None:
    def topics(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = topicstates.topics(params, now)
        one = state["topics"][0]
        rows = [
            {**one, "name": name, "partitions": parts, "replication": copies} for name, (parts, copies) in MANY.items()
        ]
        return {**state, "topics": rows}

    server.states["topics"] = topics
    tab = open_page("#/topics", ready=False)
    tab.wait_for(lambda: len(order(tab, ".topics")) == len(MANY), "the list")
    for title, place in (("partitions", 0), ("replicas", 1)):
        check_sorting(tab, ".topics", title, {name: numbers[place] for name, numbers in MANY.items()})
    assert "sort=replication%2B" in tab.hash()
    assert tab.page.locator(".topics td:nth-child(8)").first.is_visible()
    assert fits(tab, ".topics")
    tab.page.set_viewport_size({"width": 360, "height": 800})
    heads = tab.page.locator(".topics th:visible")
    tab.wait_for(lambda: len(heads.all()) == 3)
    assert [words.strip() for words in heads.all_inner_texts()] == ["topic", "messages/s in", "10 min"]


@pytest.mark.parametrize(("title", "column"), [("begin", 0), ("end", 1), ("size", 2), ("messages/s", 3)])
def test_every_number_of_partitions_sorts(open_page: Open, title: str, column: int) -> None:
    tab = opened(open_page, "#/topics/clickstream")
    tab.wait_for(lambda: order(tab, ".t-part") == ["0", "1", "2"], "by number at first")
    values = {str(number): one[column] for number, one in enumerate(topicstates.PARTITIONS)}
    check_sorting(tab, ".t-part", title, values)


def test_settings_say_what_holds_who_set_it_and_the_default_in_the_same_unit(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream")
    tab.wait_text(".t-cfg", "retention.ms")
    shown = {
        row.locator("dt").inner_text(): row.locator("dd").inner_text().replace("\u202f", " ")
        for row in tab.page.locator(".t-cfg .facts > div").all()
    }
    assert shown["retention.ms"] == "86,400,000 1 day, set on the topic, default 7 days"
    assert shown["min.insync.replicas"] == "2, set by the broker, default 1"
    assert shown["cleanup.policy"] == "delete"


def test_where_sizes_are_not_known_it_says_why(open_page: Open, server: FakeServer) -> None:
    why = "The size on the disk is known of the embedded Kafka only."

    def foreign(state: dict[str, Any]) -> dict[str, Any]:
        return state | {"no_size": why}

    def topic(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = topicstates.topic(params, now)
        return foreign(state) | {"bytes_per_s": None, "topic": state["topic"] | {"size": None}}

    def topics(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = topicstates.topics(params, now)
        return foreign(state) | {"topics": [one | {"size": None} for one in state["topics"]]}

    server.states |= {"topic": topic, "topics": topics}
    tab = opened(open_page, "#/topics/clickstream")
    for label in ("on disk", "bytes/s in"):
        figure = tab.page.locator(f".kv[title='{why}']", has_text=label)
        figure.wait_for()
        assert figure.locator("b").inner_text() == "\u2013"
    tab.page.locator("a.crumb").click()
    size = tab.page.locator(".topics tbody td[title]").filter(has_text="\u2013")
    tab.wait_for(lambda: size.count() == 1, "the list")
    assert size.get_attribute("title") == why


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page: Open, scheme: str) -> None:
    script = (VENDOR / "axe.min.js").read_text("utf-8")
    tab = opened(open_page, "#/topics/clickstream?group=slow&sort=size-", scripts=(script,), color_scheme=scheme)
    come(tab, BEFORE + AFTER, anew=True)
    found = tab.page.evaluate("async () => (await axe.run()).violations")
    told = [f"{one['id']}: {node['target']}" for one in found for node in one["nodes"]]
    assert not told


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_list_of_topics(open_page: Open, server: FakeServer, scheme: str) -> None:
    server.states["topics"] = topicstates.topics
    script = (VENDOR / "axe.min.js").read_text("utf-8")
    tab = open_page("#/topics", ready=False, scripts=(script,), color_scheme=scheme)
    tab.wait_for(lambda: tab.page.locator(".topics tbody a").count() == 1, "the list")
    found = tab.page.evaluate("async () => (await axe.run()).violations")
    told = [f"{one['id']}: {node['target']}" for one in found for node in one["nodes"]]
    assert not told


AVRO = b"\0\0\0\0\7\2\0"
RECORD: dict[str, Any] = {
    "topic": "clickstream", "partition": 0, "offset": "5", "time": None, "time_by": None, "size": len(AVRO),
    "key": None, "headers": [],
}  # fmt: skip
BYTES = {"length": len(AVRO), "start": 0, "next": None, "hex": AVRO.hex(), "base64": "AAAAAAcCAA=="}


def test_a_record_in_avro_is_read_and_its_bytes_are_one_click_away(open_page: Open, server: FakeServer) -> None:
    read = {"length": 8, "start": 0, "next": None, "text": '{"id":1}'}
    about = {"schema": 7, "name": "shop.Hit", "words": ""}

    def answer(params: dict[str, str]) -> tuple[int, Any]:
        return 200, BYTES if params.get("raw") else {**RECORD, "value": read, "value_avro": about}

    server.answers["/api/topics/clickstream/0/5"] = answer
    tab = opened(open_page, "#/topics/clickstream?rec=0:5")
    part = tab.page.locator(".inspector .avro")
    tab.wait_for(lambda: part.count() == 1, "the record")
    assert "Avro, schema 7: shop.Hit" in part.inner_text()
    assert '"id"' in part.locator("pre").inner_text()
    part.get_by_role("button", name="Bytes").click()
    tab.wait_for(lambda: "00 00 00 00 07 02 00" in part.locator("pre").inner_text(), "its bytes")
    part.get_by_role("button", name="Read").click()
    tab.wait_for(lambda: '"id"' in part.locator("pre").inner_text(), "the record again")


def test_what_looks_like_avro_says_what_it_takes(open_page: Open, server: FakeServer) -> None:
    about = {"schema": 7, "name": None, "words": "start the dashboard with --schema-registry URL to read it"}
    record = {**RECORD, "value": BYTES, "value_avro": about}
    server.answers["/api/topics/clickstream/0/5"] = lambda _params: (200, record)
    tab = opened(open_page, "#/topics/clickstream?rec=0:5")
    come(tab, [{**row(0, 5, 100), "value": {"length": 7, "hex": AVRO.hex(), "avro": 7}}], anew=True)
    tab.wait_for(lambda: tab.page.locator(".inspector .avro").count() == 1, "the record")
    assert "schema 7: start the dashboard with --schema-registry" in tab.text(".inspector .avro")
    assert "Avro 7" in tab.text(".records tbody")


# --- a past instant


@pytest.fixture
def asked(server: FakeServer) -> list[dict[str, str]]:
    """The searches; of each instant another record is the newest."""
    searches: list[dict[str, str]] = []

    def answer(params: dict[str, str]) -> tuple[int, Any]:
        searches.append(params)
        to = int(params.get("to", "0"))
        cells = ["7"] if "column" in params else []
        newest = [row(0, to // 1_000 % 1_000 + 5, to, *cells), row(1, 3, to - 10, *cells)]
        older = [row(0, 1, to - 900, *cells)]
        found = topicstates.found(older) if "places" in params else topicstates.found(newest, end="limit", places="0:2")
        made: tuple[int, Any] = found(params)
        return made

    server.answers[ASKED] = answer
    return searches


def test_at_a_past_instant_the_records_of_then_stand_still(open_page: Open, asked: list[dict[str, str]]) -> None:
    tab = opened(open_page, f"#/topics/clickstream?to={AT}", timezone_id="UTC")
    tab.wait_for(lambda: places(tab) == ["0:5", "1:3"], "the newest of then")
    assert (asked[-1]["to"], asked[-1]["from"]) == (str(AT), "newest")
    assert "As of 2020-09-13 12:26:40: 2 records" in tab.text(".infoline")
    assert not tab.page.evaluate("() => window.clickstream.app.live.panels.has('tail')")
    assert tab.page.locator(".hold").is_hidden()
    tab.page.get_by_role("button", name="Search further back").click()
    tab.wait_for(lambda: places(tab) == ["0:5", "1:3", "0:1"], "older ones")
    assert (asked[-1]["places"], asked[-1]["to"]) == ("0:2", str(AT))
    assert "That is all there is." in tab.text(".infoline")
    tab.page.keyboard.press("Escape")
    tab.wait_for(lambda: "to=" not in tab.hash(), "live again")
    come(tab, BEFORE, anew=True)
    assert places(tab) == ["2:1", "2:0", "1:0", "0:0"]


def test_an_instant_and_a_place_to_begin_at_are_a_span_of_what_is_shown_and_exported(
    open_page: Open, server: FakeServer, asked: list[dict[str, str]]
) -> None:
    tab = opened(open_page, f"#/topics/clickstream?to={AT}&at=7&filter=n")
    tab.wait_for(lambda: asked, "the search")
    assert {name: asked[0][name] for name in ("from", "to", "filter")} == {"from": "7", "to": str(AT), "filter": "n"}
    exported: list[dict[str, str]] = []
    server.answers["/api/topics/clickstream/export"] = lambda params: exported.append(params) or (200, "")  # type: ignore[func-returns-value]
    tab.page.locator("summary", has_text="Export").click()
    tab.page.get_by_role("button", name="JSON lines exact").click()
    tab.wait_for(lambda: exported, "the export")
    assert exported == [{"from": "7", "to": str(AT), "filter": "n", "format": "jsonl"}]


def test_times_of_a_filter_are_in_the_zone_of_the_page(
    open_page: Open, server: FakeServer, asked: list[dict[str, str]]
) -> None:
    hash_ = f"#/topics/clickstream?to={AT}&filter=$time>2020-09-13T18:00"
    tab = opened(open_page, hash_, timezone_id="Asia/Kathmandu")
    tab.wait_for(lambda: asked, "the search")
    assert asked[-1]["zone"] in ("Asia/Kathmandu", "Asia/Katmandu")
    tab.page.keyboard.press("u")
    tab.wait_for(lambda: asked[-1]["zone"] == "UTC", "the search in the other zone")
    tab.page.keyboard.press("Escape")
    tab.wait_for(lambda: [one["zone"] for panel, one in server.panels() if panel == "tail"] == ["UTC"], "the live list")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("", "nothing had come."),
        ("&at=2020-09-13T13:00:00.000Z", "nothing from there on had come."),
        ("&filter=x", "nothing that had come fits."),
    ],
)
def test_it_says_why_there_is_nothing_at_an_instant(open_page: Open, server: FakeServer, more: str, says: str) -> None:
    server.answers[ASKED] = topicstates.found([])
    tab = opened(open_page, f"#/topics/clickstream?to={AT}{more}", timezone_id="UTC")
    tab.wait_text(".infoline", f"As of 2020-09-13 12:26:40: {says}")


def test_while_the_clock_is_dragged_rows_stay_until_those_of_where_it_rests(
    open_page: Open, asked: list[dict[str, str]]
) -> None:
    tab = opened(open_page, f"#/topics/clickstream?to={AT}&cols=n")
    tab.wait_for(lambda: places(tab) == ["0:5", "1:3"], "the first ones")
    tab.page.evaluate(
        """(at) => {
          window.counts = new Set();
          new MutationObserver(() => window.counts.add(document.querySelectorAll('.records tbody tr').length))
            .observe(document.querySelector('.records'), { childList: true, subtree: true });
          for (let step = 1; step <= 20; step += 1) {
            window.clickstream.app.go({ to: at + 1000 * step }, { replace: true });
          }
        }""",
        AT,
    )
    tab.wait_for(lambda: places(tab) == ["0:25", "1:3"], "those of where it rests")
    assert [one["to"] for one in asked] == [str(AT), str(AT + 20_000)]
    assert 0 not in tab.page.evaluate("() => [...window.counts]")


def test_a_search_that_is_stopped_leaves_no_rows_of_another_instant(
    open_page: Open, asked: list[dict[str, str]]
) -> None:
    tab = opened(open_page, f"#/topics/clickstream?to={AT}&cols=n")
    tab.wait_for(lambda: places(tab) == ["0:5", "1:3"], "the first ones")
    tab.page.route(f"**{ASKED}?*", lambda _route: None)  # it takes long
    tab.page.evaluate("(to) => window.clickstream.app.go({ to })", AT + 1_000)
    tab.page.get_by_role("button", name="Stop searching").click()
    tab.wait_text(".infoline", "Stopped.")
    assert places(tab) == []
    tab.page.unroute(f"**{ASKED}?*")
    tab.page.evaluate("(to) => window.clickstream.app.go({ to })", AT)
    tab.wait_for(lambda: places(tab) == ["0:5", "1:3"], "the first ones again")
    assert "Stopped." not in tab.text(".infoline")


@pytest.mark.parametrize("more", ["at=oldest", f"to={AT}"])
def test_the_first_records_of_a_search_choose_the_columns_too(
    open_page: Open, asked: list[dict[str, str]], more: str
) -> None:
    tab = opened(open_page, f"#/topics/clickstream?{more}")
    tab.wait_for(lambda: head(tab, "f:n").count() == 1, "the column")
    tab.wait_for(lambda: places(tab), "rows")
    assert "column" in asked[-1]
    cells = tab.page.locator(".records tbody tr").first.locator("td").count()
    assert cells == tab.page.locator(".records thead th").count()
