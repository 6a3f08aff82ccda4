"""What the tag tells beside page views: links, downloads, forms, engagement, and what the site tracks."""

from typing import Any

import pytest

from tests.browser.tag.conftest import Shop, hide
from tests.browser.tag.sites import Page, StandIn
from tests.support import wait_until

ELSEWHERE = "http://elsewhere.test/page?q=1"  # with the port of the shop


@pytest.mark.parametrize(
    ("body", "click", "name", "link", "same_tab"),
    [
        (f'<a href="{ELSEWHERE}">go</a>', {}, "outbound", ELSEWHERE, True),
        (f'<a href="{ELSEWHERE}">go</a>', {"button": "middle"}, "outbound", ELSEWHERE, False),
        (f'<a href="{ELSEWHERE}">go</a>', {"modifiers": ["Control"]}, "outbound", ELSEWHERE, False),
        (f'<a href="{ELSEWHERE}" target="_blank">go</a>', {}, "outbound", ELSEWHERE, False),
        (f'<a href="{ELSEWHERE}" onclick="return false">go</a>', {}, "outbound", ELSEWHERE, None),
        (
            f'<a href="{ELSEWHERE}"><svg width="40" height="40"><circle cx="20" cy="20" r="20"/></svg></a>',
            {},
            "outbound",
            ELSEWHERE,
            True,
        ),
        ('<a href="/list.pdf">go</a>', {}, "download", "{site}/list.pdf", True),
        ('<a href="/list" download>go</a>', {}, "download", "{site}/list", None),
    ],
    ids=["left", "middle", "ctrl", "blank", "prevented", "svg", "file", "download"],
)
def test_links_that_lead_away_are_told_once_and_lead_where_they_should(
    shop: Shop, collector: StandIn, body: str, click: dict[str, Any], name: str, link: str, same_tab: bool | None
) -> None:
    """`same_tab`: whether they open in this tab or in another one; None: they open nowhere."""
    elsewhere = ELSEWHERE.replace(".test", f".test:{shop.site.port}")
    link = link.replace(ELSEWHERE, elsewhere).format(site=shop.site.url)
    shop.page("/", body.replace(ELSEWHERE, elsewhere))
    shop.site.pages["/page"] = shop.site.pages["/list.pdf"] = Page("there")
    context = shop.context()
    page = shop.open("/", context=context)
    collector.wait_named("pageview")

    page.locator("a *, a").last.click(**click)

    [event] = collector.wait_named(name)
    assert event["properties"] == {"link": link}
    assert event["url"] == f"{shop.site.url}/"
    if same_tab is not None:
        asked = f"GET /{link.split('/', 3)[3]}"
        collector.wait(lambda _: asked in shop.site.requests, f"{asked} in {shop.site.requests}")
    if same_tab:
        page.wait_for_url(link)
    tabs = 2 if same_tab is False else 1
    wait_until(lambda: page.evaluate("1") and len(context.pages) == tabs, what=f"{tabs} tabs")
    assert page.url == (link if same_tab else f"{shop.site.url}/")
    assert len(collector.named(name)) == 1


def test_other_links_are_not_told(shop: Shop, collector: StandIn) -> None:
    shop.page(
        "/",
        f'<a id="inside" href="/other#x" onclick="return false">a</a> <a id="mail" href="mailto:a@example.com">b</a>'
        f'<a id="menu" href="{ELSEWHERE}">c</a> <a id="script" href="javascript:void 0">d</a> <a id="none">e</a>',
    )
    page = shop.open("/")
    for name in ("inside", "script", "none"):
        page.click(f"#{name}")
    page.click("#menu", button="right")
    page.evaluate("() => clickstream.track('last')")
    collector.wait_named("pageview")
    collector.wait_named("last")

    assert [event["event"] for event in collector.events] == ["pageview", "last"]


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("data:text/csv,name;salary", "data:"),
        ("mailto:jane@firm.example", "mailto:"),
        ("http://u:secret@127.0.0.1/list.zip", "http://127.0.0.1/list.zip"),
    ],
)
def test_of_what_a_page_made_only_the_scheme_is_told_and_no_login_ever(
    shop: Shop, collector: StandIn, link: str, told: str
) -> None:
    shop.page("/", f'<a href="{link}" download onclick="return false">go</a>')
    shop.open("/").click("a")

    assert collector.wait_named("download")[0]["properties"] == {"link": told}


