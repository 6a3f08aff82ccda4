"""All topics that a program reads: its streams, and the references that these are joined with."""

from collections.abc import Mapping

import duckdb

from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetters
from clickstream.records import Position
from clickstream.tables.engine.needs import Needs
from clickstream.tables.engine.operators.references import Reference
from clickstream.tables.engine.options import EngineOptions
from clickstream.tables.engine.report import SourceReport
from clickstream.tables.engine.sources.source import Source
from clickstream.tables.engine.state.store import Progress
from clickstream.tables.sql.model import Program, Table

DEFAULT_IDLE_S = 10.0


class Sources:
    """`streams` and `references` are by the names of their tables, `tables` have the versions of the references.

    `bounded`: all of them are read to their ends, and no further.
    """

    def __init__(self, cluster: Cluster, program: Program, options: EngineOptions, dead_letters: DeadLetters) -> None:
        self._cluster = cluster
        self._program = program
        self._options = options
        self._dead_letters = dead_letters
        self._needs = Needs(program)
        streams = [program.tables[name] for name in self._needs.streams]
        self.bounded = options.exit_at_end or (bool(streams) and all(table.bounded for table in streams))
        self.tables = {
            name: Reference(program.tables[name], self._needs.tables[name]) for name in self._needs.references
        }
        self._by_number: list[Source] = []
        self.streams = {table.name: self._add(table) for table in streams}
        self.references = {name: self._add(one.table, one) for name, one in self.tables.items()}

    def _add(self, table: Table, reference: Reference | None = None) -> Source:
        made = Source(
            self._cluster,
            table,
            len(self._by_number),
            reference.wanted if reference is not None else self._needs.tables[table.name],
            self._dead_letters,
            idle_timeout=self._idle_timeout(table),
            bounded=self.bounded,
            max_ahead_ms=int(self._options.max_ahead * 1000),
            reference=reference,
            unknown_waits=self._options.unknown_waits,
        )
        self._by_number.append(made)
        return made

    def _idle_timeout(self, table: Table) -> float | None:
        """Seconds; None: its partitions are never idle."""
        if self._options.idle_timeout is not None:
            return self._options.idle_timeout or None
        given = table.idle_timeout_ms if table.idle_timeout_ms is not None else self._program.idle_timeout_ms
        return (given / 1000 if given is not None else DEFAULT_IDLE_S) or None

    # --- one of them, or all

    def numbered(self, number: int) -> Source:
        """The one with this number for the reading process."""
        return self._by_number[number]

    def is_stream(self, source: Source) -> bool:
        return source.table.name in self.streams

    @property
    def by_table(self) -> dict[str, Source]:
        """References first: streams need them."""
        return {**self.references, **self.streams}

    @property
    def topics(self) -> list[str]:
        """Of streams, then of references, in the order of the file."""
        return [one.table.topic for one in [*self.streams.values(), *self.references.values()]]

    # --- how far they are

    @property
    def behind(self) -> bool:
        """Whether a row of the present batches is behind its watermark."""
        return any(source.behind for source in self.streams.values())

    @property
    def references_read(self) -> bool:
        """Whether every reference was read to its end at least once."""
        return all(source.read_to_end for source in self.references.values())

    @property
    def streams_read(self) -> bool:
        """Whether every stream was."""
        return all(source.read_to_end for source in self.streams.values())

    def show_nothing(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make the batches of all streams empty ones."""
        for source in self.streams.values():
            source.show_nothing(db)

    def show_lag(self) -> None:
        """Commit the offsets of streams to the consumer group; nothing is ever read from there."""
        for source in self.streams.values():
            source.show_lag()

    # --- what people see

    def totals(self) -> dict[str, int]:
        """Counts of all streams since the start."""
        sources = self.streams.values()
        return {
            "rows": sum(one.rows for one in sources),
            "dead_letters": self._dead_letters.count,
            "nulled": sum(one.nulled for one in sources),
            "untimed": sum(one.untimed for one in sources),
        }

    @property
    def delay(self) -> float | None:
        """How far (s) the last watermark of a stream is behind the wall clock; None: there is none yet."""
        delays = [one.delay for one in self.streams.values()]
        return max((delay for delay in delays if delay is not None), default=None)

    def reports(self) -> list[SourceReport]:
        """Rows, dead letters and watermark of each stream."""
        return [one.report() for one in self.streams.values()]

    def positions(self, saved: Mapping[str, Progress]) -> list[Position]:
        """How far the partitions are by what is stored of each table, and which are idle now."""
        everywhere = [*self.references.values(), *self.streams.values()]
        found = [(source, saved.get(source.table.name)) for source in everywhere]
        return [place for source, progress in found if progress for place in source.positions(progress)]
