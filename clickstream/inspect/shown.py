"""Records as a page shows them: short previews in lists, and all of one record, 64 kB at a time.

Bytes travel as text where they are one: UTF-8 without control characters but tabs and line ends. JSON is such a text,
and is never decoded on its way: what is seen are the digits, the order and the repetitions that were written. Other
bytes travel as hex and base64. None (JSON's null) is a record without a key, or a tombstone.
"""

import base64
import re
from collections.abc import Callable, Sequence

import msgspec
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Message

from clickstream.avro.wire import is_framed, schema_id_of
from clickstream.fieldpath import values_at
from clickstream.inspect.render import timestamp_of
from clickstream.kafka.deadletter import headers_of

PREVIEW_BYTES = 1_000
BINARY_PREVIEW_BYTES = 32
CELL_CHARACTERS = 200
SLICE_BYTES = 65_536
MAX_COLUMNS = 20

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_INTEGER_SIZES = (4, 8)
_TIMES = {TIMESTAMP_CREATE_TIME: "producer", TIMESTAMP_LOG_APPEND_TIME: "broker"}


class Preview(msgspec.Struct, frozen=True, omit_defaults=True):
    """The beginning of `length` bytes: `text`, or for other bytes `hex`; `avro` is the schema's id where they look like
    Avro of a schema registry."""

    length: int
    text: str | None = None
    hex: str | None = None
    cut: bool = False
    avro: int | None = None


class Row(msgspec.Struct, frozen=True):
    """A record in a list. `time` is in epoch ms; `size` the value's bytes; `cells` the fields that were asked for."""

    partition: int
    offset: str
    time: int | None
    size: int
    key: Preview | None
    value: Preview | None
    headers: int
    cells: list[str | None]


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """`length` bytes in all, of which those from `start` up to `next` (None: the end) are here.

    `number` is what a key of four or eight bytes is as a big-endian integer, as Java's serializers write it.
    """

    length: int
    start: int
    next: int | None
    text: str | None = None
    hex: str | None = None
    base64: str | None = None
    number: str | None = None


class Avro(msgspec.Struct, frozen=True):
    """Of bytes in the wire format of a schema registry. `name` is what the schema calls them; None: they could not be
    read, as `words` say."""

    schema: int
    name: str | None = None
    words: str = ""


class Whole(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of a record. `time_by` says who made its time: `producer` or `broker`; `size` is the value's bytes.

    Where `key_avro` or `value_avro` has a name, that part is the JSON that it was read as.
    """

    topic: str
    partition: int
    offset: str
    time: int | None
    time_by: str | None
    size: int
    key: Part | None
    value: Part | None
    headers: list[tuple[str, Part | None]]
    key_avro: Avro | None = None
    value_avro: Avro | None = None


Look = Callable[[bytes | None], tuple[bytes | None, Avro | None]]
"""What bytes are shown as, and what that is."""


def row(message: Message, columns: Sequence[str] = ()) -> Row:
    """The record in a list, with the fields at the paths `columns`."""
    value = message.value()
    return Row(
        partition=message.partition() or 0,
        offset=str(message.offset() or 0),
        time=timestamp_of(message),
        size=len(value or b""),
        key=preview(message.key()),
        value=preview(value),
        headers=len(headers_of(message)),
        cells=[cell(value, path) for path in columns],
    )


def preview(octets: bytes | None, limit: int = PREVIEW_BYTES) -> Preview | None:
    """The first `limit` bytes, up to a whole character."""
    if octets is None:
        return None
    begin = octets if len(octets) <= limit else _whole_characters(octets[:limit])
    content = _as_text(begin)
    if content is not None:
        return Preview(len(octets), text=content, cut=len(begin) < len(octets))
    begin = octets[:BINARY_PREVIEW_BYTES]
    return Preview(len(octets), hex=begin.hex(), cut=len(begin) < len(octets), avro=avro_schema(octets))


def avro_schema(octets: bytes | None) -> int | None:
    """The id of the schema of bytes that look like Avro of a schema registry; None if they do not."""
    if octets is None or not is_framed(octets) or len(octets) in _INTEGER_SIZES:
        return None
    return schema_id_of(octets) or None  # none has the id 0: it is a number


def whole(message: Message, limit: int = SLICE_BYTES, look: Look = lambda octets: (octets, None)) -> Whole:
    """The record with the first `limit` bytes of each of its parts, as `look` shows key and value."""
    kind, _timestamp = message.timestamp()
    (key, key_avro), (value, value_avro) = look(message.key()), look(message.value())
    return Whole(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=str(message.offset() or 0),
        time=timestamp_of(message),
        time_by=_TIMES.get(kind),
        size=len(message.value() or b""),
        key=part(key, limit=limit),
        value=part(value, limit=limit),
        headers=[(name, part(octets, limit=limit)) for name, octets in headers_of(message)],
        key_avro=key_avro,
        value_avro=value_avro,
    )


def part(octets: bytes | None, start: int = 0, limit: int = SLICE_BYTES) -> Part | None:
    """The bytes from `start`, at most `limit` of them; None when there are none to tell of.

    Whether it is text is asked of all of it, so that its slices agree.
    """
    if octets is None:
        return None
    start = min(max(0, start), len(octets))
    if _as_text(octets) is None:
        piece = octets[start : start + limit]
        return Part(
            length=len(octets),
            start=start,
            next=_next(start, piece, octets),
            hex=piece.hex(),
            base64=base64.b64encode(piece).decode(),
            number=str(int.from_bytes(octets, "big", signed=True)) if len(octets) in _INTEGER_SIZES else None,
        )
    while start and octets[start : start + 1] and octets[start] & 0xC0 == 0x80:  # within a character
        start -= 1
    piece = octets[start : start + limit]
    piece = piece if start + limit >= len(octets) else _whole_characters(piece)
    return Part(length=len(octets), start=start, next=_next(start, piece, octets), text=piece.decode())


def cell(value: bytes | None, path: str) -> str | None:
    """What stands at a path of a JSON value, as it is written there; None when there is nothing.

    Of a longer one the first CELL_CHARACTERS characters and an ellipsis.
    """
    if value is None:
        return None
    try:
        found = values_at(msgspec.Raw(value), path, _opened)
        content = None if not found else bytes(found[0]).decode().strip(" \t\r\n")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # it is no JSON, or not down to there
    if content is None or len(content) <= CELL_CHARACTERS:
        return content
    return content[:CELL_CHARACTERS] + "…"


def _opened(value: object) -> object:
    """Objects and arrays one level deep; numbers and texts stay as they are written."""
    if not isinstance(value, msgspec.Raw):
        return value
    octets = bytes(value)
    match octets.lstrip(b" \t\r\n")[:1]:
        case b"{":
            return _OBJECT.decode(octets)
        case b"[":
            return _ARRAY.decode(octets)
    return value


def _as_text(octets: bytes) -> str | None:
    try:
        content = octets.decode()
    except UnicodeDecodeError:
        return None
    return None if _CONTROLS.search(content) else content


def _whole_characters(octets: bytes) -> bytes:
    """Without the beginning of a character at the end that goes on behind it."""
    try:
        octets.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return octets[: error.start]
    return octets


def _next(start: int, piece: bytes, octets: bytes) -> int | None:
    after = start + len(piece)
    return after if after < len(octets) else None
