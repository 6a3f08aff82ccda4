"""What the tests of running tables share: shipped files on topics of their own, and what results hold."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clickstream.config import config_dir
from clickstream.kafka.admin import cluster_id
from clickstream.kafka.clients import Cluster
from clickstream.tables.engine.engine import Engine
from clickstream.tables.engine.fetching.process import ReadingProcess
from clickstream.tables.engine.options import EngineOptions
from clickstream.tables.engine.state.place import FILE, directory_of
from clickstream.tables.engine.state.statements import statements_of
from clickstream.tables.sql.check import VARIABLES, check_file
from tests.integration.support import Done, records, run
from tests.support import PATIENCE, wait_until

Rows = dict[str, dict[str, Any]]
SOURCES = (
    "clickstream",
    "clickstream_codes",
    "clickstream_users",
    "event-topic",
    "vip-clicks",
    "vip-users",
    "web-events",
)


def shipped(name: str, directory: Path, source: str, result: str) -> Path:
    """A shipped file in `directory`, reading topics `<source>-...` and writing topics `<result>-...`."""
    text = (config_dir() / "tables" / f"{name}.sql").read_text("utf-8")

    def renamed(match: re.Match[str]) -> str:
        return f"'topic' = '{source if match[1] in SOURCES else result}-{match[1]}'"

    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.sql"
    path.write_text(re.sub(r"'topic' = '([^']+)'", renamed, text), "utf-8")
    return path


def targets(path: Path) -> dict[str, bool]:
    """The topics that a file writes, and whether their rows have keys."""
    text = path.read_text("utf-8")
    written = set(re.findall(r"INSERT INTO (\w+)", text))
    found = {}
    for table, connector, topic in re.findall(
        r"CREATE TABLE (\w+) \(.*?'connector' = '([\w-]+)',\s*'topic' = '([^']+)'", text, re.DOTALL
    ):
        if table in written:
            found[topic] = connector == "upsert-kafka"
    return found


def table(kafka: str, topic: str) -> Rows:
    """The latest row of each key, without deleted ones and without early ones; keys are as they are in Kafka."""
    rows: Rows = {}
    for record in records(kafka, topic):
        key = (record.key() or b"").decode()
        value = record.value()
        if value is None:
            rows.pop(key, None)
        elif dict(record.headers() or []).get("final") != b"0":
            rows[key] = json.loads(value)
    return rows


def stream(kafka: str, topic: str) -> Counter[tuple[bytes | None, bytes | None]]:
    """All rows of an append-only topic."""
    return Counter((record.key(), record.value()) for record in records(kafka, topic))


def same_results(kafka: str, one: Path, other: Path) -> None:
    """Tables have the same rows, streams the same rows as often."""
    for (topic, keyed), expected in zip(targets(one).items(), targets(other), strict=True):
        read: Callable[[str, str], object] = table if keyed else stream
        found, wanted = read(kafka, topic), read(kafka, expected)
        assert found, topic
        assert found == wanted, topic


def generate(kafka: str, source: str, *options: str) -> None:
    """Web clicks, codes and users in `<source>-...`."""
    names = ["--topic", f"{source}-clickstream"]
    names += ["--codes-topic", f"{source}-clickstream_codes", "--users-topic", f"{source}-clickstream_users"]
    done = run("generate", "web", "-b", kafka, *names, "--quiet", "--rate", "max", *options, timeout=120)
    assert done.code == 0, done.said


def tables(kafka: str, path: Path, *options: str, timeout: float = 120.0) -> Done:
    """`tables run` to the end of the topics; the state is beside the file."""
    return run(*command(kafka, path, *options), "--exit-at-end", timeout=timeout)


def command(kafka: str, path: Path, *options: str) -> list[str]:
    return [
        *("tables", "run", str(path), "-b", kafka, "--quiet", "--state-dir", str(path.parent / "state")),
        *("--dead-letter-topic", f"{path.stem}-dead", *options),
    ]


def state_of(kafka: str, path: Path) -> Path:
    """The database of a file's state."""
    return directory_of(path.parent / "state", cluster_id(Cluster(kafka)), path.stem) / FILE


def engine_of(kafka: str, path: Path, **changes: Any) -> Engine:
    """A file's engine in this process; it has the same state as the command."""
    checked = check_file(path, VARIABLES)
    assert not checked.problems, checked.render()
    cluster = Cluster(kafka)
    options = EngineOptions(
        name=path.stem,
        state_dir=state_of(kafka, path).parent,
        group=f"clickstream-tables-{path.stem}",
        dead_letter_topic=f"{path.stem}-dead",
        idle_timeout=0.0,
    )
    return Engine(cluster, checked.program, statements_of(checked), replace(options, **changes))


