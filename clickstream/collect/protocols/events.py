"""The collector's own JSON: `POST /e` with one event, or an array of them.

An array is decoded at once, which is twenty times as fast as event by event; only when that fails each one is judged
by itself, so that a bad event of a batch is refused and the others are taken.
"""

from typing import Final

import msgspec

from clickstream.collect.model import Reason, Refused, Request
from clickstream.collect.protocols.checks import check
from clickstream.collect.protocols.jsontext import decoded, told
from clickstream.collect.protocols.model import Limits, Reading, SentEvent, Unacceptable

_all_events: Final = msgspec.json.Decoder(list[SentEvent]).decode
_one_event: Final = msgspec.json.Decoder(SentEvent).decode
_pieces: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_piece: Final = msgspec.json.Decoder(msgspec.Raw).decode


class JsonEvents:
    """Reads the bodies of `POST /e`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def read(self, request: Request) -> Reading:
        """The events of the body. One Refused for all of it when it is no JSON, or holds too many events."""
        body = request.body
        many = body.lstrip(b" \t\r\n").startswith(b"[")
        if len(body) <= self._limits.event_bytes:
            try:
                events = _all_events(body) if many else [_one_event(body)]
            except (ValueError, RecursionError):  # of msgspec's and of UTF-8's
                return self._one_by_one(body, many)
            if len(events) <= self._limits.events:
                return self._checked(events, body, many)
        return self._one_by_one(body, many)

    def _checked(self, events: list[SentEvent], body: bytes, many: bool) -> Reading:
        """The usual case: nothing is refused, and no event's own bytes are needed."""
        try:
            for event in events:
                check(event, self._limits)
        except Unacceptable:
            return self._one_by_one(body, many)
        return Reading(events)

    def _one_by_one(self, body: bytes, many: bool) -> Reading:
        reading = Reading()
        try:
            raw = _pieces_of(body, many)
        except RecursionError:
            reading.refused.append(Refused(Reason.TOO_MANY, "the body: too many levels", body))
            return reading
        except ValueError:
            reading.refused.append(Refused(Reason.NOT_JSON, "the body is not JSON", body))
            return reading
        if len(raw) > self._limits.events:
            # Not one dead letter for each: a body of a thousand times "0," would become a thousand records.
            reading.refused.append(Refused(Reason.TOO_MANY, f"more than {self._limits.events} events", body))
            return reading
        for index, piece in enumerate(raw):
            try:
                reading.events.append(self._event(piece))
            except Unacceptable as refusal:
                reading.refused.append(Refused(refusal.reason, refusal.detail, piece, index))
        return reading

    def _event(self, piece: bytes) -> SentEvent:
        if len(piece) > self._limits.event_bytes:
            raise Unacceptable(Reason.TOO_LARGE, f"more than {self._limits.event_bytes} bytes")
        try:
            event = decoded(_one_event, piece)
        except RecursionError:
            raise Unacceptable(Reason.TOO_MANY, f"properties: more than {self._limits.nesting} levels") from None
        except msgspec.ValidationError as error:
            raise Unacceptable(Reason.NOT_AN_EVENT, told(error)) from None
        except ValueError:
            raise Unacceptable(Reason.NOT_JSON, "the event is not JSON") from None
        check(event, self._limits)
        return event


def _pieces_of(body: bytes, many: bool) -> list[bytes]:
    raw = decoded(_pieces, body) if many else [decoded(_piece, body)]
    return [bytes(one) for one in raw]
