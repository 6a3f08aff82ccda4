"""The address of a client, also when it comes through proxies.

Whoever sends a request may write into it what it likes. Only the last entry of a forwarding header was written by the
proxy that we hear from, the one before it by the proxy that this one heard from, and so on: so the entries are read
from the right, as long as they are proxies of networks that the collector was told to trust.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal

from clickstream.errors import ConfigError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Header = Literal["x-forwarded-for", "forwarded"]

X_FORWARDED_FOR: Final = "x-forwarded-for"
MAX_HEADER: Final = 4_096  # characters; a longer one is nobody's
MAX_HOPS: Final = 20
LONGEST: Final = 100  # characters of an address, with its zone and port
KNOWN: Final = 10_000  # addresses that are not read again

_WITH_PORT: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?")
_ELEMENT: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_FOR: Final = re.compile(r'(?:^|;)\s*for=(?:"((?:[^"\\]|\\.)*)"|([^";\s]*))\s*(?=;|$)', re.IGNORECASE)
_ESCAPED: Final = re.compile(r"\\(.)")


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks such as 10.0.0.0/8, or single addresses. Raises ConfigError for what is none."""
    found = []
    for text in texts:
        try:
            found.append(ip_network(text.strip(), strict=False))
        except ValueError:
            raise ConfigError(
                f"{text!r} is no network of trusted proxies: an address such as 127.0.0.1 or a network such as "
                "10.0.0.0/8 is expected."
            ) from None
    return tuple(found)


class Clients:
    """Whose request it is. `header` is the one that the trusted proxies write: the other one is anybody's.

    Without trusted networks it is always the peer.
    """

    def __init__(self, trusted: Sequence[Network], header: Header = "x-forwarded-for") -> None:
        self._trusted = tuple(trusted)
        self._header = header
        self._is_trusted = lru_cache(maxsize=1_024)(self._within)

    def address(self, peer: str, headers: Mapping[str, str]) -> str:
        """In its usual form, IPv4-mapped ones as IPv4. The peer's where a header cannot be read; "" if it has none."""
        if not self._trusted:
            return spelled(peer)
        connected = parsed(peer)
        if connected is None:
            return ""
        if not self._is_trusted(connected):
            return spelled(peer)
        client = connected
        for entry in reversed(self._entries(headers.get(self._header, ""))):
            told = parsed(entry)
            if told is None:
                return str(connected)  # "unknown", a hidden name, or nonsense of somebody's
            client = told
            if not self._is_trusted(client):
                break
        return str(client)

    def _entries(self, header: str) -> list[str]:
        if not header or len(header) > MAX_HEADER:
            return []
        if self._header == X_FORWARDED_FOR:
            return header.split(",")[-MAX_HOPS:]
        return [_forwarded_for(element) for element in _ELEMENT.findall(header)][-MAX_HOPS:]

    def _within(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _forwarded_for(element: str) -> str:
    """The `for` of an element of a Forwarded header (RFC 7239); "" without one."""
    found = _FOR.search(element)
    if found is None:
        return ""
    quoted, plain = found.groups()
    return _ESCAPED.sub(r"\1", quoted) if quoted is not None else plain


def parsed(text: str) -> Address | None:
    """An address, with or without brackets, port and zone; None for anything else."""
    return _parsed(text.strip()) if len(text) <= LONGEST else None


@lru_cache(maxsize=KNOWN)
def _parsed(text: str) -> Address | None:
    with_port = _WITH_PORT.fullmatch(text)
    if with_port:
        text = with_port[1] or with_port[2]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def spelled(text: str) -> str:
    """An address in its usual form; "" for anything else."""
    return _spelled(text) if len(text) <= LONGEST else ""


@lru_cache(maxsize=KNOWN)
def _spelled(text: str) -> str:
    address = parsed(text)
    return "" if address is None else str(address)


@lru_cache(maxsize=KNOWN)
def truncated(address: str) -> str | None:
    """Without what tells one household from another: the first address of its /24, or of its /48. None for none."""
    found = parsed(address)
    if found is None:
        return None
    bits = 8 if isinstance(found, IPv4Address) else 80
    return str(type(found)(int(found) >> bits << bits))
