"""One table of settings and where their values come from.

`config/clickstream.toml` < `--config FILE` < environment < command-line options. Properties of the Kafka
client are not settings of ours: they pass verbatim to librdkafka from `[kafka]`, `[producer]`, `[consumer]`,
`KAFKA_*` variables, `--kafka-config` and `-X`. `Config` knows where each of them came from.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickstream.durations import seconds
from clickstream.errors import ConfigError
from clickstream.kafka import given, properties
from clickstream.shipped import config_dir as config_dir
from clickstream.spelling import nearest
from clickstream.variables import ENVIRONMENT_PREFIX, ONE_START, OPTIONS, is_of_kubernetes, variable_of

_UNITS = {"M": 10**6, "G": 10**9, "T": 10**12}

# Read directly by the code that needs them before any setting is known, or by the tests: not settings.
ENVIRONMENT_NOT_SETTINGS = frozenset(
    {
        "CLICKSTREAM_CACHE_DIR",
        "CLICKSTREAM_REQUIRE_ALL",
        "CLICKSTREAM_SHARED_DATA",
        "CLICKSTREAM_SINK_OPENSEARCH",
        "CLICKSTREAM_SINK_RABBITMQ",
        "CLICKSTREAM_SINK_WEBHOOK",
        "CLICKSTREAM_SCHEMA_REGISTRY_CREDENTIALS",
        "CLICKSTREAM_COMPLETE",
        "CLICKSTREAM_CONFIG",
        "CLICKSTREAM_KAFKA_CONFIG",
        "CLICKSTREAM_SINK_POSTGRES",
        "CLICKSTREAM_VERBOSE",
    }
)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a text in quotes is expected")
    return value


def topic_name(value: Any) -> str:
    """A legal Kafka topic name: https://kafka.apache.org/documentation/#topicnaming (org.apache.kafka Topic)."""
    name = _text(value)
    legal = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    if not 0 < len(name) <= 249 or not set(name) <= legal or name in (".", ".."):
        raise ValueError("a topic name has 1 to 249 letters, digits, '.', '_' and '-'")
    return name


def _field(value: Any) -> str:
    name = _text(value)
    if not name or not name.isprintable() or set(name) & {'"', "\\"}:
        raise ValueError("a field's name, printable and without quotes and backslashes, is expected")
    return name


def _whole(minimum: int, maximum: int) -> Callable[[Any], int]:
    def cast(value: Any) -> int:
        number = int(value) if isinstance(value, str) and value.strip().lstrip("-").isdigit() else value
        if not isinstance(number, int) or isinstance(number, bool) or not minimum <= number <= maximum:
            raise ValueError(f"a whole number from {minimum} to {maximum:,} is expected")
        return number

    return cast


def positive(value: Any) -> float:
    """A number above 0; raises ValueError for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if isinstance(value, bool) or not 0 < number < 1e12:
        raise ValueError("a number above 0 is expected")
    return number


def size_in_bytes(value: Any) -> int:
    """Of a text such as 500MB, 10GB or 1.5 TB; raises ValueError for anything else, or less than 100 MB."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MGT])B", str(value).strip(), re.IGNORECASE)
    size = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if size < _UNITS["M"] * 100:
        raise ValueError("a size such as 10GB is expected, 100MB or more")
    return size


def _size(value: Any) -> str:
    size_in_bytes(value)
    return str(value)


def _not_negative(value: Any) -> float:
    if value in (0, "0"):
        return 0.0
    try:
        return positive(value)
    except ValueError:
        raise ValueError("a number, 0 or more, is expected") from None


def _or_max(value: Any) -> float:
    """A positive number, or infinity for `max`."""
    if value == "max" or value == float("inf"):
        return float("inf")
    try:
        return positive(value)
    except ValueError:
        raise ValueError("a number above 0, or max, is expected") from None


def _one_of(*choices: str) -> Callable[[Any], str]:
    def cast(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)} is expected")
        return str(value)

    return cast


