"""Files of SQL at work together: each has its own state, a thread, and a process that reads for it."""

import logging
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from clickstream.errors import ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.parts.part import Part, run_noting_failure
from clickstream.parts.renewed import Renewed
from clickstream.parts.threads import Threads
from clickstream.tables.engine.engine import Engine
from clickstream.tables.engine.options import EngineOptions
from clickstream.tables.engine.report import SourceReport
from clickstream.tables.engine.state.place import clusters_with, directory_of
from clickstream.tables.engine.state.statements import statements_of
from clickstream.tables.sql.check import Checked

log = logging.getLogger(__name__)


def name_of(path: Path) -> str:
    """What a file's state, consumer group and metrics are called."""
    return path.stem


def options_for(path: Path, state_dir: Path, cluster_id: str, **others: Any) -> EngineOptions:
    """A file's options, with its state for that cluster, below `state_dir`, and its group named after it."""
    name = name_of(path)
    directory = directory_of(state_dir, cluster_id, name)
    elsewhere = clusters_with(state_dir, name)
    if elsewhere and directory.parent.name not in elsewhere:
        log.warning(
            "There is a state of %s for another Kafka cluster (%s), none for this one (%s): it begins from the start.",
            *(name, ", ".join(elsewhere), cluster_id),
        )
    return EngineOptions(name=name, state_dir=directory, group=f"clickstream-tables-{name}", **others)


def check_names(paths: Sequence[Path]) -> None:
    """Raises ConfigError when two files would share a state."""
    twice = [name for name, count in Counter(map(name_of, paths)).items() if count > 1]
    if twice:
        raise ConfigError(f"Two files are called {twice[0]}: they would share their state. Rename one.")


def check_topics(checked: Sequence[Checked], others: Mapping[str, str | None]) -> None:
    """Raises ConfigError when two would write one topic, or one of `others`, by option, is a table's topic."""
    targets = [insert.target for found in checked for insert in found.program.inserts]
    writers = Counter(target.topic for target in targets)
    for target in targets:
        if writers[target.topic] > 1:
            raise ConfigError(
                f"Topic {target.topic} would be written by {writers[target.topic]} INSERTs: choose others."
            )
    taken = {table.topic: f"table {name}" for found in checked for name, table in found.program.tables.items()}
    for option, topic in others.items():
        if topic in taken:
            raise ConfigError(f"{option} and {taken[topic]} are both topic {topic}: choose two topics.")
        if topic is not None:
            taken[topic] = option


# An option of a table whose value nobody else is to see; what stands in ${NAME} is not in the text anyway.
_SECRET = re.compile(
    r"('[^'\n]*(?:jaas|password|passphrase|secret|token|user-info|\.key)[^'\n]*'\s*=\s*)'(?:[^']|'')*'", re.IGNORECASE
)


_URL_LOGIN = re.compile(r"://[^'\s]*@")


def without_secrets(text: str) -> str:
    """A file's text with the values of options that hold passwords, and logins inside URLs, left out."""
    return _URL_LOGIN.sub("://***@", _SECRET.sub(r"\1'***'", text))


class Tables(Part):
    """All files of one command, as one part; each of its `engines` is a part that is watched by itself."""

    kind = "tables"

    def __init__(self, cluster: Cluster, checked: Sequence[Checked], options: Sequence[EngineOptions]) -> None:
        self.engines = {
            one.name: Renewed(cluster, partial(_engine, cluster, found, one))
            for found, one in zip(checked, options, strict=True)
        }
        self.topics = list(dict.fromkeys(topic for engine in self.engines.values() for topic in engine.topics))

    def totals(self) -> dict[str, int]:
        """Counts of all files since the start."""
        total: Counter[str] = Counter()
        for engine in self.engines.values():
            total.update(engine.totals())
        return dict(total)

    def gauges(self) -> dict[str, float]:
        """The greatest delay of all files, and what all of them lack."""
        found: dict[str, float] = {}
        for engine in self.engines.values():
            for name, value in engine.gauges().items():
                before = found.get(name, 0.0)
                found[name] = before + value if name == "lag" else max(before, value)
        return found

    def sources(self) -> list[SourceReport]:
        """How the sources of all files do."""
        return [source for engine in self.engines.values() for source in engine.now.sources()]

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set, or to the end. When one file fails the others stop, and its error is raised."""
        engines = list(self.engines.values())
        if len(engines) == 1:
            run_noting_failure(engines[0], stop)
            return
        threads = Threads(stop.set)
        for engine in engines:
            threads.start(run_noting_failure, engine, stop, name="tables")
        threads.join()


def _engine(cluster: Cluster, checked: Checked, options: EngineOptions, _former: Engine | None) -> Engine:
    text = without_secrets(checked.source.original)
    return Engine(cluster, checked.program, statements_of(checked), replace(options, text=text))
