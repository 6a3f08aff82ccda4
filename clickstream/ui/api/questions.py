"""What a page asks of a topic, out of an address."""

import base64
import binascii
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from starlette.datastructures import QueryParams

from clickstream.inspect import conditions, position
from clickstream.inspect.conditions import Condition
from clickstream.inspect.instant import LATEST_MS
from clickstream.inspect.position import Position
from clickstream.inspect.search import Question
from clickstream.inspect.shown import MAX_COLUMNS
from clickstream.topics import legal_name
from clickstream.ui.api.jobs import Refused

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_TEXT = 4_000

_KNOWN = frozenset(
    ["from", "to", "partition", "key", "key64", "filter", "zone", "limit", "column", "places", "format", "raw"]
)


def question(name: str, params: QueryParams, *, limit: int = DEFAULT_LIMIT) -> Question:
    """The question about topic `name`. Raises Refused (400) for a parameter that is none, saying what is expected.

    from        newest (the default: backwards from the end), oldest, an offset, or a time
    to          epoch ms: only records that had come by then, as their timestamps say
    partition   only that one
    key, key64  only records with this key: a text, or base64
    filter      a condition (inspect/conditions.py)
    zone        of times in `from` and `filter` that say none, as Europe/Paris
    limit       at most so many records
    places      go on there, as an answer said: `0:120,1:98`
    """
    unknown = sorted(set(params) - _KNOWN)
    if unknown:
        raise Refused(400, f"There is no parameter {unknown[0][:50]!r}.")
    zone = _zone(params["zone"]) if "zone" in params else None
    return Question(
        topic=topic(name),
        start=_start(params.get("from", "newest"), zone),
        partition=whole("partition", params["partition"]) if "partition" in params else None,
        key=_key(params),
        condition=_condition(params.get("filter", ""), zone),
        limit=_limit(params["limit"]) if "limit" in params else limit,
        places=_places(params["places"]) if "places" in params else None,
        instant=_instant(params["to"]) if "to" in params else None,
    )


def topic(name: str) -> str:
    """The name, or Refused when Kafka allows no such topic."""
    try:
        return legal_name(name)
    except ValueError as error:
        raise Refused(400, f"{name[:300]!r}: {error}.") from None


def columns(params: QueryParams) -> list[str]:
    """The paths of fields that a row has as cells. Raises Refused."""
    paths = [path for path in params.getlist("column") if path]
    if len(paths) > MAX_COLUMNS or any(len(path) > MAX_TEXT for path in paths):
        raise Refused(400, f"At most {MAX_COLUMNS} columns are shown.")
    return paths


def whole(name: str, text: str) -> int:
    """A number from 0 that Kafka's offsets can be; raises Refused."""
    if not (text.isascii() and text.isdecimal()) or int(text[:20]) >= 2**63 or len(text) > 19:
        raise Refused(400, f"{name}: a whole number is expected, not {text[:50]!r}.")
    return int(text)


def _limit(text: str) -> int:
    number = whole("limit", text)
    if not number:
        raise Refused(400, "limit: a number from 1 is expected.")
    return min(MAX_LIMIT, number)


def _instant(text: str) -> int:
    instant = whole("to", text)
    if instant > LATEST_MS:
        raise Refused(400, "to: a time in epoch ms is expected.")
    return instant


def _zone(name: str) -> tzinfo:
    try:
        return position.zone_of(name)
    except ValueError as error:
        raise Refused(400, f"zone: {error}.") from None


def _start(text: str, zone: tzinfo | None) -> Position | None:
    match text:
        case "newest" | "":
            return None
        case "oldest":
            return position.Beginning()
    try:
        return position.parse(text, zone)
    except ValueError as error:
        raise Refused(400, f"from: newest, oldest, {error}.") from None


def _condition(text: str, zone: tzinfo | None) -> Condition:
    try:
        return conditions.parse(text, zone)
    except ValueError as error:
        raise Refused(400, f"filter: {error}.") from None


def _key(params: Mapping[str, Any]) -> bytes | None:
    if "key64" in params:
        try:
            return base64.b64decode(params["key64"], validate=True)
        except (binascii.Error, ValueError):
            raise Refused(400, "key64: base64 is expected.") from None
    return str(params["key"]).encode() if "key" in params else None


def _places(text: str) -> dict[int, int]:
    found = {}
    for pair in filter(None, text.split(",")):
        partition, colon, offset = pair.partition(":")
        if not colon:
            raise Refused(400, "places: PARTITION:OFFSET,... is expected.")
        found[whole("places", partition)] = whole("places", offset)
    return found


def places_text(places: Mapping[int, int] | None) -> str | None:
    """As the parameter `places` takes them."""
    return None if places is None else ",".join(f"{number}:{offset}" for number, offset in sorted(places.items()))
