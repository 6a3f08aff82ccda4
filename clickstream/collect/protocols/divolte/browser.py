"""What Divolte's page tag sends: `GET /csc-event?p=...`, an image for each event."""

from functools import lru_cache
from typing import Final

import mmh3

from clickstream.collect.model import Reason, Refused, Request
from clickstream.collect.protocols.checks import check
from clickstream.collect.protocols.divolte.duplicates import Seen
from clickstream.collect.protocols.divolte.events import event_of, properties_of
from clickstream.collect.protocols.divolte.mincode import decode
from clickstream.collect.protocols.divolte.numbers import base36, identifier
from clickstream.collect.protocols.model import Limits, Reading, Unacceptable
from clickstream.collect.protocols.query import parameters

CHECKSUM: Final = "x"
KNOWN_SIZES: Final = 4_096  # of windows and screens
LONGEST_SIZE: Final = 10  # characters; longer ones are not remembered
_MISSING: Final = {
    "p": "party id",
    "s": "session id",
    "v": "page view id",
    "e": "event id",
    "n": "new party",
    "f": "first in session",
    "c": "client's time",
}


class DivolteBrowser:
    """Reads what the tag sends. `seen` is what this worker has seen: another one's duplicates are not told."""

    def __init__(self, limits: Limits, seen: Seen) -> None:
        self._limits = limits
        self._seen = seen

    def read(self, request: Request) -> Reading:
        """One event or one Refused; or both, when its parameters alone cannot be read."""
        try:
            return self._reading(request.query)
        except Unacceptable as refusal:
            value = request.query.encode("utf-8", "replace")
            return Reading(refused=[Refused(refusal.reason, refusal.detail, value)], by="divolte")

    def _reading(self, query: str) -> Reading:
        told = parameters(query)
        first = dict(told)
        if len(first) < len(told):  # of a name that comes twice the first value counts
            first = dict(reversed(told))
        for name, meaning in _MISSING.items():
            if name not in first:
                raise Unacceptable(Reason.MISSING, f"{name}, the {meaning}: missing")
        party, session = identifier(first["p"]), identifier(first["s"])
        if party is None or session is None:
            name = "s" if party else "p"
            raise Unacceptable(Reason.NOT_AN_EVENT, f"{name}, the {_MISSING[name]}: not 0:TIMESTAMP:ID")
        created = base36(first["c"])
        if created is None:
            raise Unacceptable(Reason.BAD_NUMBER, "c, the client's time: not a number in base 36")
        reading = Reading(by="divolte", corrupt=not checksum_fits(first if len(first) == len(told) else _joined(told)))
        event = event_of(first.get("t"), party, session, first["e"], created, first["f"] == "t")
        event.url = first.get("l", "")
        event.referrer = first.get("r")
        event.page = first["v"]
        event.viewport = _size(first.get("w"), first.get("h"))
        event.screen = _size(first.get("i"), first.get("j"))
        if "u" in first:
            try:
                event.properties = properties_of(decode(first["u"]))
            except ValueError as error:
                # As with Divolte, the event counts without them; what they were can be looked up.
                value = first["u"].encode("utf-8", "replace")
                reading.refused.append(Refused(Reason.BAD_PARAMETERS, f"u, the event's parameters: {error}", value))
        check(event, self._limits, on_a_page=False)
        reading.ids = party, session, event.id
        reading.duplicate = self._seen.before(*reading.ids)
        reading.events.append(event)
        return reading


def _joined(told: list[tuple[str, str]]) -> dict[str, str]:
    """The values of a name that comes twice as one, for the checksum."""
    by_name: dict[str, str] = {}
    for name, value in told:
        by_name[name] = f"{by_name[name]},{value}" if name in by_name else value
    return by_name


def checksum_fits(told: dict[str, str]) -> bool:
    """Whether the request is what its tag sent: by the MurmurHash3 (32 bits, in base 36) of its other parameters."""
    expected = base36(told.get(CHECKSUM, "").partition(",")[0])
    if expected is None:
        return False
    others = sorted(told)  # only the names: with their values it takes 0.6 us more
    others.remove(CHECKSUM)
    canonical = "".join([f"{name}={told[name]},;" for name in others])
    return bool(mmh3.hash(canonical.encode("utf-8", "replace")) == expected)


def _size(width: str | None, height: str | None) -> tuple[int, int] | None:
    """None when one of them is not told, or is no number: some browsers have fractions of a pixel."""
    if width is None or height is None:
        return None
    known = len(width) <= LONGEST_SIZE and len(height) <= LONGEST_SIZE
    return _known_size(width, height) if known else _size_of(width, height)


def _size_of(width: str, height: str) -> tuple[int, int] | None:
    wide, high = base36(width), base36(height)
    return None if wide is None or high is None else (wide, high)


_known_size = lru_cache(maxsize=KNOWN_SIZES)(_size_of)
