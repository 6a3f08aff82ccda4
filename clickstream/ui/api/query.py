"""One SELECT over the history and the last records of topics; see query/query.py for what it may do.

GET  /api/ask/tables      what can be asked: the history's tables, and topics
POST /api/ask/query       `{"sql", "records"}`: JSON lines, `{"progress"}` and then `{"answer"}` or `{"error"}`
POST /api/ask/export      the same question, with `format` jsonl or csv: its rows as a file
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Event
from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from clickstream import terminal
from clickstream.errors import ClickstreamError
from clickstream.history.history import History
from clickstream.inspect.flatten import not_a_formula
from clickstream.kafka.admin import metadata
from clickstream.query.model import MIB, Cell, Column, Limits, Newest, Result, Tables, for_browsers
from clickstream.ui.api import asking
from clickstream.ui.api.jobs import CHUNK_BYTES, Left, Put, Refused, Streamed, answer, on_thread, refusal
from clickstream.ui.services import Services
from clickstream.ui.wire import Instant
from clickstream.ui.wiring import Wiring

MAX_RECORDS = 100_000
LIMITS = Limits(seconds=20.0, memory=256 * MIB, rows=1_000, octets=4 * MIB, threads=1)
EXPORT = msgspec.structs.replace(LIMITS, rows=100_000, octets=64 * MIB)


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`records`: the last ones of each topic. `to` (epoch ms): what there was at that instant."""

    sql: str
    records: Annotated[int, msgspec.Meta(ge=1, le=MAX_RECORDS)] = 10_000
    to: Instant | None = None
    format: Literal["jsonl", "csv"] = "jsonl"


class Answer(msgspec.Struct, frozen=True):
    """Rows as query.model.Result has them; integers beyond 2^53 are texts. `cut`: there are more.

    Of a topic the last `records` are asked, and of the tables in `newest` not all rows. `to` is the question's.
    """

    columns: list[Column]
    rows: list[list[Cell]]
    cut: bool
    tables: list[str]
    seconds: float
    records: int
    newest: dict[str, Newest]
    to: int | None


class Known(msgspec.Struct, frozen=True):
    """The names of all tables. A topic that is called as a table of the history is not among them."""

    history: list[str]
    topics: list[str]


class Queries:
    """The answers, of one server."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    async def tables(self, _request: Request) -> Response:
        """What can be asked."""
        services = self._wiring.services

        def work(_stop: Event) -> Known:
            held = _history(services)
            names = sorted(held[0].names()) if held else []
            topics = metadata(services.cluster, services.cluster.admin())
            return Known(names, sorted(topics.keys() - names))

        try:
            return answer(await on_thread(work))
        except ClickstreamError as problem:
            return refusal(problem)

    async def query(self, request: Request) -> Streamed | Response:
        """The first rows; it ends when the client leaves."""
        try:
            question = await asking.asked(request, Question)
        except Refused as problem:
            return refusal(problem)

        def work(put: Put, stop: Event) -> None:
            try:
                found = _ask(self._wiring.services, question, LIMITS, put, stop, asking.Told(put))
                put(asking.line("answer", _shown(found, question)))
            except ClickstreamError as problem:
                put(asking.line("error", str(problem)))

        return Streamed(work, "application/x-ndjson", stopping=self._wiring.stopping)

    async def export(self, request: Request) -> Streamed | Response:
        """The rows as a file: JSON lines with all digits, or CSV in which no cell is a formula.

        A last line says so when the limits cut some off.
        """
        try:
            question = await asking.asked(request, Question)
            if not self._wiring.exports:
                raise Refused(403, "Exports are switched off here (clickstream ui --no-export).")
        except Refused as problem:
            return refusal(problem)

        def work(put: Put, stop: Event) -> None:
            found = _ask(self._wiring.services, question, EXPORT, put, stop, lambda _doing: None, silent=True)
            for piece in _pieces(csv_lines(found) if question.format == "csv" else json_lines(found)):
                if stop.is_set():
                    raise Left
                put(piece)

        kind = "text/csv; charset=utf-8" if question.format == "csv" else "application/x-ndjson"
        headers = {"content-disposition": f'attachment; filename="query.{question.format}"'}
        return Streamed(work, kind, headers, stopping=self._wiring.stopping)


def _history(services: Services, to: int | None = None) -> list[Tables]:
    return [services.history.tables(to)] if isinstance(services.history, History) else []


def _ask(
    services: Services,
    question: Question,
    limits: Limits,
    put: Put,
    stop: Event,
    tell: Callable[[str], None],
    *,
    silent: bool = False,
) -> Result:
    from clickstream.query.query import query
    from clickstream.query.topics import TopicTables

    topics = TopicTables(services.cluster, question.records, services.opened, question.to)
    places: list[Tables] = [*_history(services, question.to), topics]
    with asking.turn((lambda _piece: None) if silent else put, stop):
        return query(question.sql, places, limits, tell=tell, cancel=stop)


def _shown(found: Result, asked: Question) -> Answer:
    """A column's name stands once: two of one name are told apart."""
    columns = [Column(name, one.type) for name, one in zip(found.names, found.columns, strict=True)]
    rows = [[for_browsers(cell) for cell in row] for row in found.rows]
    return Answer(columns, rows, found.cut, found.tables, found.seconds, asked.records, found.newest, asked.to)


def json_lines(found: Result) -> Iterator[bytes]:
    """An object for each row."""
    for row in found.rows:
        yield msgspec.json.encode(dict(zip(found.names, row, strict=True))) + b"\n"
    if found.cut:
        yield asking.line("$cut", _cut(found))


def csv_lines(found: Result) -> Iterator[bytes]:
    """A heading and the rows; NULL is empty."""
    yield _csv_line(found.names)
    for row in found.rows:
        yield _csv_line([_csv_cell(cell) for cell in row])
    if found.cut:
        yield f"# {_cut(found)}\n".encode()


def _csv_line(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([not_a_formula(terminal.escaped(cell)) for cell in cells])
    return out.getvalue().encode()


def _csv_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _cut(found: Result) -> str:
    return f"Cut after {len(found.rows):,} rows: the query has more than an export may have."


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Several lines at once."""
    buffer = bytearray()
    for one in lines:
        buffer += one
        if len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


def routes(wiring: Wiring) -> list[BaseRoute]:
    """Below /api."""
    queries = Queries(wiring)
    return [
        Route("/ask/tables", queries.tables),
        Route("/ask/query", queries.query, methods=["POST"]),
        Route("/ask/export", queries.export, methods=["POST"]),
    ]
