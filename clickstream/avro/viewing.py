"""Records that a person looks at: Avro is shown as JSON, and what cannot be is said once."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from clickstream.avro.codec import Decoder, NotAvro, RegistryAway, UnknownSchema
from clickstream.avro.registry import Registry
from clickstream.avro.unknown import UNKNOWN_FOR_S
from clickstream.avro.wire import is_framed, schema_id_of
from clickstream.errors import ClickstreamError

log = logging.getLogger(__name__)

# A registry is not asked for each record of a topic that only looks like Avro.
REST_S = 10.0
SAID_AT_MOST = 100


class Message(Protocol):
    """What of a client's message is looked at, and replaced."""

    def topic(self) -> str | None: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def set_key(self, key: bytes) -> None: ...
    def set_value(self, value: bytes) -> None: ...


@dataclass(frozen=True)
class Looked:
    """What a key or a value in the wire format is. `json` None: it cannot be read, as `words` say."""

    schema_id: int
    name: str | None
    json: bytes | None
    words: str = ""


class Viewer:
    """Replaces keys and values that are Avro by JSON. May be used from any thread."""

    def __init__(self, registry: Registry, leave: Collection[str] = ()) -> None:
        """Records of the topics `leave` stay as they are."""
        self._registry = registry
        self._leave = frozenset(leave)
        self._decoder = Decoder(registry)
        self._decoders: dict[tuple[str | None, str], Decoder] = {}  # of the keys and the values of each topic
        self._said: set[str] = set()

    def open(self, message: Message) -> None:
        """What is not Avro, or of an unknown schema, stays as it is. Raises ClickstreamError without a registry."""
        if message.topic() in self._leave:
            return
        if (value := self._opened(message, "value", message.value())) is not None:
            message.set_value(value)
        if (key := self._opened(message, "key", message.key())) is not None:
            message.set_key(key)

    def look(self, octets: bytes) -> Looked | None:
        """What these are, for one who looks at them; None if they are not in the wire format. Raises nothing."""
        if not is_framed(octets):
            return None
        schema_id = schema_id_of(octets)
        try:
            return Looked(schema_id, self._decoder.name(octets), self._decoder.to_json(octets))
        except (NotAvro, UnknownSchema, ClickstreamError) as problem:
            return Looked(schema_id, None, None, str(problem))
        except RegistryAway as away:
            return Looked(schema_id, None, None, f"the schema registry at {away}")

    def _opened(self, message: Message, part: str, octets: bytes | None) -> bytes | None:
        if not octets or octets[0] != 0:
            return None
        try:
            return self._decoder_of(message.topic(), part).to_json(octets)
        except (NotAvro, UnknownSchema) as problem:
            said = f"A record of {message.topic()} is shown as it is: {problem}."
            if said not in self._said and len(self._said) < SAID_AT_MOST:
                self._said.add(said)
                log.warning("%s", said)
            return None
        except RegistryAway as away:
            raise ClickstreamError(f"The schema registry at {away}.") from None

    def _decoder_of(self, topic: str | None, part: str) -> Decoder:
        found = self._decoders.get((topic, part))
        if found is None:
            made = Decoder(self._registry, unknown_for_s=UNKNOWN_FOR_S, rest_s=REST_S)
            found = self._decoders.setdefault((topic, part), made)
        return found
