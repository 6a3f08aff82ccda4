"""What the tests of running tables share: shipped files on topics of their own, and what results hold."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from clickstream.config import config_dir
from clickstream.kafka.clients import Cluster
from clickstream.tables.engine.engine import Engine
from clickstream.tables.engine.fingerprint import statements_of
from clickstream.tables.engine.options import EngineOptions
from clickstream.tables.sql.check import VARIABLES, check_file
from tests.integration.support import Done, records, run

Rows = dict[str, dict[str, Any]]
SOURCES = ("clickstream", "clickstream_codes", "clickstream_users", "event-topic", "vip-clicks", "vip-users")


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


def engine_of(kafka: str, path: Path, **changes: Any) -> Engine:
    """A file's engine in this process; it has the same state as the command."""
    checked = check_file(path, VARIABLES)
    assert not checked.problems, checked.render()
    options = EngineOptions(
        name=path.stem,
        state_dir=path.parent / "state" / "tables" / path.stem,
        group=f"clickstream-tables-{path.stem}",
        dead_letter_topic=f"{path.stem}-dead",
        idle_timeout=0.0,
    )
    return Engine(Cluster(kafka), checked.program, statements_of(checked), replace(options, **changes))
