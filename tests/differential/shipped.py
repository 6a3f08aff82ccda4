"""The shipped files' queries, planned by hand: read off the SQL by a person, without the planner under test.

`expected` evaluates them; what values, windows and versions are is that of the oracle's other modules.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from clickstream.tables.sql.model import Window
from clickstream.tables.sql.types import Type
from tests.differential.outcome import Expected, final
from tests.differential.rows import NONE_YET, Origin, Record, Row, Topics, Value, Values
from tests.differential.texts import from_json, load, to_json
from tests.differential.versions import Versions, as_of
from tests.differential.windows import aligned, sessions

INT, BIGINT, STRING, TIMESTAMP, LTZ = Type.INT, Type.BIGINT, Type.STRING, Type.TIMESTAMP, Type.TIMESTAMP_LTZ
Columns = Mapping[str, Type]
DELAY_MS = 5_000  # of every watermark in the files


@dataclass(frozen=True)
class Stream:
    """A topic of JSON. `ts` is a row's event time (ms); its place comes with it as `src_partition`, `src_offset`."""

    topic: str
    columns: Columns
    ts: Callable[[Values], int | None]


@dataclass(frozen=True)
class Lookup:
    """The reference's row of the key that the stream has in `on`; without one the columns are NULL, if not `inner`."""

    topic: str
    key: str
    columns: Columns
    on: str
    inner: bool = False


@dataclass(frozen=True)
class Query:
    """An INSERT. `columns` are the target's; `renamed` says which of them have other names in the stream.

    `key` are the fields of the written key; `raw` writes the only one as text. With a window there is a row for each
    window and `by`, with the aggregates of its rows if `having` holds of it.
    """

    target: str
    source: Stream
    columns: Columns
    key: tuple[str, ...]
    upsert: bool = True
    raw: bool = False
    lookup: Lookup | None = None
    where: Callable[[Values], bool] = lambda _row: True
    renamed: Mapping[str, str] = field(default_factory=dict)
    window: Window | None = None
    by: tuple[str, ...] = ()
    aggregates: Mapping[str, Callable[[Sequence[Values]], Value]] = field(default_factory=dict)
    having: Callable[[Values], bool] = lambda _row: True


# --- what the files say


def _tumble(seconds: int) -> Window:
    return Window("TUMBLE", "ts", size_ms=seconds * 1000)


def _hop(slide: int, seconds: int) -> Window:
    return Window("HOP", "ts", size_ms=seconds * 1000, slide_ms=slide * 1000)


def _session(seconds: int, *by: str) -> Window:
    return Window("SESSION", "ts", gap_ms=seconds * 1000, partition=by)


def _total(name: str) -> Callable[[Sequence[Values]], Value]:
    """SUM."""

    def total(rows: Sequence[Values]) -> Value:
        values = [row[name] for row in rows if row[name] is not None]
        return sum(values) if values else None

    return total


def _distinct(name: str) -> Callable[[Sequence[Values]], int]:
    return lambda rows: len({row[name] for row in rows if row[name] is not None})


def _at_least(name: str, least: int) -> Callable[[Values], bool]:
    return lambda row: row[name] is not None and row[name] >= least


