"""Rows once for each of their windows."""

from clickstream.tables.engine.operators.operator import HIDDEN, TIME
from clickstream.tables.engine.operators.windows import Grid, window_column
from clickstream.tables.names import identifier
from clickstream.tables.sql.model import Windowed
from clickstream.tables.sql.plans import WINDOW_COLUMNS

# A name that no column of a file has.
_END = '"$end_of_window"'


def expanded(plan: Windowed, needed: set[str], rows: str) -> str:
    """SQL for the needed fields of a window function over `rows`, a query of its input's, and the hidden columns."""
    grid = Grid(plan.window)
    pane = grid.pane(TIME)
    ends = grid.ends(f"({pane} + {grid.slide})", grid.last_end(pane))
    items = [
        f"{window_column(name, grid.start(_END), _END)} AS {identifier(name)}"
        if name in WINDOW_COLUMNS
        else identifier(name)
        for name in (field.name for field in plan.fields)
        if name in needed
    ]
    return (
        f"SELECT {''.join(f'{item}, ' for item in items)}{', '.join(HIDDEN)} "
        f"FROM (SELECT *, {ends} AS {_END} FROM ({rows}) WHERE {TIME} IS NOT NULL)"
    )
