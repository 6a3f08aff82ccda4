"""The query process: answers one SELECT over the tables that it is given, and can do nothing else.

DuckDB may neither open files nor connections, nor load extensions, nor be configured. And if it did: the process has no
environment of ours, may write no file, has as much memory as it was given, and is killed when its time is over.
"""

import math
import os
import resource
import signal
import sys
from typing import Any, BinaryIO

import duckdb
import msgspec
import pyarrow as pa

from clickstream.query import sql, wire
from clickstream.query.model import MIB, Cell, Column, Limits, Refused
from clickstream.query.wire import Answered, Asked, Failed, Said, Wanted

# What Python, Arrow and DuckDB take themselves.
OWN_MEMORY = 384 * MIB
FETCHED = 256
ABOVE = 1  # lines before the SELECT in what is run

# Columns of these types are read as they are. All others as texts: DuckDB's have all digits, and any year.
PLAIN = frozenset({"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
FLOATING = frozenset({"FLOAT", "DOUBLE"})
NESTED = ("STRUCT", "MAP", "UNION")


def main() -> None:
    """Answer what stands on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked ends it
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not get between
    given = sys.stdin.buffer
    asked = msgspec.msgpack.decode(wire.read(given), type=Asked)
    limit(asked.limits)
    try:
        said: Said = answer(asked, given, out)
    except Refused as refusal:
        said = Failed(str(refusal))
    except duckdb.OutOfMemoryException:
        said = Failed(too_much(asked.limits))
    except duckdb.Error as error:
        said = Failed(sql.first_lines(error, ABOVE))
    except MemoryError:
        said = Failed(too_much(asked.limits))
    except RecursionError:
        said = Failed("The query is nested too deeply.")
    wire.write(out, msgspec.msgpack.encode(said))


def limit(limits: Limits) -> None:
    """What the system itself sees to."""
    memory = limits.memory + OWN_MEMORY
    for what, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, math.ceil(limits.seconds * limits.threads) + 5),
    ):
        resource.setrlimit(what, (most, most))


def locked(limits: Limits) -> duckdb.DuckDBPyConnection:
    """A database in memory that can read nothing but what it is given; its settings are not locked yet."""
    db = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{limits.memory // MIB}MiB",
            "threads": str(limits.threads),
            "temp_directory": "",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_unsigned_extensions": "false",
            "python_enable_replacements": "false",
            "python_scan_all_frames": "false",
        },
    )
    db.execute("SET enable_external_access = false")  # with it, no temp_directory could be set, not even none
    return db


def answer(asked: Asked, given: BinaryIO, out: BinaryIO) -> Answered:
    """The rows of the SQL. Raises Refused, duckdb.Error."""
    with locked(asked.limits) as db:
        select = sql.statement(db, asked.sql)
        names = sql.tables(db, select)
        wire.write(out, msgspec.msgpack.encode(Wanted(names)))
        for name in names:
            _take(db, name, wire.read(given))
        db.execute("SET lock_configuration = true")
        return run(db, select, asked.limits)


def _take(db: duckdb.DuckDBPyConnection, name: str, piece: bytes) -> None:
    """A copy of an Arrow table: the query gets no way to the memory of this process."""
    table = pa.ipc.open_stream(piece).read_all()
    db.register("given", table)
    quoted = name.replace('"', '""')
    db.execute(f'CREATE TABLE "{quoted}" AS FROM given')
    db.unregister("given")


def run(db: duckdb.DuckDBPyConnection, select: str, limits: Limits) -> Answered:
    """The first rows of a SELECT that was looked at."""
    columns = [
        Column(str(name), str(kind)) for name, kind, *_ in db.execute(f"DESCRIBE FROM (\n{select}\n)").fetchall()
    ]
    places = [f"c{place}" for place in range(len(columns))]
    items = ", ".join(map(_item, places, columns))
    text = f"SELECT {items} FROM (\n{select}\n) AS found({', '.join(places)}) LIMIT {limits.rows + 1}"
    # What stands in brackets is one SELECT by itself; this makes sure that it is no more with them.
    sql.statement(db, text)
    rows: list[list[Cell]] = []
    octets = 0
    db.execute(text)
    while found := db.fetchmany(FETCHED):
        for row in found:
            octets += sum(len(cell) if isinstance(cell, str) else 8 for cell in row)
            if len(rows) == limits.rows or octets > limits.octets:
                return Answered(columns, rows, True)
            rows.append([_cell(cell) for cell in row])
    return Answered(columns, rows, False)


def _item(place: str, column: Column) -> str:
    kind = column.type.upper()
    if kind in PLAIN or kind in FLOATING:
        return place
    if kind == "BLOB":
        return f"'\\x' || hex({place})"
    if kind.startswith(NESTED) or kind.endswith("]"):
        return f"CAST(to_json({place}) AS VARCHAR)"
    return f"CAST({place} AS VARCHAR)"


def _cell(value: Any) -> Cell:
    """A floating-point number that JSON does not have is a text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    found: Cell = value
    return found


def too_much(limits: Limits) -> str:
    """What is said when the memory is not enough."""
    return f"The query needs more than {limits.memory // MIB} MB of memory."


if __name__ == "__main__":
    main()