@dataclass(frozen=True)
class Setting:
    """One setting; `cast` turns text or a TOML value into the typed value, or raises ValueError."""

    name: str
    default: Any
    cast: Callable[[Any], Any]
    help: str
    metavar: str

    @property
    def environment(self) -> str:
        """The variable that sets it: `run-producer.rate` is CLICKSTREAM_RUN_PRODUCER_RATE."""
        return variable_of(self.name)


_port = _whole(0, 65_535)

SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            "state-dir",
            "",
            _text,
            "Where the embedded Kafka, tables and Flink keep their data (default: per user).",
            "DIR",
        ),
        Setting(
            "java", "auto", _one_of("auto", "wheel", "PATH"), "Which Java runs the embedded Kafka and Flink.", "WHICH"
        ),
        Setting("metrics-host", "127.0.0.1", _text, "Address to serve metrics on; 0.0.0.0: every network.", "HOST"),
        Setting("metrics-port", 0, _port, "Serve Prometheus metrics on this port (0: off).", "PORT"),
        Setting("dead-letter-topic", "clickstream-dead-letter", topic_name, "Where unreadable records go.", "TOPIC"),
        Setting("status-topic", "clickstream-status", topic_name, "Where long-running parts say how they do.", "TOPIC"),
        Setting(
            "control-topic", "clickstream-control", topic_name, "Where running parts are told what to do.", "TOPIC"
        ),
        Setting(
            "sink-topic",
            "clickstream-sinks",
            topic_name,
            "Where sinks keep their places whose targets hold none.",
            "TOPIC",
        ),
        Setting("schema-registry", "", _text, "Where schemas of Avro are: the URL of a schema registry.", "URL"),
        Setting("schema-registry-ca", "", _text, "Whose certificates are trusted there: a PEM file.", "FILE"),
        Setting("broker.port", 9092, _whole(1, 65_535), "Port of the embedded Kafka.", "PORT"),
        Setting("broker.heap", "512m", _text, "Java heap of the embedded Kafka (-Xmx).", "SIZE"),
        Setting("broker.disk", "10GB", _size, "What the embedded Kafka's records may take on the disk.", "SIZE"),
        Setting("broker.linger", 60.0, seconds, "How long the embedded Kafka stays after its last user.", "TIME"),
        Setting("run-producer.topic", "event-topic", topic_name, "Topic to produce to.", "TOPIC"),
        Setting("run-producer.rate", 1000.0, _or_max, "Events per second over all threads, or max.", "R"),
        Setting("run-producer.threads", 1, _whole(1, 64), "Producing threads; one fills two cores.", "T"),
        Setting("run-counter.from-topic", "event-topic", topic_name, "Topic to count.", "TOPIC"),
        Setting("run-counter.to-topic", "unique-event-topic", topic_name, "Topic for the tallies.", "TOPIC"),
        Setting(
            "run-counter.field",
            "eventName",
            _field,
            "JSON field whose values are counted; a.b is b of the object a.",
            "FIELD",
        ),
        Setting("run-counter.interval", 1.0, seconds, "Time between tallies.", "TIME"),
        Setting("demo.group", "clickstream-demo", _text, "Consumer group of the demo's counter.", "GROUP"),
        Setting("replay.topic", "clickstream", topic_name, "Topic for the log's requests.", "TOPIC"),
        Setting("replay.speed", float("inf"), _or_max, "Times the log's own pace, or max.", "N"),
        Setting("generate-web.topic", "clickstream", topic_name, "Topic for the clicks.", "TOPIC"),
        Setting("generate-web.codes-topic", "clickstream_codes", topic_name, "Topic for the status codes.", "TOPIC"),
        Setting("generate-web.users-topic", "clickstream_users", topic_name, "Topic for the users.", "TOPIC"),
        Setting("generate-web.rate", 50.0, _or_max, "Clicks sent per second, or max.", "R"),
        Setting("generate-vip.topic", "vip-clicks", topic_name, "Topic for the clicks.", "TOPIC"),
        Setting("generate-vip.users-topic", "vip-users", topic_name, "Topic for the customers.", "TOPIC"),
        Setting("generate-vip.rate", 50.0, _or_max, "Clicks sent per second, or max.", "R"),
        Setting("collect.host", "127.0.0.1", _text, "Address to collect on; 0.0.0.0: every network.", "HOST"),
        Setting("collect.port", 8322, _port, "Port of the collector (0: any free one).", "PORT"),
        Setting("collect.topic", "web-events", topic_name, "Topic for the events.", "TOPIC"),
        Setting("collect.clicks-topic", "clickstream", topic_name, "Topic for people's page views as clicks.", "TOPIC"),
        Setting("collect.loss-topic", "web-events-loss", topic_name, "Topic for what is missing, by hour.", "TOPIC"),
        Setting("collect.workers", 1, _whole(1, 64), "Processes that collect; one fills a core.", "N"),
        Setting(
            "collect.ack",
            "kafka",
            _one_of("kafka", "queue"),
            "Answer when Kafka (or the spool) has the event, or when it is queued for it.",
            "WHEN",
        ),
        Setting(
            "collect.spool-dir",
            "",
            _text,
            "Where events wait that Kafka does not take (default: in the state directory).",
            "DIR",
        ),
        Setting("collect.spool-size", "1GB", _size, "What the spool may take on the disk.", "SIZE"),
        Setting("collect.geo-db", "", _text, "Where addresses are: a MaxMind DB file (.mmdb).", "FILE"),
        Setting(
            "collect.rate-limit",
            100.0,
            _not_negative,
            "Requests per second of one address, to each worker (0: any).",
            "R",
        ),
        Setting("collect.max-body", 262_144, _whole(1_024, 2**24), "Bytes of a request's body.", "BYTES"),
        Setting("shop.host", "127.0.0.1", _text, "Address to serve the shop on; 0.0.0.0: every network.", "HOST"),
        Setting("shop.port", 8323, _port, "Port of the shop (0: any free one).", "PORT"),
        Setting(
            "shop.collector",
            "http://127.0.0.1:8322",
            _text,
            "Where the browsers of the shop's visitors find the collector.",
            "URL",
        ),
        Setting("ui.host", "127.0.0.1", _text, "Address to serve the dashboard on; 0.0.0.0: every network.", "HOST"),
        Setting("ui.port", 8321, _port, "Port of the dashboard (0: any free one).", "PORT"),
        Setting(
            "ui.archive",
            "",
            _text,
            "Of `sink parquet`: where the dashboard's sums find clicks that their topic holds no more.",
            "DIR",
        ),
        Setting("ui.history", 3600.0, seconds, "How far back the dashboard's pages look.", "TIME"),
        Setting(
            "ui.geo-db",
            "",
            _text,
            "Where addresses are: a MaxMind DB file (.mmdb), or made-up for those that `generate web` makes up.",
            "FILE",
        ),
    )
}


