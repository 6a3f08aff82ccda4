"""The closed lists of table options and SET keys: which there are, their values, and which have an effect here."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from clickstream.config import topic_name

KAFKA, UPSERT = "kafka", "upsert-kafka"
AVRO = "avro-confluent"


def _any(_text: str) -> str:
    return ""


def _one_of(*choices: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        return "" if text.lower() in [choice.lower() for choice in choices] else f"Supported: {', '.join(choices)}."

    return check


def _whole(text: str) -> str:
    return "" if text.isdigit() else "A whole number is expected."


def _topic(text: str) -> str:
    try:
        topic_name(text)
    except ValueError as error:
        return f"{str(error)[:1].upper()}{str(error)[1:]}. One table reads one topic."
    return ""


_DURATION = re.compile(
    r"(\d+)\s*(ms|milli|millis|millisecond|milliseconds|s|sec|secs|second|seconds|m|min|minute|minutes|h|hour|hours|d|day|days)?"
)
_UNIT_MS = {"": 1, "m": 60_000, "s": 1000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(text: str) -> int | None:
    """Flink's way to write a duration (`2 s`, `500 ms`, `1min`; a bare number is ms) as ms; None if it is none."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        return None
    unit = match[2] or ""
    return int(match[1]) * (1 if unit.startswith("mil") or unit == "ms" else _UNIT_MS[unit[:1]])


def _duration(text: str) -> str:
    return "" if duration_ms(text) is not None else "A duration is expected, for example 2 s."


def _url(text: str) -> str:
    return "" if text.startswith(("http://", "https://")) else "A URL is expected, as http://localhost:8081."


@dataclass(frozen=True)
class AvroOptions:
    """Where a table's schemas are. `user_info` is user:password, `ca` a file of certificates that are trusted there."""

    url: str
    subject: str
    user_info: str | None
    ca: str | None = None


@dataclass(frozen=True)
class Option:
    """One option of a table; `here`: it has an effect in this engine, otherwise it only steers Flink."""

    name: str
    connectors: tuple[str, ...] = (KAFKA, UPSERT)
    check: Callable[[str], str] = _any
    here: bool = True


_JSON = (
    ("ignore-parse-errors", _one_of("true", "false"), True),
    ("fail-on-missing-field", _one_of("false"), True),
    ("timestamp-format.standard", _one_of("SQL", "ISO-8601"), True),
    ("encode.ignore-null-fields", _one_of("true", "false"), True),
    ("encode.decimal-as-plain-number", _any, False),
    ("map-null-key.mode", _any, False),
    ("map-null-key.literal", _any, False),
)

_AVRO = (
    ("url", _url, True),
    ("subject", _any, True),
    ("basic-auth.credentials-source", _one_of("USER_INFO"), True),
    ("basic-auth.user-info", _any, True),
    ("ssl.truststore.location", _any, True),
)

