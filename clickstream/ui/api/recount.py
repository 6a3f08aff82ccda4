"""A number of a page, counted again from Kafka: what the history says, and what the topic does.

GET /api/recount?figure=hits&from=MS&to=MS&filters=[["page","=","/x"]]

`threshold` is of large_sessions, `event` of event_rate, `steps` (JSON) and `window` (ms) of funnel, `dimension` and
`rows` (how many of them are told one by one) of values and error_values.
"""

from heapq import nsmallest
from threading import Event

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from clickstream.errors import ClickstreamError
from clickstream.history.funnel import MAX_STEPS
from clickstream.history.history import History
from clickstream.history.model import CLICKS, DIMENSIONS
from clickstream.ui import past
from clickstream.ui.api import questions
from clickstream.ui.api.jobs import Put, Refused, Streamed, refusal
from clickstream.ui.numbers import NUMBERS, Counts, Of, Steps, Value, reread
from clickstream.ui.wiring import Wiring

MAX_WINDOW_MS = 24 * 3_600_000
MAX_ROWS = 300
LOST = "Records were deleted from the topic: this compares what it has left."

_KNOWN = frozenset(["figure", "from", "to", "filters", "threshold", "event", "steps", "window", "dimension", "rows"])
_OF_VALUES = ("values", "error_values")


class Listed(msgspec.Struct, frozen=True):
    """A list as one side has it: [value, how many] of those with the most on either side, the same and in the same
    order on both, at last None for what has no value; `more` other values are `rest` in all."""

    rows: list[tuple[str | None, int]]
    more: int
    rest: int


Shown = float | Steps | Listed | None