def test_a_mail_address_is_no_file(shop: Shop, collector: StandIn) -> None:
    shop.page("/", '<a href="mailto:jane@firm.zip" onclick="return false">write</a>')
    page = shop.open("/")
    page.click("a")
    page.evaluate("() => clickstream.track('last')")
    collector.wait_named("last")

    assert [event["event"] for event in collector.events] == ["pageview", "last"]


def test_a_login_in_a_link_to_another_host_is_not_told(shop: Shop, collector: StandIn) -> None:
    shop.page("/", '<a href="http://u:secret@elsewhere.test/" onclick="return false">go</a>')
    shop.open("/").click("a")

    assert collector.wait_named("outbound")[0]["properties"] == {"link": "http://elsewhere.test/"}


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("mailto:a@b.example", "mailto:"),
        ("javascript:send('secret')", "javascript:"),
        ("http://u:secret@elsewhere.test/buy?q=1", "http://elsewhere.test/buy"),
    ],
)
def test_of_the_action_of_a_form_as_little_is_told(shop: Shop, collector: StandIn, action: str, told: str) -> None:
    shop.page("/", f'<form action="{action}" onsubmit="return false"><button>go</button></form>')
    shop.open("/").click("button")

    assert collector.wait_named("submit")[0]["properties"] == {"action": told}


def test_links_in_open_shadow_roots_are_told(shop: Shop, collector: StandIn) -> None:
    shop.page(
        "/",
        f"""<div id="host"></div><script>
          document.querySelector('#host').attachShadow({{ mode: 'open' }}).innerHTML =
            '<a href="{ELSEWHERE}" onclick="return false"><b>go</b></a>';
        </script>""",
    )
    shop.open("/").click("#host b")

    assert collector.wait_named("outbound")[0]["properties"] == {"link": ELSEWHERE}


def test_what_is_told_of_links_and_forms_can_be_switched_off(shop: Shop, collector: StandIn) -> None:
    shop.page(
        "/",
        f"""<a id="out" href="{ELSEWHERE}" onclick="return false">a</a>
        <a id="file" href="/x.zip" onclick="return false">b</a>
        <form onsubmit="return false"><button>c</button></form>""",
        tag="data-no-links data-no-downloads data-no-forms data-no-engagement",
    )
    page = shop.open("/")
    for selector in ("#out", "#file", "button"):
        page.click(selector)
    page.evaluate("() => new Promise((done) => setTimeout(done, 150))")
    hide(page)
    page.evaluate("() => clickstream.track('last')")
    collector.wait_named("pageview")
    collector.wait_named("last")

    assert [event["event"] for event in collector.events] == ["pageview", "last"]


def test_of_forms_nothing_is_told_that_was_typed(shop: Shop, collector: StandIn) -> None:
    shop.page(
        "/",
        """<form id="order" action="/buy?token=secret#x" onsubmit="return false">
          <input name="id" value="typed"><button>1</button></form>
        <form name="find" onsubmit="return false"><input name="action" value="typed"><button>2</button></form>""",
    )
    page = shop.open("/?q=secret")
    page.click("#order button")
    page.click("[name=find] button")

    one, two = collector.wait_named("submit", 2)
    assert one["properties"] == {"form": "order", "action": f"{shop.site.url}/buy"}
    assert two["properties"] == {"form": "find", "action": f"{shop.site.url}/"}
    assert b"typed" not in b"".join(post.body for post in collector.posts)


def test_a_form_that_leads_away_is_told(shop: Shop, collector: StandIn) -> None:
    shop.page("/", '<form action="/other"><button>go</button></form>')
    page = shop.open("/")
    collector.wait_named("pageview")
    page.click("button")

    assert collector.wait_named("submit")[0]["properties"] == {"action": f"{shop.site.url}/other"}
    collector.wait_named("pageview", 2)


