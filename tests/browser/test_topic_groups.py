"""The groups that read a topic, and who is in them, in a real browser."""

import pytest

from tests.browser import topicstates
from tests.browser.conftest import Open, Opened, plain
from tests.browser.topicpage import check_sorting, fits, opened, order

pytestmark = pytest.mark.usefixtures("one_topic")


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
