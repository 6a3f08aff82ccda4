"""INSERTs that are new in a file whose state there is: they begin where the file stands."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.engine.state.statements import Statements
from clickstream.tables.engine.state.store import State
from clickstream.tables.sql.model import Insert
from clickstream.tables.sql.plans import stream_tables

log = logging.getLogger(__name__)


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


def _utc(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