def test_what_a_site_tracks_is_what_it_was_then(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/")
    page.evaluate(
        """() => {
          const order = { product: 'Füße 😀', price: 12.5, gift: false, note: null, left: undefined };
          clickstream.track('addtobasket', order);
          order.product = 'changed';
        }"""
    )

    [event] = collector.wait_named("addtobasket")
    assert event["properties"] == {"product": "Füße 😀", "price": 12.5, "gift": False, "note": None}
    assert event["page"] == collector.named("pageview")[0]["id"]


def test_only_the_time_in_which_the_page_is_looked_at_counts(shop: Shop, collector: StandIn) -> None:
    page = shop.tab(shop.context())
    page.add_init_script("window.focused = true; document.hasFocus = () => window.focused;")
    page.clock.install(time=0)
    page.clock.pause_at(1)
    page.goto(shop.site.url)
    page.clock.run_for(3_000)
    collector.wait_named("pageview")

    def focus(focused: bool) -> None:
        page.evaluate("(on) => { focused = on; dispatchEvent(new Event(on ? 'focus' : 'blur')); }", focused)

    def leave() -> None:
        # The page's clock runs away from an answer that it has not had yet, and the event is sent again and again.
        with page.expect_event("requestfinished"):
            hide(page)

    def told_on_leaving(count: int) -> dict[str, Any]:
        leave()
        event: dict[str, Any] = collector.wait_named("engagement", count)[-1]["properties"]
        hide(page, False)
        return event

    focus(False)
    page.clock.run_for(60_000)  # another window
    assert told_on_leaving(1)["engaged_ms"] == pytest.approx(3_000, abs=50)

    focus(True)
    page.clock.run_for(2_000)
    leave()
    page.clock.run_for(3_600_000)  # another tab
    hide(page, False)
    assert collector.wait_named("engagement", 2)[1]["properties"]["engaged_ms"] == pytest.approx(2_000, abs=50)

    page.clock.run_for(70_000)  # nobody there: 30 s count
    page.mouse.move(10, 10)
    page.clock.run_for(4_000)
    assert told_on_leaving(3)["engaged_ms"] == pytest.approx(34_000, abs=50)

    page.clock.run_for(1_000)
    page.clock.fast_forward(8 * 3_600_000)  # the lid was closed: timers fire once
    page.mouse.move(20, 20)
    page.clock.run_for(1_000)
    assert told_on_leaving(4)["engaged_ms"] == pytest.approx(2_000, abs=50)


def test_scrolling_by_a_script_is_no_input(shop: Shop, collector: StandIn) -> None:
    page = shop.tab(shop.context())
    page.add_init_script("document.hasFocus = () => true;")
    page.clock.install(time=0)
    page.clock.pause_at(1)
    page.goto(shop.site.url)
    page.clock.run_for(1_000)
    collector.wait_named("pageview")
    for _ in range(10):
        page.evaluate("() => document.dispatchEvent(new Event('scroll'))")
        page.clock.run_for(10_000)
    hide(page)

    [engagement] = collector.wait_named("engagement")
    assert engagement["properties"]["engaged_ms"] == pytest.approx(30_000, abs=50)


def test_engagement_belongs_to_the_view_before(shop: Shop, collector: StandIn) -> None:
    shop.page("/", '<div style="height: 4000px">tall</div>')
    page = shop.open("/", viewport={"width": 800, "height": 1000})
    first = collector.wait_named("pageview")[0]
    page.mouse.wheel(0, 1000)
    page.wait_for_function("() => scrollY === 1000")
    page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
    page.evaluate("() => scrollTo(0, 0)")
    page.evaluate("() => new Promise((done) => setTimeout(done, 300))")

    page.evaluate("() => history.pushState({}, '', '/b')")

    [engagement] = collector.wait_named("engagement")
    assert (engagement["page"], engagement["url"]) == (first["id"], first["url"])
    assert engagement["properties"]["scroll_percent"] == pytest.approx(50, abs=1)
    assert 300 <= engagement["properties"]["engaged_ms"] < 20_000
    collector.wait_named("pageview", 2)
    page.evaluate("() => new Promise((done) => setTimeout(done, 150))")
    hide(page)
    second = collector.wait_named("engagement", 2)[1]
    assert second["properties"]["scroll_percent"] == pytest.approx(25, abs=1)
    assert second["page"] == collector.named("pageview")[1]["id"]


def test_an_empty_name_of_a_site_is_none(shop: Shop, collector: StandIn) -> None:
    """The collector takes the page's host then; an empty one it would refuse."""
    shop.page("/")
    page = shop.site.pages["/"]
    shop.site.pages["/"] = Page(page.text.replace('data-site="shop"', 'data-site=""'))
    assert page != shop.site.pages["/"]
    shop.open("/")

    [view] = collector.wait_named("pageview")
    assert "site" not in view
