"""Addresses of pages, as browsers tell them."""

import re
from functools import lru_cache
from typing import NamedTuple

# Pages are seen again and again, and each costs 1.3 us, or 0.7 when only its query is new. Long addresses are not
# kept: what is kept stays below 24 MB.
KNOWN_URLS = 2_048
LONGEST_KNOWN = 500
KNOWN_HOSTS = 1_024

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]\\<>\"^`{|}]+)(?::[0-9]{0,5})?")
_NO_TARGET = re.compile(r"[\s\x00-\x1f\x7f]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


class Url(NamedTuple):
    """An address: `text` as it was told, without user and password; `host` in lower case, without its port."""

    text: str
    host: str
    path: str  # "/" when it has none
    query: str  # without the question mark

    @property
    def target(self) -> str:
        """Path and query as an HTTP request line has them: white space is escaped."""
        target = f"{self.path}?{self.query}" if self.query else self.path
        # No white space but " " is printable, and no control character: looking for them costs 3 us.
        if target.isprintable() and " " not in target:
            return target
        return _NO_TARGET.sub(lambda found: f"%{ord(found[0]):02X}" if ord(found[0]) < 128 else "%20", target)


def url(text: str) -> Url | None:
    """The parts of an absolute address with a host; None for anything else."""
    return _known(text) if len(text) <= LONGEST_KNOWN else _parsed(text)


def _parsed(text: str) -> Url | None:
    page, mark, rest = text.partition("?")
    if not mark or len(page) > LONGEST_KNOWN or "#" in page or not rest.isprintable():
        return _read(text)
    known = _known_page(page)
    return known and Url(f"{known.text}?{rest}", known.host, known.path, rest.partition("#")[0])


def _read(text: str) -> Url | None:
    found = _URL.fullmatch(text)
    if found is None or (not text.isprintable() and _CONTROLS.search(text)):
        return None
    scheme, authority, path, query, fragment = found.groups()
    _secret, at, place = authority.rpartition("@")
    host = _known_host(place) if len(place) <= LONGEST_KNOWN else _host(place)
    if host is None:
        return None
    if at:
        text = f"{scheme}{place}{path}{query or ''}{fragment or ''}"
    return Url(text, host, path or "/", (query or "?")[1:])


def _host(place: str) -> str | None:
    """Of a host and its port, as they stand in an address."""
    found = _HOST.fullmatch(place)
    return None if found is None else found[1].strip("[]").lower()


_known = lru_cache(maxsize=KNOWN_URLS)(_parsed)
_known_page = lru_cache(maxsize=KNOWN_URLS)(_read)
_known_host = lru_cache(maxsize=KNOWN_HOSTS)(_host)
