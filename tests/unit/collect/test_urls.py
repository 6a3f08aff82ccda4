import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.collect.urls import KNOWN_URLS, LONGEST_KNOWN, Url, _known, _read, url
from tests.support import PATIENCE, quickest


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://shop.example", Url("https://shop.example", "shop.example", "/", "")),
        ("https://Shop.Example:8443/a?b=c#d", Url("https://Shop.Example:8443/a?b=c#d", "shop.example", "/a", "b=c")),
        ("http://[2001:DB8::1]:80/a", Url("http://[2001:DB8::1]:80/a", "2001:db8::1", "/a", "")),
        ("https://a.example?b", Url("https://a.example?b", "a.example", "/", "b")),
        ("https://ann:secret@a.example/x#y", Url("https://a.example/x#y", "a.example", "/x", "")),
        ("https://ann:p@ss@a.example/", Url("https://a.example/", "a.example", "/", "")),
        ("android-app://com.example.mail/", Url("android-app://com.example.mail/", "com.example.mail", "/", "")),
        ("https://münchen.example/ä b", Url("https://münchen.example/ä b", "münchen.example", "/ä b", "")),
        ("https://a.example/@user?x=@y", Url("https://a.example/@user?x=@y", "a.example", "/@user", "x=@y")),
    ],
)
def test_addresses(text: str, parts: Url) -> None:
    assert url(text) == parts


@given(st.text("ab.:/?#@=&% \n\x00é", max_size=40))
def test_an_address_whose_page_is_known_reads_as_a_new_one_does(rest: str) -> None:
    assert url(f"https://{rest}") == _read(f"https://{rest}")


@pytest.mark.parametrize(
    "text",
    [
        *("", "/a", "a.example/b", "//a.example/", "https:a.example", "https://", "https:///a", "file:///etc/passwd"),
        *("javascript:alert(1)", "data:text/html,x", "about:blank", "https://a b/", "https://a.example:x/"),
        *("https://a.example/\n", "https://a.example/\x00", "https://<b>/", "https://[::1/", "1https://a/", "://a/"),
        *("https://a.example:123456/", "https://ann@/", "x" * 40 + "://a.example/"),
    ],
)
def test_what_is_no_address_of_a_page(text: str) -> None:
    assert url(text) is None


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://a.example", "/"),
        ("https://a.example/b?c=d#e", "/b?c=d"),
        ("https://a.example/b c?d e", "/b%20c?d%20e"),
        ("https://a.example/b\u2003c", "/b%20c"),
    ],
)
def test_the_target_of_a_request_has_no_white_space(text: str, target: str) -> None:
    found = url(text)
    assert found is not None
    assert found.target == target


@pytest.mark.parametrize("text", ["a" * 100_000, "http://" + "@" * 100_000, "http://" + "a:" * 50_000, "h" * 99 + ":/"])
def test_it_takes_no_longer_than_its_text_is_long(text: str) -> None:
    def asked() -> None:
        _known.cache_clear()
        url(text)

    assert quickest(asked) < 0.1 * PATIENCE


def test_what_is_remembered_is_bounded() -> None:
    assert _known.cache_info().maxsize == KNOWN_URLS
    before = _known.cache_info().currsize
    assert url("https://a.example/" + "x" * LONGEST_KNOWN) is not None
    assert _known.cache_info().currsize == before
