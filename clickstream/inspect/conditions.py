"""Conditions on records in a closed little language, for example `status >= 400 and agent ~ curl`.

It is that of `topics tail --filter` and of the dashboard's pages.

    condition   term { and term }
    term        field operator value, or a text that the key, the value or a header contains (in any case)
    field       a path of the JSON value, whose dots step into objects and arrays; or one of
                $key $value $size $time $partition $offset $tombstone $header.NAME
    operator    =  !=  <  <=  >  >=  ~ (contains, in any case)  !~

A field, a value or a text may stand in quotes, as a JSON string: "a and b" is one text. Numbers compare by value and
exactly, texts by their characters. A record without the field fits no term about it. Nothing is evaluated, and there
are no regular expressions: what a record costs grows with its length and the number of terms, and with nothing else.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol

import msgspec
from confluent_kafka import Message

from clickstream.fieldpath import values_at
from clickstream.inspect import position, render
from clickstream.kafka.deadletter import headers_of

MAX_LENGTH = 8_000
MAX_TERMS = 20

_QUOTED = r'"(?:[^"\\]|\\.)*"'
# Without a repetition beside the `and`: a filter of nothing but spaces would take time by the square of its length.
_AND_OR_QUOTED = re.compile(rf"{_QUOTED}|(?<=\s)and(?=\s)", re.DOTALL)
_TERM = re.compile(rf'({_QUOTED}|[^\s"=<>~!]+)\s*(>=|<=|!=|!~|=|~|<|>)\s*(.*)', re.DOTALL)
_HEADER = "$header."
_OWN = ("$key", "$value", "$size", "$time", "$partition", "$offset", "$tombstone")

_WORDS = {True: "true", False: "false", None: "null"}

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


class Subject:
    """A record that is asked about; its value is decoded once at most."""

    def __init__(self, message: Message) -> None:
        self.message = message

    @cached_property
    def value(self) -> Any:
        """The JSON that the record's value is, or render.NO_JSON."""
        return render.decoded(self.message.value())


class Term(Protocol):
    """One thing that must be true of a record."""

    def accepts(self, subject: Subject) -> bool: ...


@dataclass(frozen=True)
class Condition:
    """What must all be true of a record; without terms, every record fits."""

    terms: tuple[Term, ...] = ()

    def accepts(self, message: Message) -> bool:
        """Whether the record fits."""
        subject = Subject(message)
        return all(term.accepts(subject) for term in self.terms)


ANY = Condition()
"""Which every record fits."""


def all_of(conditions: Iterable[Condition]) -> Condition:
    """What fits each of them."""
    return Condition(tuple(term for one in conditions for term in one.terms))


@dataclass(frozen=True)
class Contains:
    """The text stands in the key, the value or a header's value, in any case."""

    text: str

    def accepts(self, subject: Subject) -> bool:
        message = subject.message
        values = (octets for _name, octets in headers_of(message))
        return any(contains(octets, self.text) for octets in (message.key(), message.value(), *values))


@dataclass(frozen=True)
class Compares:
    """The field, or one of the values that its path leads to, stands so to `wanted`."""

    field: str
    quoted: bool
    operator: str
    wanted: str

    @cached_property
    def number(self) -> int | float | Decimal | None:
        """The number that is wanted; None when it is none."""
        return _number(self.wanted)

    def accepts(self, subject: Subject) -> bool:
        return any(self._fits(found) for found in self._found(subject))

    def _found(self, subject: Subject) -> list[Any]:
        if not self.quoted and self.field.startswith("$"):
            return _own(subject.message, self.field)
        return [] if subject.value is render.NO_JSON else values_at(subject.value, self.field)

    def _fits(self, found: Any) -> bool:
        match self.operator:
            case "=":
                return self._equals(found)
            case "!=":
                return not self._equals(found)
            case "~":
                return self._contains(found)
            case "!~":
                return not self._contains(found)
        return self._stands(found)

    def _equals(self, found: Any) -> bool:
        """Scalars as JSON writes them, texts without quotes, numbers by value (1.50 is 1.5). Nothing equals objects."""
        match found:
            case str():
                return found == self.wanted
            case bool() | None:
                return self.wanted == _WORDS[found]
            case int() | float() | Decimal():
                return found == self.number
        return False

    def _stands(self, found: Any) -> bool:
        if isinstance(found, str):
            return _ORDER[self.operator](found, self.wanted)
        if isinstance(found, int | float | Decimal) and not isinstance(found, bool):
            return self.number is not None and _ORDER[self.operator](found, self.number)
        return False

    def _contains(self, found: Any) -> bool:
        return not isinstance(found, dict | list) and self.wanted.casefold() in _text(found).casefold()


