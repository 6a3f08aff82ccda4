"""What all operators use; and that no code of tables leaves a result of DuckDB open."""

import ast
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import clickstream.tables
from clickstream.tables.engine.operators.operator import first_row, only_row


@pytest.mark.parametrize("rows", [0, 1, 2, 100_000])
def test_the_first_row_leaves_no_result_open(rows: int) -> None:
    db = duckdb.connect()
    assert first_row(db, f"SELECT range FROM range({rows}) ORDER BY 1") == ((0,) if rows else None)
    db.register("more", pa.table({"n": [1]}))  # refused while a result is open


def test_the_only_row_leaves_no_result_open() -> None:
    db = duckdb.connect()
    assert only_row(db, "SELECT count(*), 1 FROM range(5)") == (5, 1)
    db.register("more", pa.table({"n": [1]}))


def test_nobody_fetches_a_part_of_a_result() -> None:
    """`fetchone()` leaves even a result of one row open, and the next batch cannot be registered."""
    found = [
        f"{path.name}:{node.lineno}"
        for path in Path(clickstream.tables.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("fetchone", "fetchmany", "fetch_df_chunk")
    ]
    assert not found, "use first_row or only_row"
