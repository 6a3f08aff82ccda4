"""Whether there is anything to do while nothing comes: an engine that would change nothing makes no transaction."""

import duckdb

from clickstream.tables.engine.compile.compiled import Watermarks
from clickstream.tables.engine.operators.groups import Groups
from clickstream.tables.engine.pipeline import Pipeline


class Rest:
    """Asks the state at most once after each step what is open."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._operators = [placed for flow in pipeline.flows for placed in flow.operators]
        self._open: dict[str, bool] = {}
        self._waiting: bool | None = None

    def disturb(self) -> None:
        """A step may have opened or closed something."""
        self._open = {}
        self._waiting = None

    def is_over(self, db: duckdb.DuckDBPyConnection, watermarks: Watermarks) -> bool:
        """Whether these watermarks would close a window, or let rows go that wait in joins."""
        return any(
            self._is_open(db, placed.operator.name)
            for placed in self._operators
            if not isinstance(placed.operator, Groups) and placed.operator.due(placed.watermark(watermarks))
        ) or self._rows_wait(db)

    def _is_open(self, db: duckdb.DuckDBPyConnection, name: str) -> bool:
        if name not in self._open:
            operator = next(one.operator for one in self._operators if one.operator.name == name)
            self._open[name] = operator.horizon(db) is not None
        return self._open[name]

    def _rows_wait(self, db: duckdb.DuckDBPyConnection) -> bool:
        if self._waiting is None:
            self._waiting = self._pipeline.waiting(db)
        return self._waiting
