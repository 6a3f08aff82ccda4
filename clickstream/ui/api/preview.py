"""Streaming SQL before it runs: what `tables check` says of it, and what it would write.

POST /api/ask/check       `{"sql"}`: what is wrong with it, each at its place, word for word as the command prints it
POST /api/ask/preview     `{"sql", "records"}`: JSON lines, `{"progress"}`, and then `{"answer"}`, `{"error"}`, or
                          `{"check"}` when something is wrong with it
"""

from collections.abc import Mapping
from threading import Event
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from clickstream.errors import ClickstreamError
from clickstream.inspect.text import utc
from clickstream.query.model import MIB, Cell, Column, for_browsers
from clickstream.ui.api import asking
from clickstream.ui.api.jobs import Put, Refused, Streamed, answer, on_thread, refusal
from clickstream.ui.wire import Instant
from clickstream.ui.wiring import Wiring

if TYPE_CHECKING:
    from clickstream.tables.preview.preview import Preview, Result
    from clickstream.tables.sql.check import Checked
    from clickstream.tables.sql.model import Table

NAME = "SQL"  # in the place of the file's name
MAX_RECORDS = 100_000
MAX_ROWS = 200
# What the command sets as well: the records that are there, and no waiting for references.
SETTINGS = {"BOUNDED": "latest-offset", "REF_IDLE": "0 s"}


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`records`: the last ones of each source. `to` (epoch ms): those that had come by that instant."""

    sql: str
    records: Annotated[int, msgspec.Meta(ge=1, le=MAX_RECORDS)] = 10_000
    to: Instant | None = None


class Finding(msgspec.Struct, frozen=True):
    """`line` and `column` count from 1, in characters, of which `length` are marked. `shown` is all of it in words."""

    line: int
    column: int
    length: int
    message: str
    hint: str
    shown: str


class Named(msgspec.Struct, frozen=True):
    """A table of the text. `result`: something is written to it."""

    name: str
    columns: list[Column]
    result: bool


class Check(msgspec.Struct, frozen=True):
    """Without findings, `tables run` would take it."""

    findings: list[Finding]
    tables: list[Named]


class Shown(msgspec.Struct, frozen=True):
    """The newest `rows` of `known`; `early` says of each whether its window was still open. Times are UTC."""

    name: str
    columns: list[Column]
    rows: list[list[Cell]]
    early: list[bool]
    known: int
    late: int
    dropped: int


class Answer(msgspec.Struct, frozen=True):
    """`records` that were read, by table; `whole`: there are no others. `troubles` hint at mistakes; `to` is the
    question's."""

    results: list[Shown]
    records: dict[str, int]
    whole: bool
    troubles: list[str]
    to: int | None


class Previews:
    """The answers, of one server."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    async def check(self, request: Request) -> Response:
        """What is wrong with a text."""
        try:
            question = await asking.asked(request, Question)
            return answer(await on_thread(lambda _stop: shown_check(checked(question.sql))))
        except ClickstreamError as problem:
            return refusal(problem)

    async def preview(self, request: Request) -> Streamed | Response:
        """What it would write; no topic is written. It ends when the client leaves."""
        try:
            question = await asking.asked(request, Question)
        except Refused as problem:
            return refusal(problem)

        def work(put: Put, stop: Event) -> None:
            try:
                put(self._preview(question, put, stop))
            except ClickstreamError as problem:
                put(asking.line("error", str(problem)))

        return Streamed(work, "application/x-ndjson", stopping=self._wiring.stopping)

    def _preview(self, question: Question, put: Put, stop: Event) -> bytes:
        found = checked(question.sql, SETTINGS)
        if found.problems:
            return asking.line("check", shown_check(found))
        with asking.extra_needed():
            from clickstream.tables.preview.limits import Limits
            from clickstream.tables.preview.preview import Progress, preview
        told = asking.Told(put)

        def tell(progress: Progress) -> None:
            told(progress.doing, progress.done, progress.total)

        limits = Limits(records=question.records, instant=question.to, most_bytes=64 * MIB, rows=MAX_ROWS)
        with asking.turn(put, stop):
            made = preview(self._wiring.services.cluster, found, limits, tell=tell, cancel=stop)
            return asking.line("answer", shown_preview(made, question.to))


def checked(sql: str, settings: Mapping[str, str] = MappingProxyType({})) -> "Checked":
    """As the commands do it; `settings` are what ${NAME} stands for besides its usual values."""
    with asking.extra_needed():
        from clickstream.tables.sql.check import VARIABLES, check
    return check(sql, {**VARIABLES, **settings}, NAME)


def shown_check(found: "Checked") -> Check:
    """Findings in the order of the text, and the tables that could be read."""
    findings = [
        Finding(one.line, one.column, one.length, one.message, one.hint, found.source.render(one))
        for one in found.problems
    ]
    results = {insert.target.name for insert in found.program.inserts}
    tables = [Named(name, _columns(table), name in results) for name, table in found.program.tables.items()]
    return Check(findings, tables)


def shown_preview(found: "Preview", to: int | None) -> Answer:
    """As a page shows it."""
    troubles = []
    for source in found.sources:
        if source.dead_letters:
            troubles.append(f"{source.dead_letters:,} records of {source.topic} cannot be read as {source.name}.")
        if source.untimed:
            troubles.append(f"{source.untimed:,} rows of {source.name} have no event time.")
        troubles += [
            f"{one.count:,} values of {source.name}.{one.column} are no {one.type}, and so NULL."
            for one in source.mistyped
        ]
    return Answer([_result(one) for one in found.results], found.records, found.whole, troubles, to)


def _result(found: "Result") -> Shown:
    columns = _columns(found.table)
    rows = [
        [_cell(value, column.type) for value, column in zip(row.values, columns, strict=True)] for row in found.rows
    ]
    early = [row.early for row in found.rows]
    report = found.report
    return Shown(found.table.name, columns, rows, early, found.known, report.late, report.dropped)


def _columns(table: "Table") -> list[Column]:
    return [Column(column.name, str(column.type.value)) for column in table.columns]


def _cell(value: Any, kind: str) -> Cell:
    if isinstance(value, int) and not isinstance(value, bool) and kind.startswith("TIMESTAMP"):
        return str(utc(value)).replace("T", " ").removesuffix("Z").removesuffix(".000")
    if isinstance(value, float) and value - value != 0:  # JSON has neither NaN nor infinities
        return str(value)
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else for_browsers(value)


def routes(wiring: Wiring) -> list[BaseRoute]:
    """Below /api."""
    previews = Previews(wiring)
    return [
        Route("/ask/check", previews.check, methods=["POST"]),
        Route("/ask/preview", previews.preview, methods=["POST"]),
    ]
