"""Whose request it is, behind proxies that are trusted and with headers that anybody may write."""

import pytest

from clickstream.collect.visitors.address import KNOWN, Clients, Header, _parsed, networks, parsed, truncated
from clickstream.errors import ConfigError

PROXY, OTHER_PROXY, CLIENT, LIAR = "10.0.0.5", "10.9.9.9", "198.51.100.7", "192.0.2.66"
TRUSTED = ["10.0.0.0/8", "fd00::/8", "172.16.1.1"]


def client(peer: str, value: str | None, header: Header = "x-forwarded-for", trusted: list[str] = TRUSTED) -> str:
    headers: dict[str, str] = {} if value is None else {header: value}
    return Clients(networks(trusted), header).address(peer, headers)


@pytest.mark.parametrize(
    ("peer", "header", "address"),
    [
        # nobody is in between
        (CLIENT, None, CLIENT),
        (CLIENT, LIAR, CLIENT),
        (CLIENT, f"{LIAR}, {PROXY}", CLIENT),
        # one proxy
        (PROXY, CLIENT, CLIENT),
        (PROXY, f" {CLIENT} ", CLIENT),
        (PROXY, None, PROXY),
        (PROXY, "", PROXY),
        # what the client wrote stands to the left of what the proxy wrote
        (PROXY, f"{LIAR}, {CLIENT}", CLIENT),
        (PROXY, f"{LIAR}, {LIAR}, {CLIENT}", CLIENT),
        (PROXY, f"127.0.0.1, {CLIENT}", CLIENT),
        (PROXY, f"{PROXY}, {CLIENT}", CLIENT),
        (PROXY, f"nonsense, {CLIENT}", CLIENT),
        # several proxies, several lines of the header
        (PROXY, f"{CLIENT}, {OTHER_PROXY}", CLIENT),
        (PROXY, f"{LIAR}, {CLIENT}, 172.16.1.1, {OTHER_PROXY}", CLIENT),
        (PROXY, f"{LIAR}, 10.1.1.1, {CLIENT}, {OTHER_PROXY}", CLIENT),
        ("fd00::5", f"{CLIENT}, fd00::6", CLIENT),
        # all are ours: the one that is farthest away
        (PROXY, f"10.3.3.3, {OTHER_PROXY}", "10.3.3.3"),
        # ways to write an address
        (PROXY, f"{CLIENT}:52114", CLIENT),
        (PROXY, "2001:db8::7", "2001:db8::7"),
        (PROXY, "2001:DB8:0:0::7", "2001:db8::7"),
        (PROXY, "[2001:db8::7]", "2001:db8::7"),
        (PROXY, "[2001:db8::7]:443", "2001:db8::7"),
        (PROXY, "::ffff:198.51.100.7", CLIENT),
        (PROXY, "[::ffff:c633:6407]:80", CLIENT),
        (PROXY, "fe80::1%eth0", "fe80::1"),
        ("::ffff:10.0.0.5", CLIENT, CLIENT),
        # what the nearest proxy says cannot be read: the peer, never what stands beside it
        (PROXY, "unknown", PROXY),
        (PROXY, f"{CLIENT}, unknown", PROXY),
        (PROXY, f"{CLIENT},", PROXY),
        (PROXY, f"{CLIENT}, 999.1.1.1", PROXY),
        (PROXY, f"{CLIENT}, 010.0.0.1", PROXY),
        (PROXY, "198.51.100.7:port", PROXY),
        (PROXY, "<script>", PROXY),
        (PROXY, f"{LIAR}, " * 1_000 + CLIENT, PROXY),
        # no peer with an address
        ("", CLIENT, ""),
        ("unix:", CLIENT, ""),
    ],
)
def test_x_forwarded_for(peer: str, header: str | None, address: str) -> None:
    assert client(peer, header) == address


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("for=198.51.100.7", CLIENT),
        ("For=198.51.100.7;proto=https;by=10.0.0.5", CLIENT),
        ("proto=https; for=198.51.100.7", CLIENT),
        ('for="198.51.100.7:4711"', CLIENT),
        ('for="[2001:db8::7]:4711"', "2001:db8::7"),
        ('for="[2001:db8::7]"', "2001:db8::7"),
        ("for=192.0.2.66, for=198.51.100.7", CLIENT),
        ("for=192.0.2.66, for=198.51.100.7, for=10.9.9.9", CLIENT),
        ('for=198.51.100.7;host="a,b;for=192.0.2.66"', CLIENT),
        ('for=192.0.2.66;x="\\", for=192.0.2.66", for=198.51.100.7', CLIENT),
        ("for=unknown", PROXY),
        ("for=_hidden", PROXY),
        ("for=198.51.100.7, for=_gazonk", PROXY),
        ("proto=https", PROXY),
        ("198.51.100.7", PROXY),
        ('for="198.51.100.7', PROXY),
        ("", PROXY),
    ],
)
def test_forwarded(header: str, address: str) -> None:
    assert client(PROXY, header, "forwarded") == address


def test_the_header_that_the_proxies_do_not_write_is_anybodys() -> None:
    headers = {"x-forwarded-for": CLIENT, "forwarded": f"for={LIAR}"}
    assert Clients(networks(TRUSTED)).address(PROXY, headers) == CLIENT
    assert Clients(networks(TRUSTED), "forwarded").address(PROXY, headers) == LIAR


def test_without_trusted_networks_it_is_the_peer() -> None:
    assert client(PROXY, CLIENT, trusted=[]) == PROXY


@pytest.mark.parametrize("text", ["10.0.0.0/33", "example.com", "", "10.0.0"])
def test_what_is_no_network_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match="no network of trusted proxies"):
        networks([text])


@pytest.mark.parametrize(
    ("address", "stored"),
    [
        ("198.51.100.7", "198.51.100.0"),
        ("198.51.100.255", "198.51.100.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::ffff:198.51.100.7", "198.51.100.0"),
        ("::1", "::"),
        ("", None),
        ("nobody", None),
    ],
)
def test_truncation(address: str, stored: str | None) -> None:
    assert truncated(address) == stored


def test_what_is_remembered_is_bounded() -> None:
    assert _parsed.cache_info().maxsize == truncated.cache_info().maxsize == KNOWN
    before = _parsed.cache_info().currsize
    parsed("1" * 4_000)
    assert _parsed.cache_info().currsize == before, "nor anything long"
