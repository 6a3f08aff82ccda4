"""Records of the three topics, read leniently: what is no click, or has no time, is counted, not fatal."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

UNREADABLE, TIMELESS = "unreadable", "without a time"

# Later ones cannot be told from nonsense, and datetime ends there.
LATEST_MS = 253_402_300_799_999
SOUND_STATUSES = range(-(2**31), 2**31)
# No answer has a terabyte: a larger number is nonsense, and sums of sound ones never overflow.
SOUND_BYTES = range(2**40)
MAX_TEXT = 500  # characters of a value; longer ones are cut


class Click(msgspec.Struct, gc=False):
    """A web click (records.WebClick), as far as the history needs it."""

    time: int = msgspec.field(name="_time")
    ip: str | None = None
    userid: int | None = None
    request: str | None = None
    status: int | None = None
    bytes: int | None = None
    referrer: str | None = None
    agent: str | None = None


class ProductEvent(msgspec.Struct, gc=False):
    """A product event (records.Event); `date` is a text of UTC."""

    date: str
    name: str | None = msgspec.field(name="eventName", default=None)
    product: str | None = msgspec.field(name="productId", default=None)
    user: str | None = msgspec.field(name="userId", default=None)

    @property
    def time(self) -> int:
        """Raises ValueError for a date that is none."""
        return _date_ms(self.date)


class VipAction(msgspec.Struct, gc=False):
    """A VIP click (records.VipClick)."""

    time: int = msgspec.field(name="event_time")
    user: str | None = msgspec.field(name="user_id", default=None)
    page: int | None = None
    action: str | None = None
    device: str | None = None


@lru_cache(maxsize=4_096)
def _date_ms(date: str) -> int:
    moment = datetime.strptime(date, "%Y-%m-%dT%H:%M:%SUTC").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000


Record = TypeVar("Record", Click, ProductEvent, VipAction)


class Reader(Generic[Record]):
    """Reads the values of one topic's records."""

    def __init__(self, kind: type[Record]) -> None:
        self._kind: type[Record] = kind
        self._decode: Callable[[bytes], Record] = msgspec.json.Decoder(kind).decode
        self._dates = kind is ProductEvent
        self.skipped: Counter[str] = Counter()  # by reason

    def read(self, values: Iterable[bytes | None]) -> list[Record]:
        """What can be read; `skipped` counts the others. A field of a wrong type is none."""
        decode, found = self._decode, []
        for value in values:
            if value is None:
                continue  # a tombstone is no record
            try:
                record = decode(value)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                lenient = self._lenient(value)
                if lenient is None:
                    continue
                record = lenient
            if self._has_time(record):
                found.append(record)
        return found

    def _has_time(self, record: Record) -> bool:
        try:
            sound = 0 <= record.time <= LATEST_MS
        except ValueError:
            sound = False
        if not sound:
            self.skipped[TIMELESS] += 1
        return sound

    def _lenient(self, value: bytes) -> Record | None:
        try:
            members = msgspec.json.decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            members = None
        if not isinstance(members, dict):
            self.skipped[UNREADABLE] += 1
            return None
        sound: dict[str, Any] = {}
        for field in msgspec.structs.fields(self._kind):
            found = _as(field.type, members.get(field.encode_name))
            if found is None and field.required:
                self.skipped[TIMELESS] += 1
                return None
            sound[field.name] = found
        return self._kind(**sound)


def _as(wanted: Any, found: Any) -> Any:
    """`found` as the type of a field, as the streaming tables take it; None when it cannot be."""
    if wanted is str or wanted == str | None:
        return found if isinstance(found, str) else None
    if isinstance(found, bool):
        return None
    if isinstance(found, str) and found.strip().lstrip("+-").isdecimal() and found.isascii():
        try:
            found = int(found)
        except ValueError:  # two signs, or more digits than Python reads
            return None
    return found if isinstance(found, int) and -(2**63) <= found < 2**63 else None
