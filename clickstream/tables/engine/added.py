"""INSERTs that are new in a file whose state there is: they begin where the file stands."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.engine.state.statements import Statements
from clickstream.tables.engine.state.store import State
from clickstream.tables.sql.model import Insert, TemporalJoin
from clickstream.tables.sql.plans import stream_tables, walk

log = logging.getLogger(__name__)

_Asking = tuple[str, tuple[str, ...]]
"""A reference, and the tables whose rows are joined with it."""


def begin_added(state: State, inserts: Iterable[Insert], statements: Statements) -> None:
    """Take them into the state, and say where they begin: part of the caller's transaction.

    They read on where their tables stand. Windows that began before the last time read there would be incomplete, and
    are not written.
    """
    for insert in inserts:
        target = insert.target.name
        if target not in state.added:
            continue
        read = [state.progress(table) for table in stream_tables(insert.plan)]
        highest = [time for one in read if one is not None for _, time in one.lanes.values()]
        begins = max(highest, default=BEGINNING)
        state.add({target: statements[target]}, begins if begins > BEGINNING else None)
        since = f" Windows that began at or before {_utc(begins)} are not written." if begins > BEGINNING else ""
        log.warning("INSERT INTO %s is new in the file, and begins where the file stands.%s", target, since)


def asked_anew(state: State, inserts: Iterable[Insert]) -> set[str]:
    """References that an added INSERT joins with rows of tables that no other one joined with it.

    Versions that these rows ask for may have been forgotten: nobody waited for the tables' watermarks.
    """
    before, now = set[_Asking](), set[_Asking]()
    for insert in inserts:
        found = now if insert.target.name in state.added else before
        found |= {
            (one.reference.name, tuple(stream_tables(one.left)))
            for one in walk(insert.plan)
            if isinstance(one, TemporalJoin)
        }
    return {reference for reference, _tables in now - before}


def _utc(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
