"""What a sink would make and change in an archive, told beforehand: nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from clickstream.kafka.clients import Cluster
from clickstream.sinks.backlog import Backlog, backlog
from clickstream.sinks.model import Input, Place
from clickstream.sinks.parquet.columns import ARROW, RECORD, typed
from clickstream.sinks.parquet.manifest import Manifest, State
from clickstream.sinks.parquet.names import folder_name
from clickstream.sinks.parquet.store import Store
from clickstream.tables.sql.types import Type


@dataclass(frozen=True)
class TablePlan:
    """What comes of an input. `columns` have the names of Arrow's types; `added` are those that its files lack.

    `owner` is the process that wrote last, "" for a table that is made.
    """

    source: Input
    folder: str
    columns: Sequence[tuple[str, str]]
    added: Sequence[str]
    files: int
    rows: int
    owner: str
    backlog: Backlog
    problems: Sequence[str] = field(default=())


def plan(store: Store, cluster: Cluster, source: Input, name: str) -> TablePlan:
    """What a sink of this `name` would do with one input. The store is connected. Raises ClickstreamError."""
    folder = folder_name(source.name)
    state = Manifest(store, folder).load()
    own = typed(source)
    places = {number: Place(state.topic_id, end) for number, (_start, end) in state.places.items()}
    left = backlog(cluster, source.topic, places)
    known = dict(state.columns)
    return TablePlan(
        source=source,
        folder=folder,
        columns=[(column, str(ARROW[Type(kind)])) for column, kind in own]
        + [(one.name, str(one.type)) for one in RECORD],
        added=[column for column, _kind in own if state.version and column not in known],
        files=len(state.files),
        rows=state.rows,
        owner=state.owner,
        backlog=left,
        problems=[*_differences(store.where, source, state, own, name), *left.problems],
    )


def _differences(where: str, source: Input, state: State, own: Sequence[tuple[str, str]], name: str) -> list[str]:
    """Why the sink would stop at this table."""
    if not state.version:
        return []
    found = []
    if (state.sink, state.topic) != (name, source.topic):
        found.append(
            f"{where} has a table {source.name} of topic {state.topic}, by sink {state.sink}: give another folder."
        )
    known = dict(state.columns)
    found += [
        f"Column {column} of {source.name} is {kind}, and {known[column]} in {where}: give another folder; or --reset "
        "deletes what is there."
        for column, kind in own
        if known.get(column, kind) != kind
    ]
    return found
