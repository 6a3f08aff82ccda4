from unittest.mock import Mock

import pytest

from clickstream.config import load
from clickstream.errors import ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.ui.names import Authority, OwnNames, authority, is_loopback
from clickstream.ui.server import Dashboard, Options


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("localhost", Authority("localhost")),
        ("LOCALHOST.:80", Authority("localhost", 80)),
        ("127.0.0.1:8321", Authority("127.0.0.1", 8321)),
        ("[::1]:8321", Authority("::1", 8321)),
        ("[0:0::1]", Authority("::1")),
        ("clicks.example.org", Authority("clicks.example.org")),
        ("", None),
        (":80", None),
        ("localhost:", None),
        ("localhost:99999", None),
        ("localhost:80:80", None),
        ("user@localhost", None),
        ("localhost/x", None),
        ("localhost, evil.example", None),
        ("[localhost]", None),
        ("[127.0.0.1]", None),
        ("::1", None),
    ],
)
def test_what_a_host_header_says(text: str, found: Authority | None) -> None:
    assert authority(text) == found


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1.evil.example", "localhost.evil.example", "127.1", "2130706433", "0.0.0.0", "10.0.0.1", "", "::"]
)
def test_what_only_looks_like_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_bound_to_loopback_nothing_else_is_ours() -> None:
    names = OwnNames("127.0.0.1")
    assert [names.has(host) for host in ("localhost", "127.0.0.1", "::1")] == [True] * 3
    assert not any(names.has(host) for host in ("10.0.0.1", "0.0.0.0", "evil.example", "127.0.0.1.evil.example"))


def test_bound_to_every_network_any_address_is_ours_and_no_name() -> None:
    names = OwnNames("0.0.0.0", ["clicks.example.org"])
    assert all(names.has(host) for host in ("10.0.0.1", "localhost", "clicks.example.org"))
    assert not names.has("evil.example")


@pytest.mark.parametrize(
    ("bound", "listens"),
    [("dash.example", "10.0.0.1"), ("2001:db8:0:0::1", "2001:db8::1"), ("0", "0.0.0.0"), ("127.0.0.1", "127.0.0.1")],
)
def test_the_address_that_people_are_told_is_answered(bound: str, listens: str) -> None:
    listening = Mock(getsockname=lambda: (listens, 8321))
    names = OwnNames(bound)
    part = Dashboard(Cluster("k"), load(None, {}), Options("token", names), listening)
    asked = authority(part.address.removeprefix("http://").partition("/")[0])
    assert asked is not None
    assert names.has(asked.host)


def test_bound_to_one_address_no_other_is_ours() -> None:
    names = OwnNames("10.0.0.1")
    assert [names.has(host) for host in ("10.0.0.1", "10.0.0.2")] == [True, False]


@pytest.mark.parametrize("name", ["https://clicks.example.org", "a b", "", "x:y"])
def test_a_public_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="--public-name"):
        OwnNames("127.0.0.1", [name])


@pytest.mark.parametrize(
    ("origin", "host", "ours"),
    [
        ("http://localhost:8321", "localhost:8321", True),
        ("http://LOCALHOST:8321", "localhost:8321", True),
        ("http://localhost", "localhost", True),
        ("http://localhost", "localhost:80", True),
        ("http://localhost:3000", "localhost:8321", False),  # another server of this machine
        ("http://127.0.0.1:8321", "localhost:8321", False),
        ("http://evil.example", "localhost:8321", False),
        ("http://evil.example", "evil.example", False),  # its name leads to us
        ("http://127.0.0.1.evil.example:8321", "127.0.0.1:8321", False),
        ("https://clicks.example.org", "127.0.0.1:8321", True),  # a proxy that says its own name
        ("http://clicks.example.org", "127.0.0.1:8321", True),
        ("https://clicks.example.org:9000", "127.0.0.1:8321", False),
        ("https://other.example.org:9000", "127.0.0.1:8321", True),
        ("https://other.example.org", "127.0.0.1:8321", False),
        ("null", "localhost:8321", False),
        ("", "localhost:8321", False),
        ("file://localhost:8321", "localhost:8321", False),
    ],
)
def test_whose_page_it_is(origin: str, host: str, ours: bool) -> None:
    names = OwnNames("127.0.0.1", ["clicks.example.org", "other.example.org:9000"])
    asked = authority(host)
    assert asked is not None
    assert names.has_origin(origin, asked) == ours