@dataclass(frozen=True)
class Value:
    """A setting's value and where it came from, for messages and `config show`."""

    value: Any
    source: str


@dataclass(frozen=True)
class Config:
    """Every setting's value, the options of long-running commands that were set, and the client properties.

    Options are texts by command and option (`run-counter.group`): the command itself knows what they have to be.
    """

    values: dict[str, Value]
    options: dict[str, Value] = field(default_factory=dict)
    clients: given.Sections = field(default_factory=given.nothing)

    def __getitem__(self, name: str) -> Any:
        return self.values[name].value

    def shown(self, name: str) -> str:
        """A setting's value, or that of an option that was set, fit to be shown: what may be secret is "[hidden]"."""
        value = (self.values.get(name) or self.options[name]).value
        parts = value if isinstance(value, tuple) else (str(value),)
        return " ".join(properties.redact({name: part})[name] for part in parts)

    def is_typed(self, name: str) -> bool:
        """Whether a setting was given on the command line of this start."""
        return self.values[name].source.startswith("--")

    def set(self, name: str, value: Any, source: str) -> None:
        """Set a setting, or a command's option, as a place that is stronger than all before says.

        Raises ConfigError for an unknown name and a malformed value, naming both and the place.
        """
        if name in OPTIONS:
            self.options[name] = Value(_option_text(name, value, source), source)
            return
        setting = SETTINGS.get(name)
        if setting is None:
            raise ConfigError(f"Unknown setting {name} in {source}." + _did_you_mean(name, [*SETTINGS, *OPTIONS]))
        try:
            self.values[name] = Value(setting.cast(value), source)
        except ValueError as error:
            raise ConfigError(f"Setting {name} in {source} is {value!r}: {error}.") from None

    def give(self, found: Mapping[str, str], source: str, section: str = "kafka") -> None:
        """Add client properties of a place that is stronger than all before. Raises ConfigError for a refused one."""
        given.add(self.clients, section, {name: given.Property(text, source) for name, text in found.items()})


