"""What holds for an event in every protocol: its limits, and what its texts may be."""

import re
from typing import Any, Final

from clickstream.collect.model import Reason
from clickstream.collect.protocols.model import Limits, Number, SentEvent, Unacceptable
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
    ids = (("visitor", event.visitor), ("session", event.session), ("page", event.page), ("stream", event.stream))
    for name, value in ids:
        if value is not None and not (0 < len(value) <= longest and value.isprintable()):
            _text(name, value, longest)
    if event.site is not None:
        _text("site", event.site, limits.site)
    if event.language is not None:
        _text("language", event.language, limits.language)
    if event.sequence is not None and not 0 <= event.sequence <= MAX_SEQUENCE:
        raise Unacceptable(Reason.NOT_AN_EVENT, "sequence: not a number from 0 to 2**53 - 1")
    _time("time", event.time)
    _time("sent", event.sent)
    if event.properties:
        _Properties(limits).check(event.properties)


def _text(name: str, value: str, longest: int) -> None:
    if not value:
        raise Unacceptable(Reason.NOT_AN_EVENT, f"{name}: empty")
    if len(value) > longest:
        raise Unacceptable(Reason.TOO_LARGE, f"{name}: more than {longest} characters")
    if not value.isprintable() and _CONTROLS.search(value):
        raise Unacceptable(Reason.NOT_AN_EVENT, f"{name}: a control character")


def _time(name: str, value: Number | None) -> None:
    if value is not None and not 0 <= value <= MAX_TIME:
        raise Unacceptable(Reason.NOT_AN_EVENT, f"{name}: not a number of milliseconds since 1970")


class _Properties:
    """Counts what is in the properties of one event."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = limits.properties

    def check(self, properties: dict[str, Any]) -> None:
        self._members(properties, self._limits.nesting)

    def _members(self, members: dict[str, Any] | list[Any], levels: int) -> None:
        self._left -= len(members)
        if self._left < 0:
            raise Unacceptable(Reason.TOO_MANY, f"properties: more than {self._limits.properties}")
        if not levels:
            raise Unacceptable(Reason.TOO_MANY, f"properties: more than {self._limits.nesting} levels")
        if isinstance(members, dict):
            for name in members:
                if len(name) > self._limits.name:
                    raise Unacceptable(
                        Reason.TOO_LARGE, f"properties: a name of more than {self._limits.name} characters"
                    )
                if "\0" in name:
                    raise _nul()
        # Values are replaced on the way, which keeps the places of a dict as they are.
        places: Any = members.items() if isinstance(members, dict) else enumerate(members)
        for place, value in places:
            kind = type(value)
            if kind is str:
                if len(value) > self._limits.text:
                    raise Unacceptable(
                        Reason.TOO_LARGE, f"properties: a text of more than {self._limits.text} characters"
                    )
                if "\0" in value:
                    raise _nul()
            elif kind is int and not -_INT64 <= value < _INT64:
                members[place] = _as_float(value)
            elif kind is dict or kind is list:
                self._members(value, levels - 1)


def _nul() -> Unacceptable:
    # Most databases take no NUL in a text, so it would be somebody else's failure later.
    return Unacceptable(Reason.NOT_AN_EVENT, "properties: a NUL character")


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Unacceptable(Reason.NOT_AN_EVENT, "properties: a number beyond 64 bits") from None
