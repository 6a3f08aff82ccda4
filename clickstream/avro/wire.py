"""The wire format: a zero byte, the schema's id in four bytes, big-endian, then the record in Avro's binary encoding.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

import struct

MAGIC = 0
_HEADER = struct.Struct(">BI")
HEADER_BYTES = _HEADER.size


class NotAvro(ValueError):
    """A record is not in the wire format, or not as its schema says. The message says what it looks like."""


def framed(schema_id: int, body: bytes) -> bytes:
    """The value of a record whose `body` was written with that schema."""
    return _HEADER.pack(MAGIC, schema_id) + body


def schema_id_of(value: bytes) -> int:
    """The id in front of a value; its body begins at HEADER_BYTES. Raises NotAvro."""
    if len(value) < HEADER_BYTES or value[0] != MAGIC:
        raise NotAvro(f"not Avro of a schema registry: {looks_like(value)}")
    return int(_HEADER.unpack_from(value)[1])


def is_framed(value: bytes | None) -> bool:
    """Whether a value looks as if it were in the wire format: no text and no JSON begins with a zero byte."""
    return value is not None and len(value) > HEADER_BYTES and value[0] == MAGIC


def looks_like(value: bytes) -> str:
    """What a value is that is not in the wire format, for people."""
    if not value:
        return "it is empty"
    first = f"first byte 0x{value[0]:02x}"
    if value[0] == MAGIC:
        return f"it has only {len(value)} of the {HEADER_BYTES} bytes that come before a record"
    if value.startswith(b"Obj\x01"):
        return f"{first} (a container file of Avro)"
    if value.lstrip()[:1] in (b"{", b"["):
        return f"{first} (looks like JSON)"
    try:
        text = value[:200].decode()
    except UnicodeDecodeError as problem:
        # A character may be cut in two at the end.
        text = value[: problem.start].decode() if problem.start > min(len(value), 200) - 4 else ""
    if text and all(one.isprintable() or one.isspace() for one in text):
        return f"{first} (looks like plain text)"
    return f"{first}, where 0x00 is expected"
