"""What happens to rows: the compiled INSERTs of a file, and their results. It knows no Kafka but a `Sender`.

INSERTs that were in the file from the beginning are one flow; those that came later are flows of their own, which
share nothing but the batches with the others, so that these go on with their state as it is.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

import duckdb

from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.tables.engine.compile.compiled import Watermarks
from clickstream.tables.engine.compile.compiler import compiled
from clickstream.tables.engine.flow import Flow
from clickstream.tables.engine.operators.references import Reference
from clickstream.tables.engine.report import ResultReport
from clickstream.tables.engine.state.store import Membership, State
from clickstream.tables.engine.writing.form import Form
from clickstream.tables.engine.writing.lateness import LateRows
from clickstream.tables.engine.writing.results import Result
from clickstream.tables.engine.writing.writer import Writer
from clickstream.tables.sql.model import Program

TOTALS = ("late", "written", "early", "dropped")


class Pipeline:
    """`memberships` says by target when each INSERT came to the file, `forms` what its rows are in the topic."""

    def __init__(
        self,
        program: Program,
        memberships: Mapping[str, Membership],
        references: Mapping[str, Reference],
        forms: Mapping[str, Form],
        sender: Sender,
        writer: Writer,
        *,
        late_topic: str | None = None,
        changes: bool = False,
    ) -> None:
        self.flows: list[Flow] = []
        self.results: list[Result] = []
        for membership in sorted(set(memberships.values()), key=lambda one: one.generation):
            inserts = tuple(one for one in program.inserts if memberships[one.target.name] == membership)
            part = replace(program, inserts=inserts)
            flow = Flow(compiled(part, references, membership.generation, membership.begins), changes=changes)
            results = [Result(program, one, flow, forms[one.target.name], sender, writer) for one in inserts]
            if changes:
                shown = [one for result in results for one in result.shown_early]
                flow.show_early({one.placed.operator.name for one in shown if one.placed is not None})
            self.flows.append(flow)
            self.results += results
        places = {insert.target.name: place for place, insert in enumerate(program.inserts)}
        self.results.sort(key=lambda result: places[result.name])
        lanes = {one.operator.name: one.lanes for flow in self.flows for one in flow.operators}
        origins = {name: table.topic for name, table in program.tables.items()}
        self.late = LateRows(writer, late_topic, self._names(), lanes, origins, self._unjudged)

    def _names(self) -> dict[str, str]:
        """For people: the results that each operator's rows are for."""
        found: dict[str, list[str]] = {}
        for result in self.results:
            for name in self.operators_of(result):
                found.setdefault(name, []).append(result.name)
        return {name: ", ".join(results) for name, results in found.items()}

    def _unjudged(self) -> dict[str, tuple[str, ...]]:
        return {name: lanes for flow in self.flows for name, lanes in flow.unjudged.items()}

    def operators_of(self, result: Result) -> set[str]:
        """The names of the operators that a result's rows come from."""
        outputs = frozenset().union(*(branch.outputs for branch in result.branches))
        return {one.operator.name for flow in self.flows for one in flow.operators if one.output in outputs}

    def totals(self) -> dict[str, int]:
        """Rows of all results since the start: see TOTALS."""
        results = self.results
        return {
            "late": self.late.count,
            "written": sum(result.written for result in results),
            "early": sum(result.early.count for result in results),
            "dropped": sum(result.dropped for result in results),
        }

    def reports(self) -> list[ResultReport]:
        """The same of each result, in the order of the file."""
        by_operator = self.late.by_operator
        return [
            ResultReport(
                result.name,
                result.target.topic,
                result.written,
                result.early.count,
                result.dropped,
                sum(by_operator[name] for name in self.operators_of(result)),
            )
            for result in self.results
        ]

    def tables(self) -> set[tuple[str, ...]]:
        """The tables whose watermarks are asked for together."""
        return {one.closes_with for flow in self.flows for one in flow.operators} | {
            tables for _, together in self._joined for tables in together
        }

    # --- between runs

    def prepare(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make all tables and views that are not there; all batches are empty."""
        self.late.create(db)
        for flow in self.flows:
            flow.prepare(db)
        for result in self.results:
            result.prepare(db)

    def read_back(self, cluster: Cluster, state: State, stop: threading.Event) -> None:
        """After a crash: see `results`."""
        for result in self.results:
            result.read_back(cluster, state, stop)

    # --- at work

    @property
    def updates(self) -> bool:
        """Whether there are groups without a window, which take batches into the state only when they are closed."""
        return any(flow.updates for flow in self.flows)

    @property
    def gives_rows_at_once(self) -> bool:
        """Whether some rows leave with their batch: not all wait for a watermark."""
        return any(flow.gives_rows_at_once for flow in self.flows)

    def waiting(self, db: duckdb.DuckDBPyConnection) -> bool:
        """Whether rows wait in joins."""
        return any(flow.waiting(db) for flow in self.flows)

    def take(self, db: duckdb.DuckDBPyConnection, watermarks: Watermarks, *, behind: bool) -> None:
        """Take in the present batches; `watermarks` are those after them.

        `behind`: whether a row of them is behind its own watermark.
        """
        for flow in self.flows:
            flow.behind = behind
            flow.relate(db, watermarks)
        for result in self.results:
            result.write_streams(db)  # they are written while the operators work
        for flow in self.flows:
            flow.absorb(db, watermarks)
        self.late.take(db)

    def close(self, db: duckdb.DuckDBPyConnection, watermarks: Watermarks) -> None:
        """Write what the watermarks have closed."""
        moved = set[str]().union(*(flow.close(db, watermarks) for flow in self.flows))
        closing = {one.output: one for flow in self.flows for one in flow.operators}
        for result in self.results:
            outputs = [output for branch in result.branches for output in branch.outputs]
            if not moved.isdisjoint(outputs):
                result.write_closed(db, moved, closing[outputs[0]].watermark(watermarks))
        self.late.take(db)
        # What no row can ask for any more: joins have let go all that the watermarks have passed.
        for reference, together in self._joined:
            reference.forget(db, min(watermarks.of(tables) for tables in together))

    @property
    def _joined(self) -> list[tuple[Reference, set[tuple[str, ...]]]]:
        """References, which all flows share, and the tables by whose watermarks rows leave their joins."""
        found: dict[str, tuple[Reference, set[tuple[str, ...]]]] = {}
        for flow in self.flows:
            for name, (reference, together) in flow.joined.items():
                found.setdefault(name, (reference, set()))[1].update(together)
        return list(found.values())

    def note_early(self, db: duckdb.DuckDBPyConnection) -> bool:
        """Take up early rows; they are written after the commit. Returns whether there are any."""
        present: dict[str, str] = {}
        noted = [result.note_early(db, present) for result in self.results]
        return any(noted)

    def before_commit(self, state: State, ends: Callable[[str], dict[int, int]]) -> None:
        """All that was sent is acknowledged. `ends` asks where a topic's partitions end."""
        for result in self.results:
            result.before_commit(state, ends)

    def after_commit(self, db: duckdb.DuckDBPyConnection) -> None:
        """Hand over what had to be in the state first."""
        for result in self.results:
            result.after_commit(db)

    @property
    def owes(self) -> bool:
        """Whether a former run committed rows and could not hand them over."""
        return any(result.owes for result in self.results)

    @property
    def settled(self) -> bool:
        """Whether the state has nothing to forget that was handed over."""
        return all(result.settled for result in self.results)

    def horizons(self, db: duckdb.DuckDBPyConnection) -> dict[str, int]:
        """By operator, the highest end (ms) of an open window; see Flow."""
        return {name: end for flow in self.flows for name, end in flow.horizons(db).items()}
