"""What each command needs to be allowed to: docs/operations.md says the same, and test_permissions.py tries it."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.guarded import Right

STATUS = "clickstream-status"
VISITS = """
SET 'table.exec.sink.require-on-conflict' = 'false';
CREATE TABLE visits (
  eventName STRING,
  `at` BIGINT,
  ts AS TO_TIMESTAMP_LTZ(`at`, 3),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
  'connector' = 'kafka', 'topic' = '{0}-in', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json'
);
CREATE TABLE names (
  eventName STRING,
  window_start TIMESTAMP(3),
  hits BIGINT,
  PRIMARY KEY (eventName, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = '{0}-out', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'key.format' = 'json', 'value.format' = 'json'
);
INSERT INTO names
SELECT eventName, window_start, COUNT(*) AS hits
FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY eventName, window_start, window_end;
"""


def topic(name: str, *operations: str) -> list[Right]:
    return [Right("topic", name, operation) for operation in operations]


def group(name: str, *operations: str) -> list[Right]:
    return [Right("group", name, operation) for operation in operations]


@dataclass(frozen=True)
class Command:
    """A command on topics `<place>-in`, `<place>-out` and so on.

    Without one of `needs` it ends; without one of `uses` it goes on and says what is missing, or has no need of it now.
    """

    words: Callable[[str, Path], list[str]]
    needs: Callable[[str], list[Right]]
    uses: Callable[[str], list[Right]] = field(default=lambda _place: [])


def _counter(place: str, *more: str) -> list[str]:
    return [
        *("run-counter", "--from-topic", f"{place}-in", "--to-topic", f"{place}-out", "--group", f"{place}-group"),
        *("--dead-letter-topic", f"{place}-dead", "--exit-at-end", "--quiet", *more),
    ]


def _counter_needs(place: str) -> list[Right]:
    return [
        *topic(f"{place}-in", "Read"),
        *topic(f"{place}-out", "Read", "Write"),
        *topic(f"{place}-dead", "Write"),
        *topic(f"{place}-group-state", "Read", "Write"),
        *group(f"{place}-group", "Read"),
        Right("transactional id", f"{place}-group", "Write"),
    ]


def _tables(place: str, directory: Path) -> list[str]:
    path = directory / f"{place}.sql"
    path.write_text(VISITS.format(place))
    return [
        *("tables", "run", str(path), "--exit-at-end", "--quiet", "--dead-letter-topic", f"{place}-dead"),
        *("--state-dir", str(directory / place)),
    ]


def _log(directory: Path) -> str:
    path = directory / f"{uuid.uuid4().hex}.log"
    path.write_text('1.2.3.4 - - [10/Oct/2025:13:55:36 +0000] "GET / HTTP/1.1" 200 5 "-" "x"\n' * 20 + "malformed\n")
    return str(path)


COMMANDS = {
    "run-producer": Command(
        lambda place, _: ["run-producer", "--topic", f"{place}-out", "--count", "100", "--rate", "max", "--quiet"],
        lambda place: topic(f"{place}-out", "Write"),
    ),
    "run-producer, creating its topic": Command(
        lambda place, _: ["run-producer", "--topic", f"{place}-new", "--count", "100", "--rate", "max", "--quiet"],
        lambda place: topic(f"{place}-new", "Create", "Write"),
    ),
    "run-counter": Command(lambda place, _: _counter(place), _counter_needs),
    "run-counter --emit each": Command(
        lambda place, _: _counter(place, "--emit", "each"),
        lambda place: [right for right in _counter_needs(place) if right not in topic(f"{place}-out", "Read")],
    ),
    "generate": Command(
        lambda place, _: [
            *("generate", "web", "--count", "50", "--rate", "max", "--quiet", "--topic", f"{place}-clicks"),
            *("--codes-topic", f"{place}-out", "--users-topic", f"{place}-dead"),
        ],
        lambda place: [right for name in ("clicks", "out", "dead") for right in topic(f"{place}-{name}", "Write")],
    ),
    "replay": Command(
        lambda place, directory: [
            *("replay", _log(directory), "--topic", f"{place}-out", "--dead-letter-topic", f"{place}-dead", "--quiet"),
        ],
        lambda place: [*topic(f"{place}-out", "Write"), *topic(f"{place}-dead", "Write")],
    ),
    "tables run": Command(
        _tables,
        lambda place: [
            *topic(f"{place}-in", "Read"),
            *topic(f"{place}-out", "Write"),
            *topic(f"{place}-dead", "Write"),
        ],
        lambda place: group(f"clickstream-tables-{place}", "Read"),
    ),
    "topics list": Command(lambda *_: ["topics", "list"], lambda _: [], lambda place: topic(f"{place}-in", "Describe")),
    "topics describe": Command(
        lambda place, _: ["topics", "describe", f"{place}-in"],
        lambda place: topic(f"{place}-in", "Describe"),
        lambda place: topic(f"{place}-in", "DescribeConfigs"),
    ),
    "topics tail": Command(
        lambda place, _: ["topics", "tail", f"{place}-in", "--from", "beginning", "-n", "5"],
        lambda place: topic(f"{place}-in", "Read"),
    ),
    "groups list": Command(
        lambda *_: ["groups", "list"], lambda _: [], lambda place: group(f"{place}-group", "Describe")
    ),
    "status": Command(lambda *_: ["status"], lambda _: topic(STATUS, "Read")),
}
