"""Environment variables: how those of settings and options are named, and which of the same look are others'."""

import re

ENVIRONMENT_PREFIX = "CLICKSTREAM_"

# What every long-running command can be told besides its settings. A test compares this with the command line.
_OPTIONS = {
    "demo": ("duration", "only"),
    "run-producer": ("count", "duration", "seed", "event", "quiet"),
    "run-counter": ("group", "emit", "exit-at-end", "quiet"),
    "replay": ("shift-to-now", "quiet"),
    "topics-produce": ("key", "quiet"),
    **dict.fromkeys(
        ("generate-web", "generate-vip"),
        (
            *("count", "duration", "users", "skew", "seed", "start", "event-rate", "sessions", "rate-schedule"),
            *("late", "late-by", "malformed", "quiet"),
        ),
    ),
    "tables-run": (
        *("exit-at-end", "emit", "early-interval", "idle-timeout", "max-ahead", "late-topic", "memory", "quiet"),
        "set",
    ),
    "flink-run": ("exit-at-end", "parallelism", "set"),
}
OPTIONS = tuple(f"{command}.{option}" for command, options in _OPTIONS.items() for option in options)
"""The options of long-running commands that are no settings, as `command.option`."""


def variable_of(name: str) -> str:
    """The variable of a setting or option: `run-producer.rate` is CLICKSTREAM_RUN_PRODUCER_RATE."""
    return ENVIRONMENT_PREFIX + name.upper().replace("-", "_").replace(".", "_")


# An environment lasts longer than one start: a counter in a pod would forget its counts whenever it is restarted.
ONE_START = {
    variable_of(f"{command}.{option}"): f"--{option}"
    for command in ("run-counter", "tables-run")
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
