"""How Divolte answers, for the HTTP layer."""

from collections.abc import Mapping
from typing import Final

from clickstream.collect.model import Request
from clickstream.collect.protocols.divolte.app import party_of

# The same for every event: a browser that asks again with it repeats a request that it has made before.
ETAG: Final = '"c1a5f00d-0000-4000-8000-64697660c7e5"'
# Of the image that answers an event, also with 304.
HEADERS: Final = (
    ("content-type", "image/gif"),
    ("etag", ETAG),
    ("cache-control", "private, no-cache, proxy-revalidate"),
    ("pragma", "no-cache"),
    ("expires", "Fri, 14 Apr 1995 11:30:00 GMT"),
)


def image_status(headers: Mapping[str, str]) -> int:
    """304 for a browser that has the image and asks whether it still is the same; else 200, whatever it sent.

    `headers` are the request's, with names in lower case. A request that is answered with 304 is an event as well.
    """
    known = headers.get("if-none-match")
    if not known:
        return 200
    tags = {tag.strip().removeprefix("W/") for tag in known[:1_000].split(",")}
    return 304 if ETAG in tags or known.strip() == "*" else 200


def json_status(request: Request) -> int:
    """204 for an event that is taken, and for one that cannot be read: Divolte reads it only later.

    415 when it does not say that it is JSON, 400 without a body or a party id.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return 415
    return 204 if request.body and party_of(request) else 400