class Both(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """`history` and `topic` are the number of [from, to), None when there is none: of no click, or because the history
    does not reach so far. `differing`: 0 when they are equal; of a list, how many of all its values differ.
    `records` of the topic were read. `note` says what is on neither side, and why; "" when all is.
    """

    from_: int
    to: int
    history: Shown
    topic: Shown
    differing: int
    records: int
    topic_name: str
    seconds: float
    note: str


class Recounts:
    """The answers, of one server."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    async def one(self, request: Request) -> Streamed | Response:
        """Reads until it is done, a bound is reached (history/reread.py), or the client leaves."""
        try:
            figure, of = asked(request.query_params)
            history = past.history_of(self._wiring.services)
        except ClickstreamError as problem:
            return refusal(problem)

        def work(put: Put, stop: Event) -> None:
            put(msgspec.json.encode(both(history, figure, of, stop)))

        return Streamed(work, "application/json", stopping=self._wiring.stopping)


def asked(params: QueryParams) -> tuple[str, Of]:
    """The name of the number, and what it is of. Raises Refused (400)."""
    unknown = sorted(set(params) - _KNOWN)
    if unknown:
        raise Refused(400, f"There is no parameter {unknown[0][:50]!r}.")
    figure = params.get("figure", "")
    if figure not in NUMBERS:
        raise Refused(400, f"There is no figure {figure[:50]!r}; there are {', '.join(NUMBERS)}.")
    start, end = (questions.whole(name, params.get(name, "")) for name in ("from", "to"))
    if not 1 <= end - start <= past.MAX_RANGE_MS:  # a session of one click has 1 ms
        raise Refused(400, "A range of 1 ms to 24 h can be counted again.")
    try:
        filters = msgspec.json.decode(params.get("filters", "[]"), type=tuple[tuple[str, str, str], ...])
    except msgspec.MsgspecError:
        raise Refused(400, "filters: JSON is expected, [[dimension, = or !=, value], ...].") from None
    try:
        chosen = past.filters_of(filters)
    except ClickstreamError as problem:
        raise Refused(400, str(problem)) from None
    return figure, Of(
        start,
        end,
        chosen,
        threshold=questions.whole("threshold", params.get("threshold", "0")),
        event=params.get("event", ""),
        steps=_steps(params) if figure == "funnel" else (),
        window=min(MAX_WINDOW_MS, questions.whole("window", params.get("window", "0"))),
        dimension=_dimension(params) if figure in _OF_VALUES else "",
        rows=min(MAX_ROWS, questions.whole("rows", params.get("rows", "10"))),
    )


def _steps(params: QueryParams) -> tuple[str, ...]:
    try:
        steps = msgspec.json.decode(params.get("steps", "[]"), type=tuple[str, ...])
    except msgspec.MsgspecError:
        steps = ()
    if not 1 <= len(steps) <= MAX_STEPS or len(set(steps)) < len(steps):
        raise Refused(400, f"steps: JSON is expected, a list of 1 to {MAX_STEPS} names, each of them once.")
    return steps


def _dimension(params: QueryParams) -> str:
    name = params.get("dimension", "")
    if name not in DIMENSIONS:
        raise Refused(400, f"dimension: one of {', '.join(DIMENSIONS)} is expected.")
    return name


def both(history: History, figure: str, of: Of, stop: Event) -> Both:
    """What the history says, and what Kafka does. Raises Refused when the answer would not be whole."""
    number = NUMBERS[figure]
    end = history.final_end(number.kind, of.end)
    if end <= of.start:
        raise Refused(409, "Nothing of this time is final yet: ask again in a few seconds.")
    of = msgspec.structs.replace(of, end=end)
    before = number.in_history(history, of)
    plain = number.plainly(of)
    found, ahead = reread(history, number, of, plain, stop)
    if not found.complete:
        raise Refused(503, found.words)
    topic, shown = plain.value(), number.in_history(history, of)
    # Late records may come while the topic is read, and the history have them: what it said before is as good.
    if shown != topic and before == topic:
        shown = before
    name = history.topics[0 if number.kind == CLICKS else 1]
    mine, its, differing = compared(shown, topic, of.rows)
    # The history may have taken records of this time before they were deleted: that it has more would tell nothing.
    if differing and found.doubt:
        raise Refused(503, found.doubt)
    noun = "click" if number.kind == CLICKS else "event"
    more = history.left_out(number.kind).gave_up(plain.since, of.end)
    notes = [_more_left_out(ahead, noun) if more else _left_out(ahead, noun), LOST if found.doubt else ""]
    note = " ".join(filter(None, notes))
    return Both(of.start, of.end, mine, its, differing, found.records, name, found.seconds, note)


def _left_out(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun} came more than a minute before its own time: it is not in the history, and not counted here."
    many = f"{number:,} {noun}s came more than a minute before their own time"
    return f"{many}: they are not in the history, and not counted here." if number else ""


def _more_left_out(number: int, noun: str) -> str:
    """Where more were left out than are known."""
    return (
        f"Many {noun}s came more than a minute before their own time: they are not in the history, and no more than "
        f"{number:,} of them could be left out here."
    )


def compared(history: Value, topic: Value, rows: int) -> tuple[Shown, Shown, int]:
    """Both sides as they are told, and how many values differ; of a list those `rows` that are the most on either side.

    All values are compared, also those that are not told one by one: there, differences may make up for each other.
    """
    if not (isinstance(history, dict) or isinstance(topic, dict)):
        return history, topic, int(history != topic)
    known = history if isinstance(history, dict) else {}
    read = topic if isinstance(topic, dict) else {}
    every = {value: max(known.get(value, 0), read.get(value, 0)) for value in {*known, *read}}
    values = nsmallest(rows, ((-number, value) for value, number in every.items() if value is not None))
    shown = [*(value for _number, value in values), *([None] if None in every else [])]

    def side(counts: Counts) -> Listed:
        rest = counts.keys() - shown
        return Listed([(value, counts.get(value, 0)) for value in shown], len(rest), sum(counts[one] for one in rest))

    differing = sum(known.get(value, 0) != read.get(value, 0) for value in every)
    return (None, side(read), max(1, differing)) if history is None else (side(known), side(read), differing)


def routes(wiring: Wiring) -> list[BaseRoute]:
    """Below /api."""
    return [Route("/recount", Recounts(wiring).one)]
