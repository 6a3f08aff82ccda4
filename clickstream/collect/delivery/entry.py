"""What the spool holds of an Outgoing."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from clickstream.collect.model import Record

_Headers = list[tuple[str, bytes | None]]


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """Records that are delivered together; `at` is when they came, in epoch ms."""

    at: int
    id: str | None
    records: list[tuple[str, bytes | None, bytes | None, _Headers | None]]

    @property
    def outgoing(self) -> list[Record]:
        """As they were."""
        return [Record(*record) for record in self.records]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def encoded(at: int, id_: str | None, records: Sequence[Record]) -> bytes:
    """For the spool; `at` in epoch ms."""
    return _encoder.encode((at, id_, [_plain(record) for record in records]))


def decoded(payload: bytes) -> Entry:
    """Raises msgspec.MsgspecError for what is no entry."""
    return _decoder.decode(payload)


def _plain(record: Record) -> Record:
    """Texts of headers as bytes, as they are in Kafka: a decoder cannot tell them from each other."""
    if not record.headers:
        return record
    headers = [(name, value.encode() if isinstance(value, str) else value) for name, value in record.headers]
    return replace(record, headers=headers)
