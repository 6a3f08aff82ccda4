"""What applications send to a JSON source of Divolte's: `POST /json-source?p=PARTY` with one event."""

import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from clickstream.collect.model import Reason, Refused, Request
from clickstream.collect.protocols.checks import check
from clickstream.collect.protocols.divolte.duplicates import Seen
from clickstream.collect.protocols.divolte.events import event_of, properties_of
from clickstream.collect.protocols.divolte.numbers import identifier
from clickstream.collect.protocols.jsontext import decoded, told
from clickstream.collect.protocols.model import Limits, Reading, SentEvent, Unacceptable
from clickstream.collect.protocols.query import parameters

PARTY: Final = "p"

_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"
)


class AppEvent(msgspec.Struct, forbid_unknown_fields=True):
    """The body, as Divolte's documentation has it."""

    session_id: str
    event_id: str
    is_new_party: bool
    is_new_session: bool
    client_timestamp_iso: str
    event_type: str | None = None
    parameters: Any = None


_decode: Final = msgspec.json.Decoder(AppEvent).decode


class DivolteApp:
    """Reads what applications send. Their events happen on no page: they have neither address nor site."""

    def __init__(self, limits: Limits, seen: Seen) -> None:
        self._limits = limits
        self._seen = seen

    def read(self, request: Request) -> Reading:
        """One event or one Refused."""
        try:
            event = self._event(request)
            check(event, self._limits, on_a_page=False)
        except Unacceptable as refusal:
            return Reading(refused=[Refused(refusal.reason, refusal.detail, request.body)], by="divolte")
        ids = event.visitor or "", event.session or "", event.id
        return Reading([event], by="divolte", ids=ids, duplicate=self._seen.before(*ids))

    def _event(self, request: Request) -> SentEvent:
        party = party_of(request)
        if party is None:
            raise Unacceptable(Reason.MISSING, "p, the party id: missing, or not 0:TIMESTAMP:ID")
        if len(request.body) > self._limits.event_bytes:
            raise Unacceptable(Reason.TOO_LARGE, f"more than {self._limits.event_bytes} bytes")
        try:
            sent = decoded(_decode, request.body)
        except RecursionError:
            raise Unacceptable(Reason.TOO_MANY, "parameters: too many levels") from None
        except msgspec.ValidationError as error:
            raise Unacceptable(Reason.NOT_AN_EVENT, told(error)) from None
        except ValueError:
            raise Unacceptable(Reason.NOT_JSON, "the body is not JSON") from None
        session = identifier(sent.session_id)
        if session is None:
            raise Unacceptable(Reason.NOT_AN_EVENT, "session_id: not 0:TIMESTAMP:ID")
        created = _epoch_ms(sent.client_timestamp_iso)
        event = event_of(sent.event_type, party, session, sent.event_id, created, sent.is_new_session)
        event.properties = properties_of(sent.parameters)
        return event


def party_of(request: Request) -> str | None:
    """The party that a request is about; None when it does not say so in the right way."""
    try:
        return identifier(dict(reversed(parameters(request.query))).get(PARTY))
    except Unacceptable:
        return None


def _epoch_ms(text: str) -> int:
    """Raises Unacceptable."""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        told_time = datetime.fromisoformat(text)
        in_zone = told_time if told_time.tzinfo else told_time.replace(tzinfo=UTC)
        return round(in_zone.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Unacceptable(Reason.NOT_AN_EVENT, "client_timestamp_iso: not an ISO 8601 time") from None
