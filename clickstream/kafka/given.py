"""The client properties that a user gives: each with the place where it was given, and the later place wins.

Refused here, by name, place and reason, before any client is built: names that librdkafka does not know, properties
that are ours to set, and values that are no UTF-8 or that the client does not take.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, Producer

from clickstream.errors import ConfigError
from clickstream.kafka import properties
from clickstream.kafka.errors import error_of

SECTIONS = ("kafka", "producer", "consumer")
"""What is for all clients, and what is for those of one kind."""

# Two names of one property, of which librdkafka takes the one that comes last, whoever gave it: here it has one name.
ALIASES = {
    "metadata.broker.list": "bootstrap.servers",
    "sasl.mechanisms": "sasl.mechanism",
    "queue.buffering.max.ms": "linger.ms",
    "compression.codec": "compression.type",
    "request.required.acks": "acks",
    "message.send.max.retries": "retries",
    "delivery.timeout.ms": "message.timeout.ms",
    "max.partition.fetch.bytes": "fetch.message.max.bytes",
    "max.in.flight": "max.in.flight.requests.per.connection",
    "auto.commit.enable": "enable.auto.commit",
    "sasl.oauthbearer.client.credentials.client.id": "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.credentials.client.secret": "sasl.oauthbearer.client.secret",
}


def names_of(name: str) -> list[str]:
    """The name that a property has here, and those by which the client may call it, too."""
    return [name, *(alias for alias, own in ALIASES.items() if own == name)]


_WITH_RESULTS = "offsets are kept together with the results that they account for"
_REPORTS = "every record that is not delivered has to be reported, and no other"
_ALONE = "transactions are named after the group, so that only one member publishes"

# The properties that commands set themselves, with the only value that says the same, and why.
OWNED: dict[str, tuple[str | None, str]] = {
    "group.id": (None, "each command names its group itself: see --group of run-counter"),
    "group.protocol": ("classic", "members share partitions by the classic protocol"),
    "partition.assignment.strategy": (None, "--emit decides how members share the partitions"),
    "enable.auto.commit": ("false", _WITH_RESULTS),
    "enable.auto.offset.store": ("false", _WITH_RESULTS),
    "auto.offset.reset": ("error", "where the offset to read next is gone, a command stops and says so"),
    "enable.partition.eof": ("true", "commands wait for the ends of partitions"),
    "delivery.report.only.error": ("true", _REPORTS),
    "transactional.id": (None, _ALONE),
    "transaction.timeout.ms": (None, _ALONE),
}

_NO_SUCH_PROPERTY = "clickstream.end"


@dataclass(frozen=True)
class Property:
    """A property's value and where it was given, for messages and `config show`."""

    value: str
    source: str


Sections = dict[str, dict[str, Property]]


def nothing() -> Sections:
    """No property in any section."""
    return {name: {} for name in SECTIONS}


def add(sections: Sections, section: str, found: Mapping[str, Property]) -> None:
    """Add what a later place says: it wins, also over what an earlier one says of one kind of client.

    Raises ConfigError for what is refused.
    """
    for name, given in found.items():
        properties.check([name], given.source)
        _refuse_other_bytes(name, given)
        _refuse_ours(name, given)
    # What says the same as we do anyway is left out: the client does not take each of them as a text.
    named = {own: given for name, given in found.items() if (own := ALIASES.get(name, name)) not in OWNED}
    if section == "kafka":
        for other in ("producer", "consumer"):
            for name in named:
                sections[other].pop(name, None)
    elif "bootstrap.servers" in named:
        source = named["bootstrap.servers"].source
        raise ConfigError(f"{source}: the address is that of all clients; write it under [kafka].")
    sections[section].update(named)


def texts(found: Mapping[str, Property]) -> dict[str, str]:
    """The properties as the client takes them."""
    return {name: given.value for name, given in found.items()}


def sources(sections: Sections) -> dict[str, str]:
    """Where each property was given, whatever it is for."""
    return {name: given.source for section in SECTIONS for name, given in sections[section].items()}


def check(sections: Sections) -> None:
    """Raises ConfigError for an empty address, the first value that the client refuses, a login without mechanism."""
    address = sections["kafka"].get("bootstrap.servers")
    if address is not None and not address.value.strip(" ,"):
        raise _refused("bootstrap.servers", address, "the address is empty; without one, the embedded Kafka is used")
    for section in SECTIONS:
        for name, given in sections[section].items():
            _try(name, given)
    common = sections["kafka"]
    protocol = common.get("security.protocol")
    if protocol and protocol.value.lower().startswith("sasl_") and "sasl.mechanism" not in common:
        raise ConfigError(
            f"security.protocol is {protocol.value} ({protocol.source}), but sasl.mechanism is not given. Give it too, "
            "such as sasl.mechanism=PLAIN or SCRAM-SHA-512: the cluster's administrator knows which."
        )


def _refuse_other_bytes(name: str, given: Property) -> None:
    # Bytes of arguments and variables that are no UTF-8 are halves of surrogate pairs in Python's texts (PEP 383): the
    # client raises SystemError for them, or takes a password with them for none.
    try:
        given.value.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"Kafka property {name} in {given.source} is no valid UTF-8.") from None


def _refuse_ours(name: str, given: Property) -> None:
    allowed, reason = OWNED.get(ALIASES.get(name, name), ("", ""))
    if reason and given.value.strip().lower() != allowed:
        raise ConfigError(f"Kafka property {name} in {given.source} is not for setting: {reason}. Leave it out.")


def _try(name: str, given: Property) -> None:
    """Set the property and then one that does not exist: so the client says which it refuses, and none is made."""
    kind = Consumer if name in properties.CONSUMER_ONLY else Producer
    settings = {"group.id": "clickstream", name: given.value, _NO_SUCH_PROPERTY: ""}
    if kind is Producer:
        del settings["group.id"]
    try:
        kind(settings)
    except KafkaException as problem:
        error = error_of(problem)
        reason = (error.str() if error is not None else str(problem)).strip()
        if _NO_SUCH_PROPERTY not in reason:
            raise _refused(name, given, reason) from None
    except (TypeError, ValueError, AttributeError) as problem:
        raise _refused(name, given, str(problem)) from None


def _refused(name: str, given: Property, reason: str) -> ConfigError:
    shown = properties.redact({name: given.value})[name]
    hidden = reason if shown == given.value else reason.replace(given.value, shown)
    return ConfigError(f"Kafka property {name} in {given.source} is {shown!r}: {hidden.rstrip('.')}.")
