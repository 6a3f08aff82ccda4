import pytest

from clickstream.errors import ConfigError
from clickstream.visit.address import Link, check, followed, origin, with_query

PAGE = "http://127.0.0.1:8323/products?sort=price#top"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://shop.example/x", "http://shop.example:80"),
        ("http://shop.example:80/", "http://shop.example:80"),
        ("https://Shop.Example/", "https://shop.example:443"),
        ("http://[::1]:8323/", "http://::1:8323"),
        ("about:blank", None),
        ("chrome-error://chromewebdata/", None),
        ("http://shop.example:port/", None),
        ("http://[", None),
    ],
)
def test_origins(address: str, expected: str | None) -> None:
    assert origin(address) == expected


@pytest.mark.parametrize("address", ["", "shop.example", "ftp://shop.example/", "file:///etc/passwd", "javascript:1"])
def test_only_web_sites_are_visited(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address of a web site"):
        check(address)


def test_who_gives_a_password_is_told_that_it_is_not_used_and_not_shown_it() -> None:
    with pytest.raises(ConfigError) as refused:
        check("http://anna:secret@shop.example/")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("href", "is_followed"),
    [
        ("http://127.0.0.1:8323/basket", True),
        ("http://127.0.0.1:8323/products?sort=name", True),
        ("http://127.0.0.1:8323/products?sort=price#bottom", False),  # the same page
        ("http://127.0.0.1:8322/privacy.json", False),  # another port
        ("https://127.0.0.1:8323/basket", False),  # another scheme
        ("http://127.0.0.1.example/", False),
        ("mailto:anna@shop.example", False),
        ("javascript:void 0", False),
        ("http://127.0.0.1:8323/account/logout", False),
        ("http://127.0.0.1:8323/posts/7/delete", False),
        ("http://127.0.0.1:8323/catalogue.PDF", False),
        ("http://127.0.0.1:8323/logos", True),
    ],
)
def test_which_links_are_followed(href: str, is_followed: bool) -> None:
    assert followed([Link(3, href)], PAGE) == ([Link(3, href)] if is_followed else [])


def test_a_campaign_is_added_to_what_is_there() -> None:
    assert with_query("http://a.example/", "") == "http://a.example/"
    assert with_query("http://a.example/", "utm_source=x") == "http://a.example/?utm_source=x"
    assert with_query("http://a.example/?a=b#c", "utm_source=x") == "http://a.example/?a=b&utm_source=x#c"
