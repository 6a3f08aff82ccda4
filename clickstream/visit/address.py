"""Addresses of pages: which site they are of, and which links a visitor may follow."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from clickstream.errors import ConfigError

_PORTS = {"http": 80, "https": 443}
# A GET that does something, where sites are not as they should be; and what is no page.
_NOT_FOLLOWED = re.compile(
    r"log-?out|sign-?out|log-?off|delete|remove|unsubscribe|"
    r"\.(?:7z|apk|csv|dmg|docx?|epub|exe|gif|gz|jpe?g|json|mp[34]|msi|pdf|png|pptx?|svg|tar|tgz|webp|xlsx?|xml|zip)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Link:
    """On a page: its place among all links, and where it leads."""

    index: int
    href: str


def origin(address: str) -> str | None:
    """Scheme, host and port of a page; None for what is none, as about:blank."""
    try:
        parts = urlsplit(address)
        return _origin(parts)
    except ValueError:
        return None


def _origin(parts: SplitResult) -> str | None:
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"


def check(address: str) -> str:
    """The address, if a visit can begin there. Raises ConfigError for what is no http or https address."""
    if origin(address) is None:
        raise ConfigError(f"{address!r} is no address of a web site: http://127.0.0.1:8323/ is one.")
    if "@" in urlsplit(address).netloc:
        raise ConfigError("A name and a password in the address are not used: leave them out.")
    return address


def followed(links: Iterable[Link], page: str) -> list[Link]:
    """Those that lead to other pages of the same site."""
    here = page.partition("#")[0]
    return [
        link
        for link in links
        if origin(link.href) == origin(page)
        and link.href.partition("#")[0] != here
        and not _NOT_FOLLOWED.search(urlsplit(link.href).path)
    ]


def with_query(address: str, query: str) -> str:
    """The address with that added to its query."""
    if not query:
        return address
    parts = urlsplit(address)
    return parts._replace(query="&".join(filter(None, (parts.query, query)))).geturl()