OPTIONS = {
    option.name: option
    for option in (
        Option("connector", check=_one_of(KAFKA, UPSERT)),
        Option("topic", check=_topic),
        Option("format", (KAFKA,), _one_of("json", AVRO)),
        Option("key.format", check=_one_of("json", "raw", AVRO)),
        Option("key.fields", (KAFKA,)),
        Option("key.fields-prefix"),
        Option("value.format", check=_one_of("json", AVRO)),
        Option("value.fields-include", check=_one_of("ALL", "EXCEPT_KEY")),
        Option("scan.startup.mode", (KAFKA,), _one_of("earliest-offset", "latest-offset", "timestamp")),
        Option("scan.startup.timestamp-millis", (KAFKA,), _whole),
        Option("scan.bounded.mode", check=_one_of("unbounded", "latest-offset")),
        Option("scan.watermark.idle-timeout", check=_duration),
        Option("scan.watermark.emit.strategy", check=_one_of("on-event", "on-periodic"), here=False),
        *(Option(f"scan.watermark.alignment.{name}", here=False) for name in ("group", "max-drift", "update-interval")),
        Option("scan.topic-partition-discovery.interval", (KAFKA,), _duration, here=False),
        Option("scan.parallelism", check=_whole, here=False),
        Option("sink.parallelism", check=_whole, here=False),
        Option("sink.partitioner", (KAFKA,), _one_of("default")),
        Option("sink.delivery-guarantee", check=_one_of("none", "at-least-once", "exactly-once"), here=False),
        Option("sink.transactional-id-prefix", here=False),
        Option("sink.buffer-flush.max-rows", (UPSERT,), _whole, here=False),
        Option("sink.buffer-flush.interval", (UPSERT,), _duration, here=False),
        *(Option(f"json.{name}", (KAFKA,), check, here) for name, check, here in _JSON),
        *(Option(f"key.json.{name}", check=check, here=here) for name, check, here in _JSON),
        *(Option(f"value.json.{name}", check=check, here=here) for name, check, here in _JSON),
        *(Option(f"{AVRO}.{name}", (KAFKA,), check, here) for name, check, here in _AVRO),
        *(Option(f"key.{AVRO}.{name}", check=check, here=here) for name, check, here in _AVRO),
        *(Option(f"value.{AVRO}.{name}", check=check, here=here) for name, check, here in _AVRO),
    )
}

# Names of the Kafka client that Flink uses; here the connection is the program's own.
PROPERTIES = re.compile(
    r"properties\.(bootstrap\.servers|group\.id|client\.(id|rack)|security\.(protocol|providers)|(sasl|ssl)\.[a-z.]+"
    r"|auto\.offset\.reset|isolation\.level|partition\.discovery\.interval\.ms|allow\.auto\.create\.topics|check\.crcs"
    r"|(fetch|max|receive|send|request|reconnect|retry|retries|connections|metadata|default|session|heartbeat)[a-z.]*"
    r"|acks|batch\.size|buffer\.memory|compression\.[a-z.]+|delivery\.timeout\.ms|linger\.ms|enable\.[a-z.]+"
    r"|transaction\.timeout\.ms)"
)


@dataclass(frozen=True)
class Setting:
    """One SET key. `prefix`: all keys that begin with the name."""

    name: str
    check: Callable[[str], str] = _any
    here: bool = False
    prefix: bool = False


SETTINGS = (
    Setting("table.exec.sink.not-null-enforcer", _one_of("ERROR", "DROP"), here=True),
    Setting("table.exec.sink.require-on-conflict", _one_of("true", "false"), here=True),
    Setting("table.exec.source.idle-timeout", _duration, here=True),
    Setting("table.local-time-zone", _one_of("UTC"), here=True),
    Setting("execution.runtime-mode", _one_of("streaming"), here=True),
    Setting("table.exec.legacy-cast-behaviour", _one_of("disabled"), here=True),
    Setting("table.exec.state.ttl", _one_of("0", "0 ms", "0 s"), here=True),
    Setting("table.exec.sink.upsert-materialize"),
    Setting("table.exec.sink.keyed-shuffle"),
    Setting("table.exec.resource.default-parallelism"),
    Setting("table.exec.mini-batch.", prefix=True),
    Setting("table.exec.async-state.", prefix=True),
    Setting("table.optimizer.", prefix=True),
    Setting("table.dml-sync"),
    Setting("parallelism.default"),
    Setting("pipeline.", prefix=True),
    Setting("execution.checkpointing.", prefix=True),
    Setting("execution.savepoint.", prefix=True),
    Setting("state.", prefix=True),
    Setting("restart-strategy", prefix=True),
    Setting("taskmanager.", prefix=True),
    Setting("jobmanager.", prefix=True),
    Setting("rest.", prefix=True),
    Setting("metrics.", prefix=True),
    Setting("sql-client.", prefix=True),
)


def setting(key: str) -> Setting | None:
    """What is known about a SET key."""
    return next((one for one in SETTINGS if key == one.name or (one.prefix and key.startswith(one.name))), None)
