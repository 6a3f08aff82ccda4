"""Avro to JSON and back, record by record, for a transform: what `clickstream convert` does."""

from collections.abc import Callable

from clickstream.avro.codec import Decoder, Encoder, NoFit, NotAvro, RegistryAway, UnknownSchema
from clickstream.avro.registry import Registry
from clickstream.avro.unknown import UNKNOWN_FOR_S
from clickstream.avro.wire import is_framed
from clickstream.transform.api import Record
from clickstream.transform.local import Local
from clickstream.transform.model import Answered, Failed, FunctionAway, Outcome

# Of a number as Java's LongSerializer writes it: one below 2 ** 56 begins with a zero byte, as Avro does.
LONG_BYTES = 8


def to_json(registry: Registry, *, unknown_waits: bool) -> Local:
    """Values in Avro become JSON, and so do keys that are Avro; a record of an unknown schema waits, or fails.

    A key that can be a number stays one, unless it is Avro of a schema that the registry knows.
    """
    decoder = Decoder(registry, unknown_for_s=0.0 if unknown_waits else UNKNOWN_FOR_S)
    keys = Decoder(registry, unknown_for_s=UNKNOWN_FOR_S)

    def key_of(key: bytes | None) -> bytes | None:
        if key is None or not is_framed(key):
            return key
        try:
            return keys.to_json(key)
        except (NotAvro, UnknownSchema):
            if len(key) == LONG_BYTES:
                return key
            raise

    def convert(record: Record) -> Outcome:
        try:
            value = None if record.value is None else decoder.to_json(record.value)
            key = key_of(record.key)
        except NotAvro as problem:
            return Failed(str(problem), "not-avro")
        except UnknownSchema as problem:
            return FunctionAway(str(problem)) if unknown_waits else Failed(str(problem), "unknown-schema")
        except RegistryAway as away:
            return FunctionAway(str(away))
        return Answered([record.changed(value=value, key=key)])

    return Local(_where(registry), convert, begin=lambda: None)


def to_avro(registry: Registry, encoder: Callable[[], Encoder]) -> Local:
    """Values in JSON become Avro; keys stay. `encoder` raises RegistryAway, and ClickstreamError without a schema."""
    ready: list[Encoder] = []

    def begin() -> None:
        try:
            ready.append(encoder())
        except RegistryAway:
            return  # the first record waits for it

    def convert(record: Record) -> Outcome:
        try:
            if not ready:
                begin()
            if not ready:
                return FunctionAway("no answer")
            value = None if record.value is None else ready[0].encode(record.value)
        except NoFit as problem:
            return Failed(str(problem), "no-fit")
        return Answered([record.changed(value=value)])

    return Local(_where(registry), convert, begin=begin)


def _where(registry: Registry) -> str:
    return f"The schema registry at {registry.where}"
