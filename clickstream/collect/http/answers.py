"""What is answered: status, headers and body, made beforehand where they are always the same."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from clickstream.collect.model import Refused
from clickstream.collect.protocols.divolte import answers as divolte
from clickstream.collect.protocols.pixel import GIF

Headers = list[tuple[str, str]]


RETRY_AFTER_S = 10

_JSON = ("content-type", "application/json")
_TEXT = ("content-type", "text/plain; charset=utf-8")
_NO_STORE = ("cache-control", "no-store")


class Answer(NamedTuple):
    """As it goes out, but for the headers that all answers have. `for_pages`: pages of other hosts may read it."""

    status: int
    headers: Headers
    body: bytes = b""
    for_pages: bool = True


def _plain(status: int, words: str, *headers: tuple[str, str], for_pages: bool = True) -> Answer:
    return Answer(status, [_TEXT, _NO_STORE, *headers], f"{words}\n".encode(), for_pages)


PIXEL = Answer(200, [("content-type", "image/gif"), _NO_STORE], GIF)
_DIVOLTE = list(divolte.HEADERS)
DIVOLTE_PIXEL = Answer(200, _DIVOLTE, GIF)
DIVOLTE_AGAIN = Answer(304, [header for header in _DIVOLTE if header[0] != "content-type"])
NOTHING = Answer(204, [_NO_STORE])
# How the collector does is nobody's business who only has a page open in a browser that reaches it.
HEALTHY = _plain(200, "ok", for_pages=False)
SPOOLING = _plain(200, "ok: Kafka is away, or was until now; events go to the spool", for_pages=False)
PONG = _plain(200, "pong", for_pages=False)
DRAINING = _plain(503, "This collector is ending.", ("retry-after", "1"), for_pages=False)

_CLOSE = ("connection", "close")
NOT_FOUND = _plain(404, "There is nothing here.")
SLOW_BODY = _plain(408, "The body took too long.", _CLOSE)
BROKEN_BODY = _plain(400, "The body cannot be read.", _CLOSE)
TOO_LARGE = _plain(413, "The body is too large.", _CLOSE)
ENCODED = _plain(415, "Bodies with a Content-Encoding are not taken.", _CLOSE)
NOT_JSON = _plain(415, "A body of application/json is expected.")
INCOMPLETE = _plain(400, "A body, and the parameter p, are expected.")
NOBODY = _plain(503, "Neither Kafka nor the spool takes events now.", ("retry-after", str(RETRY_AFTER_S)))
TOO_BUSY = _plain(503, "Too many requests wait for their answers.", ("retry-after", str(RETRY_AFTER_S)))
FAILED = _plain(500, "This request could not be handled.")


def rate_limited(seconds: int) -> Answer:
    """Too many from one address; the next is welcome after so many seconds."""
    return _plain(429, "Too many requests.", ("retry-after", str(seconds)))


def not_allowed(methods: Sequence[str]) -> Answer:
    """The path is there for other methods."""
    return _plain(405, "Another method is expected.", ("allow", ", ".join(methods)))


def preflight(methods: str) -> Answer:
    """To a browser that asks before it sends."""
    return Answer(
        204,
        [
            ("access-control-allow-methods", methods),
            ("access-control-allow-headers", "Content-Type"),
            ("access-control-max-age", "86400"),
        ],
    )


def metrics(content_type: str, body: bytes) -> Answer:
    """For Prometheus: what sites there are, and how much they have to do, is not for pages."""
    return Answer(200, [("content-type", content_type), _NO_STORE], body, for_pages=False)


def json(body: bytes) -> Answer:
    """A document."""
    return Answer(200, [_JSON, _NO_STORE], body)


class _Verdict(msgspec.Struct):
    index: int
    reason: str
    detail: str


class _Verdicts(msgspec.Struct):
    accepted: int
    refused: list[_Verdict]


_ONE = Answer(200, [_JSON, _NO_STORE], msgspec.json.encode(_Verdicts(1, [])))


def verdicts(accepted: int, refused: Sequence[Refused], *, status: int = 200) -> Answer:
    """How many events were taken, and which not: by their place in the request, never by what they say."""
    if accepted == 1 and not refused:
        return _ONE
    told = _Verdicts(accepted, [_Verdict(one.index, one.reason.value, one.detail) for one in refused])
    return Answer(status, [_JSON, _NO_STORE], msgspec.json.encode(told))


class Cors:
    """Which pages may read answers: all of them, without credentials, or those of listed origins, with theirs."""

    def __init__(self, origins: Sequence[str] = ()) -> None:
        """Without `origins`, all of them."""
        exposed = ("access-control-expose-headers", "Retry-After")
        self._listed = {
            origin: [
                ("access-control-allow-origin", origin),
                ("access-control-allow-credentials", "true"),
                exposed,
                ("vary", "Origin"),
            ]
            for origin in origins
        }
        self._else = [("vary", "Origin")] if origins else [("access-control-allow-origin", "*"), exposed]

    def headers(self, request: Mapping[str, str]) -> Headers:
        """For the answer to a request with these headers."""
        if not self._listed:
            return self._else
        return self._listed.get(request.get("origin", ""), self._else)
