"""Which names are this server's own.

A page elsewhere can have its name resolve to our address (DNS rebinding): its requests then come with its own name as
Host, and with an Origin that agrees. So neither is compared with the other alone, but with names that are known here.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from clickstream.errors import ConfigError

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"(https?)://(.+)")
_DEFAULT_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Authority:
    """`host` in lower case, without a dot at its end, an IPv6 address without brackets; `port` only if it was said."""

    host: str
    port: int | None = None


def authority(text: str) -> Authority | None:
    """The `host[:port]` of an address or a Host header; None if it is none."""
    found = _AUTHORITY.fullmatch(text.lower())
    if found is None:
        return None
    host, port = found[1], int(found[2]) if found[2] else None
    address = ip(host.strip("[]"))
    if host.startswith("["):
        if not isinstance(address, ipaddress.IPv6Address):
            return None
        host = address.compressed
    host = host.removesuffix(".")
    return Authority(host, port) if host and (port is None or port < 65_536) else None


def ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that `host` is; None if it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether it can only be this machine: by what it is, not by how it begins (127.0.0.1.evil.example)."""
    address = ip(host)
    return host == "localhost" if address is None else address.is_loopback


class OwnNames:
    """The names under which this server may be asked."""

    def __init__(self, bound: str, public: Iterable[str] = ()) -> None:
        """`bound`: the host that it listens on; `public`: names `HOST[:PORT]` that a proxy or DNS gives it.

        Raises ConfigError for a public name that is none.
        """
        self._public: set[Authority] = set()
        for text in public:
            name = authority(text)
            if name is None:
                raise ConfigError(f"--public-name {text}: a name such as clicks.example.org is expected, or HOST:PORT.")
            self._public.add(name)
        address = ip(bound)
        # An address is no name that somebody else could have resolve to us; so with any of them it is us who is meant.
        self._any_address = address is not None and address.is_unspecified
        self._more = set() if is_loopback(bound) else {bound.lower(), socket.gethostname().lower()}

    def add_address(self, host: str) -> None:
        """`host` is the address that the server listens on, whatever name or spelling of it was given."""
        address = ip(host)
        if address is None:
            return
        self._any_address = self._any_address or address.is_unspecified
        if not address.is_unspecified:
            self._more.add(address.compressed)

    def has(self, host: str) -> bool:
        """Whether `host`, as `Authority` has it, is one of them."""
        if is_loopback(host) or host in self._more or any(host == name.host for name in self._public):
            return True
        return self._any_address and ip(host) is not None

    def has_origin(self, text: str, asked: Authority) -> bool:
        """Whether an Origin header is that of our own pages; `asked` is the request's Host.

        Another port of this machine is another's page. A proxy may have replaced the Host: then a public name counts.
        """
        found = _ORIGIN.fullmatch(text.lower())
        origin = authority(found[2]) if found else None
        if found is None or origin is None or not self.has(origin.host):
            return False
        default = _DEFAULT_PORT[found[1]]
        port = origin.port or default
        if (origin.host, port) == (asked.host, asked.port or default):
            return True
        return any((origin.host, port) == (name.host, name.port or default) for name in self._public)
