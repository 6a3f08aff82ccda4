"""One file's program at work on topics in memory, step by step."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from clickstream.errors import ConfigError
from clickstream.tables.engine.engine import Engine, Parts
from clickstream.tables.engine.options import EngineOptions
from clickstream.tables.engine.rig.reading import CONFIRM_EVERY_S, Clock, Readings
from clickstream.tables.engine.rig.topics import Crash, MemoryCluster, Record, Topics
from clickstream.tables.engine.state.statements import statements_of
from clickstream.tables.engine.state.store import State
from clickstream.tables.engine.writing.early import EARLY
from clickstream.tables.sql.check import VARIABLES, Checked, check
from clickstream.tables.sql.model import Table

Row = dict[str, Any]
DEAD_LETTERS = "dead-letters"


class Instant(Enum):
    """When a process may die, in the order of a transaction."""

    FLUSHING = "rows are on their way, some may arrive"
    ACKNOWLEDGED = "all rows have arrived, their transaction is not committed"
    COMMITTED = "it is; what may only leave after it has not been handed over"
    HANDED_OVER = "it has, and is on its way, some may arrive"
    ARRIVED = "it has arrived, and no transaction accounts for that"


@dataclass
class _Planned:
    """A crash to come: at the instant, after so many of these. `luck`: some of what is on its way arrives."""

    instant: Instant
    after: int
    luck: Random | None
    starting: bool


@lru_cache(maxsize=32)
def _checked(sql: str, variables: tuple[tuple[str, str], ...]) -> Checked:
    """Planning takes about as long as all the rest of a start, and processes that die start again and again."""
    return check(sql, dict(variables))


class Rig:
    """Runs `sql`, with its state in `directory`. Topics outlast runs: see `restart`.

    `partitions`: how many the topic of a table has, by the table's name (1 unless given). `variables`: what `${NAME}`
    stands for. `options` are those of EngineOptions; partitions are never idle unless an `idle_timeout` (s) is given.
    """

    def __init__(
        self,
        sql: str,
        directory: Path,
        *,
        partitions: Mapping[str, int] | None = None,
        variables: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.topics = Topics()
        self.topics.on_flush = self._on_flush
        self.commits = 0
        self.on_commit: Callable[[State], None] = lambda _state: None  # gets the state after each commit
        self.over = False  # a bounded run has come to its end
        self.totals: dict[str, int] = {}  # of the last run that ended
        self._clock = Clock()
        self._readings = Readings(self.topics, self._clock)
        self._cluster = MemoryCluster("in memory", topics=self.topics)
        self._options = EngineOptions(
            name="rig",
            state_dir=directory,
            group="rig",
            dead_letter_topic=DEAD_LETTERS,
            idle_timeout=0.0,
        )
        self._partitions = dict(partitions or {})
        self._planned: _Planned | None = None
        self._handing_over = False
        self._aside = False  # while an engine starts, or has drained
        self._sql = sql
        self._variables = {**VARIABLES, **(variables or {})}
        self._engine: Engine | None = None
        self._open(sql, options)

    def __enter__(self) -> "Rig":
        return self

    def __exit__(self, *_: object) -> None:
        if self._engine is not None:
            self.topics.crash(None)
            self._engine.close()

    # --- what comes

    def put(
        self, table: str, partition: int, *rows: Row | bytes | list[Row] | None, key: Any = None, timestamp: int = 0
    ) -> None:
        """Add records to a table's topic: JSON objects, arrays, or bytes; None with a `key` is a tombstone.

        Rows of a table with a key have it beside them, unless another `key` is given. `timestamp` in ms, 0: none.
        """
        found = self._table(table)
        for row in rows:
            value = row if isinstance(row, bytes) or row is None else _json(row)
            beside = key
            if key is None and found.key_fields and isinstance(row, dict):
                beside = {name.removeprefix(found.key_prefix): row[name] for name in found.key_fields}
            text = beside if isinstance(beside, bytes) or beside is None else _json(beside)
            self.topics.append(found.topic, partition, value, text, timestamp=timestamp)

    def add_partitions(self, topic: str, partitions: int) -> None:
        """Have a topic so many of them from now on."""
        self.topics.create(topic, partitions)

    # --- what happens

    def step(self, *tables: str, records: int | None = None) -> bool:
        """Take in what the topics hold, all or of some tables, all or so many records of each; close what can close.

        References are always taken in whole, and first.
        One transaction, as a rule. Returns whether there was anything. Raises what the engine raises, or Crash.
        """
        found = self._readings.now.read_on(tables or list(self._program.tables), records, ends=self._bounded)
        self._go()
        return found

    def silence(self, seconds: float, *tables: str) -> None:
        """So long the broker confirms that nothing comes, in all tables or in some."""
        for _ in range(int(seconds / CONFIRM_EVERY_S)):
            self._clock.of_reading += CONFIRM_EVERY_S
            self._readings.now.confirm(tables or list(self._program.tables))
            self._go()

    def outage(self, seconds: float) -> None:
        """So long nobody says anything."""
        self._clock.of_reading += seconds
        self._go()

    def finish(self) -> None:
        """Read everything to its end, close all windows, and end; a live run ends before, and another one does that."""
        if not self._bounded or self._engine is None:
            self.restart(exit_at_end=True)
        while not self.over:
            self.step()
        self.stop()

    def stop(self) -> None:
        """End as a Ctrl-C does: what was taken in is written and committed."""
        if self._engine is not None:
            engine, self._engine = self._engine, None
            try:
                engine.drain()
                self.totals = engine.totals()
            except BaseException:
                self.topics.crash(None)
                raise
            finally:
                self._aside = True
                engine.close()
                self._aside = False

    def crash(self, instant: Instant, *, after: int = 0, luck: int | None = 0, starting: bool = False) -> None:
        """Have the process die at this instant, after so many of these; whatever is done then raises Crash.

        What an engine does while it starts counts only with `starting`: it commits then, too.

        `luck` draws which of the records that are on their way arrive, in each partition the first ones; None: none.
        """
        self._planned = _Planned(instant, after, Random(luck) if luck is not None else None, starting)

    def restart(self, sql: str | None = None, *, variables: Mapping[str, str] | None = None, **options: Any) -> None:
        """Run again, another file if it is given, with the same state and topics. A run that lives ends before."""
        self.stop()
        self._variables |= variables or {}
        self.topics.live()
        self._open(sql or self._sql, options)

    # --- what is there

    @property
    def engine(self) -> Engine:
        """The engine at work."""
        assert self._engine is not None, "It has crashed, or was stopped: restart() first."
        return self._engine

    def sent(self, topic: str) -> list[Record]:
        """All records of a topic, in the order of their arrival."""
        return self.topics.records(topic)

    def rows(self, topic: str) -> list[Row | None]:
        """Their values; None: a tombstone."""
        return [json.loads(record.value) if record.value is not None else None for record in self.sent(topic)]

    def stream(self, topic: str) -> Counter[tuple[bytes | None, bytes | None]]:
        """Keys and values of an append-only topic, and how often they are there."""
        return Counter((record.key, record.value) for record in self.sent(topic))

    def table(self, topic: str, *, early: bool = False) -> dict[str, Row]:
        """The latest row of each key (JSON text), without deleted ones; without early ones unless they are wanted."""
        found: dict[str, Row] = {}
        for record in self.sent(topic):
            key = (record.key or b"").decode()
            if record.value is None:
                found.pop(key, None)
            elif early or record.headers != EARLY:
                found[key] = json.loads(record.value)
        return found

    def shown(self, table: str) -> dict[int, int]:
        """What this run has shown in its consumer group of a table's topic: the next offset by partition."""
        return self._readings.now.shown_of(table)

    # --- helpers

    @property
    def _bounded(self) -> bool:
        return self._options.exit_at_end

    @property
    def _program(self) -> Any:
        return self._checked.program

    def _table(self, name: str) -> Table:
        found: Table = self._program.tables[name]
        return found

    def _open(self, sql: str, options: Mapping[str, Any]) -> None:
        self._checked: Checked = _checked(sql, tuple(self._variables.items()))
        if self._checked.problems:
            raise ConfigError(self._checked.render())
        self._sql = sql
        self._options = replace(self._options, **options)
        targets = {insert.target.name for insert in self._program.inserts}
        for name, table in self._program.tables.items():
            if name not in targets or name in self._partitions:
                self.topics.create(table.topic, self._partitions.get(name, 1))
        parts = Parts(self._readings, self._state, self._clock.engine)
        engine = Engine(self._cluster, self._program, statements_of(self._checked), self._options, parts)
        self._engine, self.over = engine, False
        self._aside = True
        try:
            self._survive(lambda: self._start(engine))
        finally:
            self._aside = False
        self._readings.now.started()

    @staticmethod
    def _start(engine: Engine) -> None:
        engine.start(threading.Event())
        engine.flush()

    def _state(self, *given: Any, **named: Any) -> State:
        return _State(self, *given, **named)

    def _survive(self, work: Callable[[], object]) -> None:
        """Do it; if it fails, or the process dies in it, the engine is gone."""
        try:
            work()
        except BaseException:
            engine, self._engine = self._engine, None
            self.topics.crash(None)
            if engine is not None:
                engine.close()
            raise

    def _go(self) -> None:
        """Turn until there is nothing more to do."""
        engine, quiet = self.engine, False
        while not quiet and not self.over:
            before, waiting = self.commits, self._readings.now.waiting
            self._survive(self._turn)
            quiet = not waiting and self.commits == before
        assert self._engine is engine

    def _turn(self) -> None:
        before = self.commits
        self.over = not self.engine.turn()
        if self.commits > before:
            self._handing_over = True
            try:
                self.engine.flush()
            finally:
                self._handing_over = False
            self.at(Instant.ARRIVED)

    def _on_flush(self) -> None:
        self.at(Instant.HANDED_OVER if self._handing_over else Instant.FLUSHING)

    def at(self, instant: Instant) -> None:
        """An instant has come: raises Crash if it is planned for."""
        planned = self._planned
        if planned is None or planned.instant is not instant or (self._aside and not planned.starting):
            return
        if planned.after > 0:
            planned.after -= 1
            return
        self._planned = None
        self.topics.crash(planned.luck)
        raise Crash


class _State(State):
    """It tells the rig when it commits."""

    def __init__(self, rig: Rig, *given: Any, **named: Any) -> None:
        self._rig = rig
        super().__init__(*given, **named)

    def commit(self) -> None:
        self._rig.at(Instant.ACKNOWLEDGED)
        super().commit()
        self._rig.commits += 1
        self._rig.on_commit(self)
        self._rig.at(Instant.COMMITTED)


def _json(value: Row | Sequence[Row]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
