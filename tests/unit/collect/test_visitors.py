"""Where visitors come from, by which campaign, and when an event happened."""

import pytest

from clickstream.collect.visitors.campaigns import Campaign, campaign
from clickstream.collect.visitors.clock import corrected
from clickstream.collect.visitors.referrers import referrer_class
from tests.unit.collect.sent import DAY, NOON

HOUR = DAY // 24


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        (None, "direct"),
        ("shop.example", "internal"),
        ("www.shop.example", "internal"),
        ("blog.shop.example", "link"),
        ("www.google.com", "search"),
        ("google.de", "search"),
        ("www.google.co.uk", "search"),
        ("www.google.com.br", "search"),
        ("www.bing.com", "search"),
        ("de.search.yahoo.com", "search"),
        ("yandex.ru", "search"),
        ("duckduckgo.com", "search"),
        ("www.baidu.com", "search"),
        ("search.brave.com", "search"),
        ("com.google.android.googlequicksearchbox", "search"),
        ("mail.google.com", "link"),
        ("docs.google.com", "link"),
        ("google.evil.example", "link"),
        ("www.google.com.evil.example", "link"),
        ("notgoogle.com", "link"),
        ("t.co", "social"),
        ("l.facebook.com", "social"),
        ("www.reddit.com", "social"),
        ("news.ycombinator.com", "social"),
        ("a.example", "link"),
        ("", "link"),
    ],
)
def test_classes_of_referrers(host: str | None, kind: str) -> None:
    assert referrer_class(host, "www.shop.example", "shop", paid=False) == kind


def test_a_campaign_counts_more_than_where_its_link_stood() -> None:
    assert referrer_class("www.google.com", "shop.example", "shop.example", paid=True) == "campaign"
    assert referrer_class(None, "shop.example", "shop.example", paid=True) == "campaign"
    assert referrer_class("shop.example", "shop.example", "shop.example", paid=True) == "internal"


def test_a_site_of_several_hosts() -> None:
    assert referrer_class("shop.example", "checkout.example", "shop.example", paid=False) == "internal"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", Campaign()),
        ("a=b", Campaign()),
        ("utm_source=", Campaign()),
        ("utm_source=news", Campaign("news", paid=True)),
        ("utm_source=a&utm_source=b", Campaign("a", paid=True)),
        ("utm_campaign=Spring%20sale&utm_id=5", Campaign(name="Spring sale", paid=True)),
        ("x=utm_source", Campaign()),
        ("gclid=x", Campaign("google", "cpc", paid=True)),
        ("gbraid=x", Campaign("google", "cpc", paid=True)),
        ("msclkid=x", Campaign("bing", "cpc", paid=True)),
        ("fbclid=x", Campaign("facebook", "social")),
        ("gclid=x&utm_source=own&utm_medium=ads", Campaign("own", "ads", paid=True)),
        ("utm_source=" + "x" * 500, Campaign("x" * 200, paid=True)),
        ("utm_source=x" + "&a=b" * 300, Campaign()),
    ],
)
def test_campaigns(query: str, found: Campaign) -> None:
    assert campaign(query) == found


@pytest.mark.parametrize(
    ("created", "sent", "time"),
    [
        (None, None, NOON),
        (None, NOON, NOON),
        # a clock that is right
        (NOON - 5_000, NOON, NOON - 5_000),
        # two hours ahead, three days behind, at the beginning of time
        (NOON + 2 * HOUR - 5_000, NOON + 2 * HOUR, NOON - 5_000),
        (NOON - 3 * DAY - 5_000, NOON - 3 * DAY, NOON - 5_000),
        (0, 5_000, NOON - 5_000),
        # set while the page was open: never in the future, never before yesterday
        (NOON + HOUR, NOON, NOON),
        (NOON - 3 * DAY, NOON, NOON - DAY),
        # asleep in between, for an hour and for two days
        (NOON - HOUR, NOON, NOON - HOUR),
        (NOON - 2 * DAY, NOON, NOON - DAY),
        # without the time of sending
        (NOON - 5_000, None, NOON - 5_000),
        (NOON + 2 * HOUR, None, NOON),
        (NOON - 3 * DAY, None, NOON - DAY),
        (NOON - 0.75, NOON, NOON - 1),
    ],
)
def test_time_by_the_collectors_clock(created: float | None, sent: float | None, time: int) -> None:
    assert corrected(NOON, created, sent) == time
    assert isinstance(corrected(NOON, created, sent), int)