def _seconds(text: str | None) -> int | None:
    """TO_TIMESTAMP of a date with UTC behind it, in ms."""
    try:
        return int(datetime.strptime(text or "", "%Y-%m-%dT%H:%M:%SUTC").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError:
        return None


_WINDOW = {"window_start": TIMESTAMP, "window_end": TIMESTAMP}
_PLACE = {"src_partition": INT, "src_offset": BIGINT}
_REQUEST = {"request": STRING, "status": INT, "bytes": BIGINT}

WEB = Stream("clickstream", {"ip": STRING, "userid": INT, "_time": BIGINT, **_REQUEST}, lambda row: row["_time"])
USER = Lookup("clickstream_users", "user_id", {"username": STRING, "city": STRING}, on="userid")
CODE = Lookup("clickstream_codes", "code", {"code": INT, "definition": STRING}, on="status")
VIP = Stream(
    "vip-clicks",
    {"user_id": STRING, "page": INT, "action": STRING, "event_time": BIGINT},
    lambda row: row["event_time"],
)
VIP_USER = Lookup("vip-users", "user_id", {"name": STRING, "level": STRING}, on="user_id", inner=True)
EVENT = Stream(
    "event-topic", {"date": STRING, "eventName": STRING, "userId": STRING}, lambda row: _seconds(row["date"])
)


def _table(
    target: str,
    by: Columns,
    window: Window,
    aggregates: Mapping[str, Callable[[Sequence[Values]], Value]],
    lookup: Lookup | None = None,
    where: Callable[[Values], bool] = lambda _row: True,
    having: Callable[[Values], bool] = lambda _row: True,
) -> Query:
    """A table of web clicks, one row for each of `by` and a window's start."""
    columns = {**by, **_WINDOW, **dict.fromkeys(aggregates, BIGINT)}
    key = (*by, "window_start")
    return Query(
        target,
        WEB,
        columns,
        key,
        lookup=lookup,
        where=where,
        window=window,
        by=tuple(by),
        aggregates=aggregates,
        having=having,
    )


QUERIES: Mapping[str, tuple[Query, ...]] = {
    "clickstream": (
        Query(
            "user_clickstream",
            WEB,
            {"userid": INT, "username": STRING, "ip": STRING, "city": STRING, **_REQUEST, "ts": LTZ, **_PLACE},
            ("ip",),
            upsert=False,
            raw=True,
            lookup=USER,
        ),
        Query(
            "enriched_error_codes",
            WEB,
            {"code": INT, "definition": STRING, "ip": STRING, "ts": LTZ, **_PLACE},
            ("ip",),
            upsert=False,
            raw=True,
            lookup=CODE,
        ),
        _table("events_per_min", {"userid": INT}, _tumble(60), {"events": len}),
        _table(
            "pages_per_min",
            {"userid": INT},
            _hop(5, 60),
            {"pages": len},
            where=lambda row: "html" in (row["request"] or ""),
        ),
        _table(
            "click_user_sessions",
            {"username": STRING},
            _session(30, "username"),
            {"hits": len, "bytes": _total("bytes")},
            lookup=USER,
        ),
        _table(
            "errors_per_min_alert",
            {"status": INT},
            _hop(20, 60),
            {"errors": len},
            where=_at_least("status", 401),
            having=_at_least("errors", 6),
        ),
        _table("errors_per_min", {"status": INT}, _hop(5, 60), {"errors": len}, where=_at_least("status", 401)),
        _table(
            "enriched_error_codes_count",
            {"code": INT, "definition": STRING},
            _tumble(30),
            {"hits": len},
            lookup=CODE,
            having=_at_least("hits", 2),
        ),
        _table(
            "user_ip_activity",
            {"username": STRING, "ip": STRING, "city": STRING},
            _tumble(60),
            {"hits": len},
            lookup=USER,
            having=_at_least("hits", 2),
        ),
        _table(
            "malicious_user_sessions",
            {"username": STRING, "ip": STRING},
            _session(30, "username", "ip"),
            {"hits": len, "bytes": _total("bytes")},
            lookup=USER,
            having=_at_least("bytes", 500_001),
        ),
        _table(
            "traffic_per_min",
            {},
            _tumble(60),
            {
                "hits": len,
                "visitors": _distinct("ip"),
                "bytes": _total("bytes"),
                "errors": lambda rows: sum(map(_at_least("status", 400), rows)),
            },
        ),
    ),
    "vip": (
        Query(
            "vip_action",
            VIP,
            {"user_id": STRING, "name": STRING, "page": INT, "action": STRING, "event_time": LTZ, **_PLACE},
            ("user_id",),
            upsert=False,
            lookup=VIP_USER,
            where=lambda row: row["level"] == "PLATINUM",
            renamed={"event_time": "ts"},
        ),
    ),
    "products": (
        Query(
            "events_per_name",
            EVENT,
            {"event_name": STRING, **_WINDOW, "events": BIGINT, "users": BIGINT},
            ("event_name", "window_start"),
            renamed={"event_name": "eventName"},
            window=_tumble(60),
            by=("eventName",),
            aggregates={"events": len, "users": _distinct("userId")},
        ),
    ),
}


# --- what they come to


def expected(name: str, topics: Topics, suffix: str = "") -> Expected:
    """What the file's target topics have to hold; `topics` have the file's names with `suffix` behind each."""
    made = Expected()
    for query in QUERIES[name]:
        rows, made.late[query.target] = _rows(query, topics, suffix, made.dead)
        written = [(_key(query, row), _written(query.columns, query.columns, row)) for row in rows]
        made.tables[query.target] = final(query.upsert, written)
    return made


def _rows(query: Query, topics: Topics, suffix: str, dead: set[Origin]) -> tuple[list[Values], set[Origin]]:
    """The target's rows, and the rows that came too late for them."""
    rows = _read(query.source, query.source.topic + suffix, topics, dead)
    if query.lookup is not None:
        rows = _joined(query.lookup, rows, _versions(query.lookup, query.lookup.topic + suffix, topics, dead))
    rows = [row for row in rows if query.where(row.values)]
    late: set[Origin] = set()
    if query.window is not None:
        place = sessions if query.window.kind == "SESSION" else aligned
        placed, late = place(query.window, rows)
        found = [row for row in _grouped(query, placed) if query.having(row)]
    else:
        found = [row.values for row in rows]
    renamed = [{name: row[query.renamed.get(name, name)] for name in query.columns} for row in found]
    return [row for row in renamed if not query.upsert or None not in [row[name] for name in query.key]], late


def _object(data: bytes | None) -> dict[str, object] | None:
    try:
        found = load(data or b"")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _read(stream: Stream, topic: str, topics: Topics, dead: set[Origin]) -> list[Row]:
    made: list[Row] = []
    marks: dict[int, int] = {}
    for record in topics[topic]:
        origin, found = (topic, record.partition, record.offset), _object(record.value)
        if found is None:
            dead.add(origin)
            continue
        values: Values = {name: from_json(found.get(name), kind) for name, kind in stream.columns.items()}
        time, mark = stream.ts(values), marks.get(record.partition, NONE_YET)
        values |= {"ts": time, "src_partition": record.partition, "src_offset": record.offset}
        made.append(Row(values, origin, time, mark))
        marks[record.partition] = mark if time is None else max(mark, time - DELAY_MS)
    return made


def _versions(lookup: Lookup, topic: str, topics: Topics, dead: set[Origin]) -> dict[Value, Versions]:
    """Of each key its rows, each from its record's timestamp on; None: deleted."""
    made: dict[Value, Versions] = {}
    for record in topics[topic]:
        key, value = _object(record.key), _object(record.value)
        if key is None or (value is None and record.value is not None):
            dead.add((topic, record.partition, record.offset))
            continue
        made.setdefault(_key_of(lookup, key), []).append((record.timestamp, _version(lookup, record, key, value)))
    return made


def _key_of(lookup: Lookup, key: Mapping[str, object]) -> Value:
    return from_json(key.get(lookup.key), STRING)


def _version(
    lookup: Lookup, record: Record, key: Mapping[str, object], value: Mapping[str, object] | None
) -> Values | None:
    if record.value is None or value is None:
        return None
    return {name: from_json({**value, **key}.get(name), kind) for name, kind in lookup.columns.items()}


def _joined(lookup: Lookup, rows: Sequence[Row], versions: Mapping[Value, Versions]) -> list[Row]:
    """Rows that have a time, beside the version of it."""
    made = []
    for row in rows:
        key = row.values[lookup.on]
        found = as_of(versions.get(None if key is None else str(key), []), row.time)
        if row.time is not None and (found is not None or not lookup.inner):
            values = row.values | dict.fromkeys(lookup.columns) | (found or {})
            made.append(replace(row, values=values))
    return made


def _grouped(query: Query, placed: Sequence[tuple[Row, int, int]]) -> list[Values]:
    groups: dict[tuple[Value, ...], list[Values]] = {}
    for row, start, end in placed:
        groups.setdefault((start, end, *(row.values[name] for name in query.by)), []).append(row.values)
    return [
        {
            **dict(zip(("window_start", "window_end", *query.by), key, strict=True)),
            **{name: aggregate(rows) for name, aggregate in query.aggregates.items()},
        }
        for key, rows in groups.items()
    ]


def _key(query: Query, row: Values) -> object:
    return row[query.key[0]] if query.raw else _written(query.columns, query.key, row)


def _written(columns: Columns, names: Sequence[str] | Columns, row: Values) -> dict[str, object]:
    return {name: to_json(row[name], columns[name]) for name in names}
