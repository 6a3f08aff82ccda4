import pytest

from clickstream.collect.model import Reason
from clickstream.collect.protocols.pixel import GIF
from tests.unit.collect.sent import SHOP, get, intake, only


def test_the_image_is_a_transparent_gif_of_43_bytes() -> None:
    assert len(GIF) == 43
    assert GIF.startswith(b"GIF89a\x01\x00\x01\x00")
    assert GIF.endswith(b";")


def test_an_event_by_its_parameters() -> None:
    query = {
        "id": "e1",
        "event": "opened",
        "url": SHOP,
        "site": "mail",
        "visitor": "v",
        "referrer": "https://a.example/",
    }
    found = only(intake().take(get("/e.gif", query)))
    assert (found.id, found.event, found.url, found.site, found.visitor) == ("e1", "opened", SHOP, "mail", "v")
    assert (found.referrer, found.source, found.cookieless) == ("https://a.example/", "pixel", False)


def test_without_more_it_is_a_page_view_of_the_page_that_embeds_it() -> None:
    found = only(intake().take(get("/e.gif", headers={"referer": SHOP})))
    assert (found.url, found.event, found.cookieless) == (SHOP, "pageview", True)
    assert found.visitor
    assert found.session
    assert found.new_session


def test_without_an_id_each_request_is_an_event() -> None:
    one = intake()
    ids = {only(one.take(get("/e.gif", {"url": SHOP}))).id for _ in range(10)}
    assert len(ids) == 10


def test_other_parameters_are_ignored_and_the_first_of_a_name_counts() -> None:
    assert only(intake().take(get("/e.gif", f"url={SHOP}&_=5&event=a&event=b&x"))).event == "a"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", Reason.MISSING),
        ("url=", Reason.MISSING),
        ("url=nowhere", Reason.BAD_URL),
        (f"url={SHOP}&id={'x' * 65}", Reason.TOO_LARGE),
        (f"url={SHOP}&event=%00", Reason.NOT_AN_EVENT),
        (f"url={SHOP}" + "&x=1" * 200, Reason.TOO_MANY),
    ],
)
def test_what_is_refused(query: str, reason: Reason) -> None:
    [refused] = intake().take(get("/e.gif", query)).refused
    assert (refused.reason, refused.value) == (reason, query.encode())
