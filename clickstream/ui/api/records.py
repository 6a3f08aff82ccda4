"""Records of a topic: searches, one record to the byte, and exports.

GET /api/topics/NAME/records                          a search, with its progress
GET /api/topics/NAME/export                           the records of a question, as a file
GET /api/topics/NAME/PARTITION/OFFSET                 one record; with `part`, a piece of it
GET /api/topics/NAME/PARTITION/OFFSET/PART            its bytes, as a file
"""

import time
from io import BufferedWriter, RawIOBase
from threading import Event
from typing import Any, BinaryIO, cast

import msgspec
from confluent_kafka import Message
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from clickstream.errors import ClickstreamError
from clickstream.inspect import export, position, render, search, shown
from clickstream.inspect.instant import extent_at
from clickstream.inspect.offsets import Limits, Partition
from clickstream.inspect.read import Keep, Open
from clickstream.inspect.search import Answer, Bounds, Progress, Question, Search
from clickstream.inspect.tail import find
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import headers_of
from clickstream.ui.api import questions
from clickstream.ui.api.jobs import CHUNK_BYTES, Left, Put, Refused, Streamed, answer, on_thread, refusal
from clickstream.ui.wiring import Wiring

PROGRESS_EVERY_S = 0.25
SEARCH = Bounds(seconds=20.0, records=2_000_000)
EXPORT = export.Cap(records=1_000_000, octets=256_000_000)
MAX_SLICE_BYTES = 1_048_576

GIVE_REGISTRY = "start the dashboard with --schema-registry URL to read it"
_LOOKED_AT = ("key", "value")

_CSV, _JSONL, _EXACT = "csv", "jsonl", "exact"


class Found(msgspec.Struct, frozen=True):
    """What a search found, in order; `end` says why it ended, `places` where to go on (None: nowhere)."""

    rows: list[shown.Row]
    end: str
    progress: Progress
    places: str | None


class Records:
    """The answers, of one server."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._cluster = wiring.services.cluster

    async def search(self, request: Request) -> Streamed | Response:
        """A search, which ends when the client leaves.

        JSON lines: `{"progress": ...}`, at most four a second, then `{"answer": ...}` or `{"error": ...}`.
        """
        try:
            asked = questions.question(request.path_params["name"], request.query_params)
            columns = questions.columns(request.query_params)
        except Refused as problem:
            return refusal(problem)
        cluster = self._cluster

        def work(put: Put, stop: Event) -> None:
            told = _Told(put)
            job = Search(
                cluster,
                asked,
                lambda message: shown.row(message, columns),
                SEARCH,
                on_progress=told,
                opened=self._wiring.services.opened,
            )
            try:
                put(_line("answer", _found(job.run(stop))))
            except ClickstreamError as problem:
                put(_line("error", str(problem)))

        return Streamed(work, "application/x-ndjson", stopping=self._wiring.stopping)

    async def one(self, request: Request) -> Response:
        """One record, with the first 64 kB of each part; with `part` (key, value, header) a piece of that from `start`.

        `header` is followed by the header's number: `header3`. Keys and values in Avro are the JSON that they were read
        as, or with `raw` 1 their bytes.
        """
        try:
            params = request.query_params
            name, number, offset = _place(request)
            piece = params.get("part")
            start = questions.whole("start", params.get("start", "0"))
            length = min(MAX_SLICE_BYTES, questions.whole("length", params.get("length", str(shown.SLICE_BYTES))))
            raw = params.get("raw") == "1"

            def work(stop: Event) -> shown.Whole | shown.Part | None:
                found = search.record_at(self._cluster, name, number, offset, stop)
                if piece is None:
                    return shown.whole(found, length, self._look)
                octets = _octets(found, piece)
                return shown.part(octets if raw or piece not in _LOOKED_AT else self._look(octets)[0], start, length)

            return answer(await on_thread(work))
        except search.NoRecord as problem:
            return answer({"error": str(problem)}, 404)
        except ClickstreamError as problem:
            return refusal(problem)

    def _look(self, octets: bytes | None) -> tuple[bytes | None, shown.Avro | None]:
        """What is shown of a key or a value. Asks the schema registry, if there is one."""
        schema = shown.avro_schema(octets)
        if octets is None or schema is None:
            return octets, None
        viewer = self._wiring.services.viewer
        found = None if viewer is None else viewer.look(octets)
        if found is None:
            return octets, shown.Avro(schema, words=GIVE_REGISTRY)
        if found.json is None:
            return octets, shown.Avro(schema, words=found.words)
        return found.json, shown.Avro(schema, found.name)

    async def download(self, request: Request) -> Response:
        """The bytes of a record's key, value or header, as a file."""
        try:
            name, number, offset = _place(request)
            piece = request.path_params["part"]
            cluster = self._cluster
            found = await on_thread(lambda stop: search.record_at(cluster, name, number, offset, stop))
            octets = _octets(found, piece)
        except search.NoRecord as problem:
            return answer({"error": str(problem)}, 404)
        except ClickstreamError as problem:
            return refusal(problem)
        if octets is None:
            return answer({"error": f"This record has no {piece}."}, 404)
        headers = {"content-disposition": f'attachment; filename="{name}-{number}-{offset}-{piece}"'}
        return Response(octets, media_type="application/octet-stream", headers=headers)

    async def export(self, request: Request) -> Streamed | Response:
        """Every record that the question is about, up to EXPORT, as a file: `format` csv, jsonl or exact.

        jsonl: as `topics tail` prints them; exact: key, value and headers in base64; csv: see inspect/flatten.py, and
        no cell is a formula unless `raw` is 1. They come by partition and offset; when the cap cut some off, a last
        line says so.
        """
        try:
            form = request.query_params.get("format", _JSONL)
            asked = questions.question(request.path_params["name"], request.query_params)
            if form not in (_CSV, _JSONL, _EXACT):
                raise Refused(400, "format: csv, jsonl or exact is expected.")
            if not self._wiring.exports:
                raise Refused(403, "Exports are switched off here (clickstream ui --no-export).")
        except Refused as problem:
            return refusal(problem)
        safe = request.query_params.get("raw") != "1"

        def work(put: Put, stop: Event) -> None:
            _export(self._cluster, asked, form, put, stop, safe=safe, opened=self._wiring.services.opened)

        ending = "csv" if form == _CSV else "jsonl"
        media_type = "text/csv; charset=utf-8" if form == _CSV else "application/x-ndjson"
        headers = {
            "content-disposition": f'attachment; filename="{asked.topic}.{ending}"',
            "x-clickstream-cap": str(EXPORT),
        }
        return Streamed(work, media_type, headers, stopping=self._wiring.stopping)