# --- small files of SQL over made-up clicks

START = 1_700_000_040  # s: 2023-11-14 22:14:00 UTC, the start of a minute
CLICKS = """
SET 'table.exec.sink.require-on-conflict' = 'false';
CREATE TABLE clicks (
  ip STRING, userid INT, status INT, `bytes` BIGINT, `_time` BIGINT,
  ts AS TO_TIMESTAMP_LTZ(`_time`, 3),
  p INT METADATA FROM 'partition' VIRTUAL,
  o BIGINT METADATA FROM 'offset' VIRTUAL,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json', 'json.ignore-parse-errors' = 'true');
"""
WINDOW_COLUMNS = "window_start TIMESTAMP(3), window_end TIMESTAMP(3)"
MINUTES = f"""
CREATE TABLE per_min ({WINDOW_COLUMNS}, hits BIGINT, PRIMARY KEY (window_start) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka', 'topic' = '{{topic}}-per_min',
  'properties.bootstrap.servers' = '${{{{BOOTSTRAP_SERVERS}}}}', 'key.format' = 'json', 'value.format' = 'json');
INSERT INTO per_min SELECT window_start, window_end, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
"""


def upsert(name: str, columns: str, key: str) -> str:
    """CREATE TABLE for the topic `<topic>-<name>`, with a primary key."""
    return (
        f"CREATE TABLE {name} ({columns}, PRIMARY KEY ({key}) NOT ENFORCED) WITH ('connector' = 'upsert-kafka', "
        f"'topic' = '{{topic}}-{name}', 'properties.bootstrap.servers' = '${{{{BOOTSTRAP_SERVERS}}}}', "
        "'key.format' = 'json', 'value.format' = 'json');\n"
    )


def appended(name: str, columns: str) -> str:
    """CREATE TABLE for the append-only topic `<topic>-<name>`."""
    return (
        f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'kafka', 'topic' = '{{topic}}-{name}', "
        "'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}', 'format' = 'json');\n"
    )


def script(directory: Path, topic: str, *statements: str, name: str = "file") -> Path:
    """A file that reads `clicks` from `topic`; `{topic}` in its statements is the topic's name."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.sql"
    path.write_text("".join((CLICKS, *statements)).format(topic=topic))
    return path


def click(second: float, **fields: Any) -> bytes:
    """A click so many seconds after START."""
    return json.dumps({"ip": "a", "status": 200, **fields, "_time": int((START + second) * 1000)}).encode()


def to_end(kafka: str, path: Path, **changes: Any) -> Engine:
    """The engine of a file after it has read everything there was."""
    engine = engine_of(kafka, path, exit_at_end=True, **changes)
    engine.run(threading.Event())
    return engine


class AtWork:
    """An engine in a thread. `raised` is what it ended with."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.raised: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.engine.run(self._stop)
        except BaseException as problem:  # noqa: BLE001 - handed to the test
            self.raised = problem

    def until(self, condition: Callable[[], Any], what: str, timeout: float = 120.0) -> None:
        """Wait for a condition; an engine that fails meanwhile fails the test."""
        wait_until(lambda: self.raised is not None or condition(), timeout, lambda: f"{what}; {self.engine.totals()}")
        if self.raised is not None:
            raise self.raised

    def until_read(self, rows: int) -> None:
        """Wait until it has taken in so many rows."""
        self.until(lambda: self.engine.totals()["rows"] >= rows, f"{rows} rows")

    @property
    def reader(self) -> int:
        """The id of the process that reads for it."""
        reading = self.engine._process
        assert isinstance(reading, ReadingProcess)
        assert reading._process is not None
        return reading._process.pid

    def end(self) -> None:
        self._stop.set()
        self._thread.join(30 * PATIENCE)
        assert not self._thread.is_alive()


@contextmanager
def at_work(engine: Engine) -> Iterator[AtWork]:
    """The engine at work until the block ends. Raises what the engine raised, if the block has not."""
    work = AtWork(engine)
    try:
        yield work
    finally:
        work.end()
    if work.raised is not None:
        raise work.raised


def minute(number: int) -> str:
    """The start of a minute after START, as the results write it."""
    return datetime.fromtimestamp(START + 60 * number, UTC).strftime("%Y-%m-%d %H:%M:%S")


def per_minute(kafka: str, topic: str, column: str = "hits") -> dict[int, Any]:
    """A column of the final rows of a table with a row per minute, by number of the minute."""
    starts = {minute(number): number for number in range(-5, 200)}
    return {starts[row["window_start"]]: row[column] for row in table(kafka, topic).values()}