def load(config_file: Path | None, environ: Mapping[str, str]) -> Config:
    """Settings from the shipped file, then `config_file`, then the environment.

    Raises ConfigError for anything unknown or malformed, naming it, its source and the nearest known name.
    """
    config = Config({name: Value(setting.default, "default") for name, setting in SETTINGS.items()})
    for path in (config_dir() / "clickstream.toml", config_file):
        if path is not None:
            _read_file(config, path)
    _read_environment(config, environ)
    return config


def toml_of(path: Path) -> dict[str, Any]:
    """What a file of TOML holds, with or without the byte order mark that some editors put before it.

    Raises ConfigError, naming the file, when it cannot be read or is malformed.
    """
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None


def _read_file(config: Config, path: Path) -> None:
    tables = toml_of(path)
    for section in given.SECTIONS:
        table = tables.pop(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} must be a table of librdkafka properties: [{section}].")
        source = f"[{section}] of {path}"
        config.give({name: _property_text(name, value, source) for name, value in _flatten(table)}, source, section)
    for name, value in _flatten(tables):
        config.set(name, value, str(path))


def _read_environment(config: Config, environ: Mapping[str, str]) -> None:
    by_variable = {setting.environment: name for name, setting in SETTINGS.items()}
    by_variable |= {variable_of(name): name for name in OPTIONS}
    for variable, text in environ.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or is_of_kubernetes(variable, text):
            continue
        if variable in by_variable:
            config.set(by_variable[variable], text, f"environment variable {variable}")
        elif variable not in ENVIRONMENT_NOT_SETTINGS and not variable.startswith("CLICKSTREAM_TEST_"):
            raise ConfigError(f"Unknown environment variable {variable}." + _what_instead(variable, by_variable))
    for name, text in properties.from_environment(environ).items():
        config.give({name: text}, f"environment variable {properties.variable_of(name)}")


def _what_instead(variable: str, known: Iterable[str]) -> str:
    if variable in ONE_START:
        return f" {ONE_START[variable]} is for one start, and an environment lasts: use the option."
    # Without the prefix: it is alike in all of them and would make any two look near.
    names = {name.removeprefix(ENVIRONMENT_PREFIX): name for name in known}
    hint = nearest(variable.removeprefix(ENVIRONMENT_PREFIX), names)
    return f" Did you mean {names[hint]}?" if hint else ""


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    hint = nearest(name, known)
    return f" Did you mean {hint}?" if hint else ""


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by dotted name: TOML reads an unquoted `bootstrap.servers = ...` as nested tables."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _option_text(name: str, value: Any, source: str) -> str | tuple[str, ...]:
    """As the command line would have it; a list is an option that is repeated."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    if not isinstance(value, str | int | float):
        raise ConfigError(f"Setting {name} in {source} must be a text, a number, true, false or a list of texts.")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _property_text(name: str, value: Any, source: str) -> str:
    if not isinstance(value, str | int | float):
        raise ConfigError(f"Kafka property {name} in {source} must be a text, a number, true or false.")
    return str(value).lower() if isinstance(value, bool) else str(value)
