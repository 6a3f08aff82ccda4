"""Environment variables: how those of settings and options are named, and which of the same look are others'."""

import re

ENVIRONMENT_PREFIX = "CLICKSTREAM_"

# What every sink can be told. Where its target is has a variable of its own: CLICKSTREAM_SINK_RABBITMQ, for example.
_SINK = (*("only", "columns", "key", "value-format", "unknown-schema", "set", "name", "exit-at-end", "early", "quiet"),)
# What every long-running command can be told besides its settings. A test compares this with the command line.
_OPTIONS = {
    "demo": ("duration", "only", "open", "no-ui", "allow-control"),
    "run-producer": ("count", "duration", "seed", "event", "format", "auto-register", "quiet", "allow-control"),
    "run-counter": ("group", "emit", "format", "exit-at-end", "quiet"),
    "replay": ("from-archive", "table", "shift-to-now", "format", "auto-register", "quiet"),
    "topics-produce": ("key", "quiet"),
    **dict.fromkeys(
        ("generate-web", "generate-vip"),
        (
            *("count", "duration", "users", "skew", "seed", "start", "event-rate", "sessions", "rate-schedule"),
            *("late", "late-by", "malformed", "format", "auto-register", "quiet", "allow-control"),
        ),
    ),
    "tables-run": (
        *("exit-at-end", "emit", "early-interval", "idle-timeout", "max-ahead", "late-topic", "memory", "quiet"),
        *("set", "auto-register", "unknown-schema"),
    ),
    "flink-run": ("exit-at-end", "parallelism", "set"),
    "collect": (
        *("allow-origin", "trusted-proxy", "forwarded-header", "full-addresses", "no-clicks", "divolte-js"),
        *("divolte-json", "spool-fsync", "drain-delay", "explain", "format", "auto-register"),
    ),
    "sink-opensearch": (*_SINK, "ca-file", "prefix", "keep-originals"),
    "sink-parquet": (*_SINK, "to", "every", "batch-rows"),
    "sink-postgres": (*_SINK, "dsn", "dsn-file", "schema", "evolve", "jsonb", "keep-originals"),
    "transform": (
        *("from", "to", "function", "grpc", "name", "processes", "in-flight", "deadline", "retries", "exit-at-end"),
        "quiet",
    ),
    "convert": (
        *("from", "to", "to-format", "schema", "subject", "auto-register", "unknown-schema", "name", "exit-at-end"),
        "quiet",
    ),
    "ui": ("open", "public-name", "allow-control", "no-export"),
    "sink-rabbitmq": (*_SINK, "exchange", "routing-key", "queue", "moved"),
    "sink-webhook": (
        *(*_SINK, "format", "template", "from-start", "from", "per-minute", "remember", "only-final"),
        *("sign-key-file", "moved"),
    ),
}
OPTIONS = tuple(f"{command}.{option}" for command, options in _OPTIONS.items() for option in options)
"""The options of long-running commands that are no settings, as `command.option`."""


def variable_of(name: str) -> str:
    """The variable of a setting or option: `run-producer.rate` is CLICKSTREAM_RUN_PRODUCER_RATE."""
    return ENVIRONMENT_PREFIX + name.upper().replace("-", "_").replace(".", "_")


# An environment lasts longer than one start: a counter in a pod would forget its counts whenever it is restarted.
ONE_START = {
    variable_of(f"{command}.{option}"): f"--{option}"
    for command in (
        *("run-counter", "tables-run", "transform", "convert"),
        *("sink-opensearch", "sink-parquet", "sink-postgres", "sink-rabbitmq", "sink-webhook"),
    )
    for option in ("reset", "yes")
}

# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables, and Docker's links, of
# which they are a copy: for a service that is named as we are, or as one of our parts.
_OF_A_SERVICE = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?")
_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


def is_of_kubernetes(variable: str, text: str) -> bool:
    """Whether Kubernetes sets this variable for a service, also where a setting has the same name.

    The service clickstream-metrics is CLICKSTREAM_METRICS_PORT=tcp://10.0.0.1:80, and that of the setting
    metrics-port is a number.
    """
    if variable.endswith("_PORT") and _ADDRESS.match(text):
        return True
    return bool(re.search(f"({_OF_A_SERVICE.pattern})$", variable))
