"""Referrers and requests."""

import pytest

from clickstream.enrich.referrers import NONE, OTHER, referrer
from clickstream.enrich.requests import MAX_PAGE, UNKNOWN, Request, request


@pytest.mark.parametrize(
    ("text", "host"),
    [
        (None, NONE),
        ("", NONE),
        ("-", NONE),
        ("https://search.example.net/?q=1", "search.example.net"),
        ("https://User:Secret@Search.Example.net:8080/", "search.example.net"),
        ("https://www.example.com/index.html", NONE),
        ("https://WWW.example.com", NONE),
        ("android-app://com.example/", "com.example"),
        ("/index.html", OTHER),
        ("no address", OTHER),
        ("http://[", OTHER),
        ("http://" + "a" * 300, OTHER),
        ("\x00\udc80", OTHER),
    ],
)
def test_referrers(text: str | None, host: str) -> None:
    assert referrer(text, ["www.example.com"]) == host


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("GET /index.html HTTP/1.1", Request("GET", "/index.html")),
        ("POST /site/search.html?q=a&b=%3F HTTP/1.1", Request("POST", "/site/search.html")),
        ("GET /a#b?c HTTP/2", Request("GET", "/a")),
        ("GET /old", Request("GET", "/old")),
        ("GET http://www.example.com/a?b HTTP/1.0", Request("GET", "/a")),
        ("GET http://www.example.com HTTP/1.0", Request("GET", "/")),
        ("GET ? HTTP/1.1", Request("GET", "/")),
        ("OPTIONS * HTTP/1.1", Request("OPTIONS", "*")),
        ("GET /" + "a" * 10_000 + " HTTP/1.1", Request("GET", "/" + "a" * (MAX_PAGE - 1))),
        (None, UNKNOWN),
        ("", UNKNOWN),
        ("-", UNKNOWN),
        ("\x16\x03\x01", UNKNOWN),
        ("get /a HTTP/1.1", UNKNOWN),
        ("GET /a b HTTP/1.1", UNKNOWN),
    ],
)
def test_requests(line: str | None, found: Request) -> None:
    assert request(line) == found
