"""The values of one JSON field in a batch of records, and which records have none."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from clickstream.records import RECEIVE_AT

MAX_NAME_BYTES = 256

_name_of = attrgetter("name")

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, TypeError, RecursionError)


class FieldReader:
    """Reads the field `name` of JSON objects; only that field is decoded."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._decode_text = self._decoder(str)
        self._decode_integer = self._decoder(int)
        self._decode_any = self._decoder(msgspec.Raw)
        self._text_first = True

    def _decoder(self, type_: Any) -> Callable[[bytes], Any]:
        record = msgspec.defstruct("Record", [("name", type_)], rename={"name": self._field}, gc=False)
        return msgspec.json.Decoder(record).decode

    def count(self, values: Sequence[bytes | None]) -> Counter[str] | None:
        """How often each name occurs, or None when a record must be looked at by itself with `read`.

        The fast way for records that are all right and of one type: 0.3 us each, where `read` takes 1.5 us.
        """
        try:
            # msgspec does not look inside the fields it skips; a line break is never part of a longer character.
            b"\n".join(values).decode()  # type: ignore[arg-type]  # None raises TypeError
            counts = self._count_typed(values)  # type: ignore[arg-type]
        except UNREADABLE:
            return None
        return None if any(map(_refusal, counts)) else counts

    def _count_typed(self, values: Iterable[bytes]) -> Counter[str]:
        # A batch of `true` and 1 must not be counted by Python's equality, so each type has a decoder of its own.
        values = list(values)
        if self._text_first:
            try:
                return Counter(map(_name_of, map(self._decode_text, values)))
            except msgspec.ValidationError:
                self._text_first = False
        try:
            return Counter(
                {str(name): n for name, n in Counter(map(_name_of, map(self._decode_integer, values))).items()}
            )
        except msgspec.ValidationError:
            self._text_first = True
            raise

    def read(self, value: bytes | None) -> tuple[str, None] | tuple[None, str]:
        """A record's name, or the reason why it has none."""
        if value is None:
            return None, "no value (a tombstone)"
        try:
            value.decode()
        except UnicodeDecodeError as error:
            return None, f"invalid UTF-8 at byte {error.start}"
        try:
            found = msgspec.json.decode(self._decode_any(value).name)
        except msgspec.ValidationError as error:
            return None, f"field {self._field}: {error}"
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            return None, f"not JSON: {error}"
        if isinstance(found, bool):
            name = "true" if found else "false"
        elif isinstance(found, str | int):
            name = str(found)
        else:
            return None, f"field {self._field} is {_kind(found)}, not a string, an integer or a boolean"
        refusal = _refusal(name)
        return (None, f"field {self._field}: {refusal}") if refusal else (name, None)


def _refusal(name: str) -> str | None:
    """Why a name cannot be a member of a tally."""
    if name == RECEIVE_AT:
        return f"a tally has its own {RECEIVE_AT}"
    if len(name) > MAX_NAME_BYTES // 4 and len(name.encode()) > MAX_NAME_BYTES:
        return f"the name is longer than {MAX_NAME_BYTES} bytes"
    return None


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {float: "a number with a fraction", list: "an array", dict: "an object"}.get(type(value), "of another type")
