"""What holds for an event in every protocol: its limits, and what its texts may be."""

import re
from typing import Any, Final

from clickstream.collect.model import Reason
from clickstream.collect.protocols.model import Limits, SentEvent, Unacceptable
from clickstream.collect.urls import url

MAX_SEQUENCE: Final = 2**53 - 1  # the largest whole number that JavaScript can count to
MAX_TIME: Final = 253_402_300_799_999  # epoch ms: the end of the year 9999
_INT64: Final = 2**63

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")


def check(event: SentEvent, limits: Limits, *, on_a_page: bool = True) -> None:
    """Raises Unacceptable for an event that breaks a limit, or whose fields cannot be what they should.

    An event that is not `on_a_page` may have an empty address.

    Of its properties, whole numbers beyond 64 bits become floating point, as they were in the sender's JavaScript.
    """
    # The usual texts pass without a call of _text, which takes half of the time that this does.
    longest = limits.id
    if not (0 < len(event.id) <= longest and event.id.isprintable()):
        _text("id", event.id, longest)
    if not (0 < len(event.event) <= limits.name and event.event.isprintable()):
        _text("event", event.event, limits.name)
    if len(event.url) > limits.url:
        raise Unacceptable(Reason.TOO_LARGE, f"url: more than {limits.url} characters")
    if url(event.url) is None and (on_a_page or event.url):
        raise Unacceptable(Reason.BAD_URL, "url: not an absolute address with a host")
    if event.referrer and len(event.referrer) > limits.url:
        raise Unacceptable(Reason.TOO_LARGE, f"referrer: more than {limits.url} characters")
    for value in (event.visitor, event.session, event.page, event.stream):
        if value is not None and not (0 < len(value) <= longest and value.isprintable()):
            _ids(event, longest)
            break
    if event.site is not None:
        _text("site", event.site, limits.site)
    if event.language is not None:
        _text("language", event.language, limits.language)
    if event.sequence is not None and not 0 <= event.sequence <= MAX_SEQUENCE:
        raise Unacceptable(Reason.NOT_AN_EVENT, "sequence: not a number from 0 to 2**53 - 1")
    if event.time is not None and not 0 <= event.time <= MAX_TIME:
        raise _no_time("time")
    if event.sent is not None and not 0 <= event.sent <= MAX_TIME:
        raise _no_time("sent")
    if event.properties:
        _members(event.properties, limits, limits.properties, limits.nesting)


def _ids(event: SentEvent, longest: int) -> None:
    for name in ("visitor", "session", "page", "stream"):
        value = getattr(event, name)
        if value is not None:
            _text(name, value, longest)


def _text(name: str, value: str, longest: int) -> None:
    if not value:
        raise Unacceptable(Reason.NOT_AN_EVENT, f"{name}: empty")
    if len(value) > longest:
        raise Unacceptable(Reason.TOO_LARGE, f"{name}: more than {longest} characters")
    if not value.isprintable() and _CONTROLS.search(value):
        raise Unacceptable(Reason.NOT_AN_EVENT, f"{name}: a control character")


def _no_time(name: str) -> Unacceptable:
    return Unacceptable(Reason.NOT_AN_EVENT, f"{name}: not a number of milliseconds since 1970")


def _members(members: dict[str, Any] | list[Any], limits: Limits, left: int, levels: int) -> int:
    """Check the members of properties, of which there may be `left` more on so many `levels`: how many may be then.

    A function, and no object that counts: of the usual three it would be most of what this costs.
    """
    left -= len(members)
    if left < 0:
        raise Unacceptable(Reason.TOO_MANY, f"properties: more than {limits.properties}")
    if not levels:
        raise Unacceptable(Reason.TOO_MANY, f"properties: more than {limits.nesting} levels")
    # Values are replaced on the way, which keeps the places of a dict as they are.
    places: Any = members.items() if type(members) is dict else enumerate(members)
    for place, value in places:
        if type(place) is str:
            if len(place) > limits.name:
                raise Unacceptable(Reason.TOO_LARGE, f"properties: a name of more than {limits.name} characters")
            if "\0" in place:
                raise _nul()
        kind = type(value)
        if kind is str:
            if len(value) > limits.text:
                raise Unacceptable(Reason.TOO_LARGE, f"properties: a text of more than {limits.text} characters")
            if "\0" in value:
                raise _nul()
        elif kind is int:
            if not -_INT64 <= value < _INT64:
                members[place] = _as_float(value)
        elif kind is dict or kind is list:
            left = _members(value, limits, left, levels - 1)
    return left


def _nul() -> Unacceptable:
    # Most databases take no NUL in a text, so it would be somebody else's failure later.
    return Unacceptable(Reason.NOT_AN_EVENT, "properties: a NUL character")


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Unacceptable(Reason.NOT_AN_EVENT, "properties: a number beyond 64 bits") from None
