"""What was asked for: the first line of an HTTP request, as web servers log it."""

import re
from dataclasses import dataclass

MAX_PAGE = 500  # characters; longer ones are cut

_LINE = re.compile(r"([A-Z]{1,20}) (\S+)(?: HTTP/\d(?:\.\d)?)?")
_HOST = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """Both are None when the line is not one of HTTP."""

    method: str | None
    page: str | None


UNKNOWN = Request(None, None)


def request(line: str | None) -> Request:
    """Method, and path without query: `GET /a/b?c=d HTTP/1.1` asks with GET for the page /a/b."""
    found = _LINE.fullmatch(line or "")
    if found is None:
        return UNKNOWN
    method, target = found.groups()
    host = _HOST.match(target)  # a proxy is asked for a whole address
    path = re.split(r"[?#]", target[host.end() :] if host else target, maxsplit=1)[0]
    return Request(method, (path or "/")[:MAX_PAGE])
