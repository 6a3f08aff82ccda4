import pytest

from clickstream.errors import ConfigError
from clickstream.sinks.webhook.post import _retry_after, address_of, signature


def test_where_shows_no_secret() -> None:
    address = address_of("https://u:p%40ss@hooks.example:8443/services/T0/secret?token=x")
    assert address.where == "webhook at https://hooks.example:8443"
    assert (address.host, address.port, address.target) == ("hooks.example", 8443, "/services/T0/secret?token=x")
    assert address.authorization == "Basic dTpwQHNz"  # u:p@ss
    assert "secret" not in address.identity


def test_two_paths_of_a_host_are_two_receivers() -> None:
    assert len({address_of(f"http://h/{path}").identity for path in ("a", "b", "")}) == 3


@pytest.mark.parametrize(
    "url", ["h/path", "file:///etc/passwd", "http://", "http://h:99999/", "http://h/a\r\nX: y", "http://h/ü"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        address_of(url)


def test_a_signature_is_of_time_and_body() -> None:
    # printf '1.{}' | openssl dgst -sha256 -hmac key
    assert signature(b"key", "1", b"{}") == "1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224"
    assert len({signature(b"key", "1", b"{}"), signature(b"key", "2", b"{}"), signature(b"key", "1", b"[]")}) == 3


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Wed, 25 Mar 2020 19:05:49 GMT", 0.0),
        ("soon", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("\xb2", None),  # a digit, and no number
        (None, None),
    ],
)
def test_both_forms_of_retry_after_are_understood(text: str | None, seconds: float | None) -> None:
    assert _retry_after(text) == seconds