class _Told:
    """Sends progress, but not too often."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._next = time.monotonic() + PROGRESS_EVERY_S

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + PROGRESS_EVERY_S
            self._put(_line("progress", progress))


def _line(name: str, shown_: object) -> bytes:
    return msgspec.json.encode({name: shown_}) + b"\n"


def _found(found: Answer[shown.Row]) -> Found:
    return Found(found.found, found.end.value, found.progress, questions.places_text(found.places))


def _place(request: Request) -> tuple[str, int, int]:
    path = request.path_params
    return (
        questions.topic(path["name"]),
        questions.whole("partition", path["partition"]),
        questions.whole("offset", path["offset"]),
    )


def _octets(message: Message, piece: str) -> bytes | None:
    match piece:
        case "key":
            return message.key()
        case "value":
            return message.value()
    number = piece.removeprefix("header")
    headers = headers_of(message)
    if not number.isdecimal() or not number.isascii() or int(number[:9]) >= len(headers):
        raise Refused(400, "part: key, value, or header0, header1, ... is expected.")
    return headers[int(number[:9])][1]


def _export(
    cluster: Cluster, asked: Question, form: str, put: Put, stop: Event, *, safe: bool, opened: Open | None
) -> None:
    exact = form == _EXACT
    there = find(cluster, cluster.admin(), [asked.topic], asked.partition)
    limits = extent_at(cluster, cluster.admin(), there, asked.instant).limits
    source = export.Source(
        cluster,
        _from_start(cluster, asked, limits),
        stop,
        lambda _passed: None,
        keep=_opened_first(asked, opened) if exact else asked.accepts,
        cap=EXPORT,
        opened=None if exact else opened,
    )
    with BufferedWriter(_Body(put), CHUNK_BYTES) as out:
        try:
            if form == _CSV:
                export.to_csv(source, cast(BinaryIO, out), safe=safe)
            else:
                export.to_jsonl(source, out, render.exact_line if exact else render.line)
        except export.Stopped:
            raise Left from None
        if source.capped:
            words = f"Cut here: an export has at most {EXPORT}; there are more."
            out.write(f"# {words}\n".encode() if form == _CSV else _line("cut", words))


def _opened_first(asked: Question, opened: Open | None) -> Keep:
    """Whether a record is one of those, which stays as it is."""
    if opened is None:
        return asked.accepts

    def keep(message: Message) -> bool:
        looked_at = Message(
            topic=message.topic(), partition=message.partition(), offset=message.offset(), key=message.key(),
            value=message.value(), headers=message.headers(), timestamp=message.timestamp(),
        )  # fmt: skip
        opened(looked_at)
        return asked.accepts(looked_at)

    return keep


def _from_start(cluster: Cluster, asked: Question, limits: dict[Partition, Limits]) -> dict[Partition, Limits]:
    starts = position.starts(cluster, cluster.admin(), asked.start or position.Beginning(), limits)
    return {one: Limits(starts[one], limit.high) for one, limit in limits.items()}


class _Body(RawIOBase):
    """A file that goes to the client as it is written."""

    def __init__(self, put: Put) -> None:
        self._put = put

    def writable(self) -> bool:
        return True

    def write(self, octets: Any) -> int:
        self._put(bytes(octets))
        return len(octets)


def routes(wiring: Wiring) -> list[BaseRoute]:
    """Below /api."""
    records = Records(wiring)
    return [
        Route("/topics/{name}/records", records.search),
        Route("/topics/{name}/export", records.export),
        Route("/topics/{name}/{partition}/{offset}", records.one),
        Route("/topics/{name}/{partition}/{offset}/{part}", records.download),
    ]