def parse(text: str, zone: tzinfo | None = None) -> Condition:
    """The condition that `text` is; an empty one fits every record. Raises ValueError, which says what is expected.

    What $time is compared with is in `zone` if it says none; None: local.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a filter has at most {MAX_LENGTH:,} characters")
    if not text.strip():
        return ANY
    parts = _split(text.strip())
    if len(parts) > MAX_TERMS:
        raise ValueError(f"a filter has at most {MAX_TERMS} terms")
    return Condition(tuple(_term(part, zone) for part in parts))


def _split(text: str) -> list[str]:
    """At every `and` outside of quotes."""
    parts, start = [], 0
    for found in _AND_OR_QUOTED.finditer(text):
        if not found.group().startswith('"'):
            parts.append(text[start : found.start()])
            start = found.end()
    return [*parts, text[start:]]


def _term(text: str, zone: tzinfo | None) -> Term:
    text = text.strip()
    if not text:
        raise ValueError("something is missing beside an and")
    found = _TERM.fullmatch(text)
    if found is None:
        if text == "$tombstone":
            return Compares(text, False, "=", "true")
        if text.startswith("="):
            raise ValueError(f"a field is missing before {text} (in quotes it is a text)")
        return Contains(_unquoted(text))
    field, operator, wanted = found.groups()
    quoted = field.startswith('"')
    if not quoted and field.startswith("$") and field not in _OWN and not field.startswith(_HEADER):
        raise ValueError(f"there is no {field}: {', '.join(_OWN)} and {_HEADER}NAME are known")
    wanted = _unquoted(wanted)
    if field == "$time":
        wanted = _time(wanted, zone)
    if operator in _ORDER and not wanted:
        raise ValueError(f"a value is missing after {field} {operator}")
    return Compares(_unquoted(field), quoted, operator, wanted)


def _unquoted(text: str) -> str:
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    try:
        return msgspec.json.decode(text, type=str)
    except msgspec.MsgspecError:
        raise ValueError(f"{text} is no text in quotes as JSON has them") from None


def _time(text: str, zone: tzinfo | None) -> str:
    """Epoch ms of an ISO time; a number stays what it is."""
    if _number(text) is not None:
        return text
    match position.parse(text, zone):
        case position.Time(timestamp):
            return str(timestamp)
    return "0"


def _own(message: Message, field: str) -> list[Any]:
    """What the record itself says, beside its value's fields."""
    value = message.value()
    match field:
        case "$key":
            return _texts([message.key()])
        case "$value":
            return _texts([value])
        case "$size":
            return [len(value or b"")]
        case "$time":
            timestamp = render.timestamp_of(message)
            return [] if timestamp is None else [timestamp]
        case "$partition":
            return [message.partition()]
        case "$offset":
            return [message.offset()]
        case "$tombstone":
            return [value is None]
    name = field.removeprefix(_HEADER)
    return _texts([octets for own, octets in headers_of(message) if own == name])


def _texts(found: list[bytes | None]) -> list[str]:
    return [octets.decode("utf-8", "replace") for octets in found if octets is not None]


def contains(octets: bytes | None, text: str) -> bool:
    """Whether the bytes have the text somewhere in them, in any case."""
    if octets is None:
        return False
    if text.isascii():  # ten times as fast as decoding
        return text.lower().encode() in octets.lower()
    return text.casefold() in octets.decode("utf-8", "replace").casefold()


def _number(text: str) -> int | float | Decimal | None:
    """The number that JSON writes so; None when it is none."""
    value = render.decoded(text.encode("utf-8", "replace"))
    return value if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


def _text(found: Any) -> str:
    match found:
        case str():
            return found
        case bool() | None:
            return _WORDS[found]
    return str(found)
