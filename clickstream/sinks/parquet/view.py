"""`archive.sql`: the tables of an archive as views of DuckDB, each of exactly the files that its manifest names."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import IO

from clickstream.errors import ClickstreamError
from clickstream.sinks.parquet.manifest import Manifest, State
from clickstream.sinks.parquet.names import table_name
from clickstream.sinks.parquet.store import Store
from clickstream.sinks.target import Away

log = logging.getLogger(__name__)

NAME = "archive.sql"
READ_AGAIN = 20

_DUCKDB = {
    "BOOLEAN": "BOOLEAN",
    "INT": "INTEGER",
    "BIGINT": "BIGINT",
    "DOUBLE": "DOUBLE",
    "STRING": "VARCHAR",
    "TIMESTAMP(3)": "TIMESTAMPTZ",
    "TIMESTAMP_LTZ(3)": "TIMESTAMPTZ",
    "DATE": "DATE",
    "MAP<STRING, BYTES>": "MAP(VARCHAR, BLOB)",
}
_RECORD = (
    ("_key", "BLOB"),
    ("_value", "BLOB"),
    ("_headers", "STRUCT(name VARCHAR, value BLOB)[]"),
    ("_timestamp", "BIGINT"),
    ("_partition", "INTEGER"),
    ("_offset", "BIGINT"),
    ("_deleted", "BOOLEAN"),
)
# Of a topic that no SQL describes, the view makes texts: they are not stored a second time.
_TEXTS = (
    ("key", 'try(decode("_key"))'),
    ("value", 'try(decode("_value"))'),
    ("timestamp", 'try(make_timestamp(nullif("_timestamp", -1) * 1000))'),
)


class View:
    """`archive.sql`, as one process writes it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._left_out: dict[str, int] = {}  # others' tables that cannot be read, and their newest version then

    def refresh(self, own: Mapping[str, State]) -> None:
        """Replace it by what the tables have now; `own` is what this process has just written, by folder.

        Raises ClickstreamError when an own table is damaged; one of others is left out, which is said once.
        """
        known = own
        for _ in range(READ_AGAIN):
            found = {}
            for folder in self._store.folders():
                state = known.get(folder) or self._load(folder, others=folder not in own)
                if state is not None:
                    found[folder] = state
            states = {folder: state for folder, state in found.items() if state.version}
            self._store.put(NAME, partial(_write, sql(self._store, states)))
            # Of several processes that replace it in the same moment, the last one sees what all have committed.
            if all(Manifest(self._store, folder).newest() == state.version for folder, state in found.items()):
                return
            known = {}

    def _load(self, folder: str, *, others: bool) -> State | None:
        """What a table has; None: it is one of others, and damaged."""
        manifest = Manifest(self._store, folder)
        # To find a gap again takes as long as the first time.
        if folder in self._left_out and manifest.newest() == self._left_out[folder]:
            return None
        try:
            state = manifest.load()
        except Away:
            raise
        except ClickstreamError as damage:
            if not others:
                raise
            self._left_out[folder] = manifest.newest()
            log.warning("%s is without table %s: %s", NAME, table_name(folder), damage)
            return None
        self._left_out.pop(folder, None)
        return state


def sql(store: Store, states: Mapping[str, State]) -> str:
    """The text of `archive.sql`, of tables by their folders."""
    lines = [
        "-- The tables of an archive, as views of DuckDB. Replaced after every commit: to see what came later, read it",
        "-- again.",
    ]
    for folder, state in sorted(states.items()):
        lines.append(f"CREATE OR REPLACE VIEW {_identifier(table_name(folder))} AS {_select(store, folder, state)};")
    return "\n".join(lines) + "\n"


def _select(store: Store, folder: str, state: State) -> str:
    own = [(name, _DUCKDB[kind]) for name, kind in state.columns]
    texts = [f"{what} AS {_identifier(name)}" for name, what in _TEXTS] if not own else []
    if not state.files:
        nothing = ", ".join(f"NULL::{kind} AS {_identifier(name)}" for name, kind in (*own, *_RECORD))
        about = ', NULL::DATE AS "date", NULL::BIGINT AS "hour"' if _hive(store, state) else ""
        return f"SELECT {', '.join([*texts, '*'])} FROM (SELECT {nothing}{about}) WHERE false"
    files = ",\n  ".join(_string(_literal(store.address(f"{folder}/{path}"))) for path in sorted(state.files))
    hive = "hive_partitioning = true, hive_types = {'date': DATE, 'hour': BIGINT}"
    how = hive if _hive(store, state) else "hive_partitioning = false"
    # To unite columns, all files are opened first: 3,000 of them took 1 s, and 0.07 s where only one is looked at.
    several = len({one.shape for one in state.files.values()}) > 1
    columns = ", ".join([*texts, "*"])
    return f"SELECT {columns} FROM read_parquet([\n  {files}\n], union_by_name = {str(several).lower()}, {how})"


def _hive(store: Store, state: State) -> bool:
    """Whether `date` and `hour` of the folders' names can be columns: not when the table has columns that are called
    so, nor when folders above would become columns, too."""
    return "=" not in store.where and not {name.lower() for name, _kind in state.columns} & {"date", "hour"}


def _literal(path: str) -> str:
    """A path in which nothing is a pattern."""
    return "".join(f"[{one}]" if one in "*?[" else one for one in path)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _write(text: str, file: IO[bytes]) -> None:
    file.write(text.encode())
