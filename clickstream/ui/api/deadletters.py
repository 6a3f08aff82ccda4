"""Dead letters: one to look at, and sending one again.

GET  /api/dead-letters/PARTITION/OFFSET           one letter, its value to the byte
POST /api/dead-letters/PARTITION/OFFSET/retry     send it again, with `{"value": text}` instead of its own value
"""

import re
from threading import Event

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from clickstream.errors import ClickstreamError
from clickstream.inspect import letters, shown
from clickstream.inspect.letters import Letter
from clickstream.inspect.search import NoRecord
from clickstream.ui.api import questions
from clickstream.ui.api.jobs import Refused, answer, on_thread, refusal
from clickstream.ui.wiring import Wiring

RETRY_WITHIN_S = 60.0

_BYTE = re.compile(r"\(byte (\d+)\)")


class Shown(msgspec.Struct, frozen=True):
    """A letter. Of a long `value` it has the 64 kB around the bad byte, or the first ones. `bad` is the number of the
    byte at which reading its value fails (None: it is JSON, or too short); `refusal` says why it cannot be sent again,
    empty when it can."""

    partition: int
    offset: str
    time: int | None
    reason: str
    part: str
    origin_topic: str | None
    origin: str
    length: int
    retried: bool
    refusal: str
    key: shown.Part | None
    value: shown.Part | None
    headers: list[tuple[str, shown.Part | None]]
    bad: int | None


class Repaired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sent in the place of the letter's value; without it, the letter's own."""

    value: str | None = None


class Sent(msgspec.Struct, frozen=True):
    """Where it was sent to."""

    topic: str


class DeadLetters:
    """The answers, of one server."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._cluster = wiring.services.cluster
        self._topic: str = wiring.services.settings["dead-letter-topic"]

    async def one(self, request: Request) -> Response:
        """One letter."""
        try:
            place = _place(request)
            return answer(show(await on_thread(lambda stop: letters.letter(self._cluster, self._topic, *place, stop))))
        except NoRecord as problem:
            return answer({"error": str(problem)}, 404)
        except ClickstreamError as problem:
            return refusal(problem)

    async def retry(self, request: Request) -> Response:
        """Sends it again. The guard has seen the token; without --allow-control it is refused."""
        try:
            if not self._wiring.control:
                raise Refused(403, "This page only reads. To send letters again: clickstream ui --allow-control")
            place = _place(request)
            repaired = _repaired(await request.body())

            def work(stop: Event) -> str:
                return letters.retry(self._cluster, self._topic, *place, stop, value=repaired)

            return answer(Sent(await on_thread(work, RETRY_WITHIN_S)))
        except NoRecord as problem:
            return answer({"error": str(problem)}, 404)
        except letters.NotSent as problem:
            return answer({"error": str(problem)}, 409)
        except ClickstreamError as problem:
            return refusal(problem)


def show(letter: Letter) -> Shown:
    """The letter as a page shows it. Raises NoRecord when the record is none."""
    found = letter.found
    if found is None:
        raise NoRecord(f"The record at partition {letter.partition}, offset {letter.offset} is no dead letter.")
    bad = bad_byte(found.value)
    return Shown(
        partition=letter.partition,
        offset=str(letter.offset),
        time=found.time,
        reason=found.reason,
        part=found.part,
        origin_topic=found.origin.topic,
        origin=str(found.origin),
        length=found.length,
        retried=letter.retried,
        refusal=letters.why_not(letter),
        key=shown.part(found.key),
        value=shown.part(found.value, _start(found.value, bad)),
        headers=[(name, shown.part(octets)) for name, octets in found.headers],
        bad=bad,
    )


def _start(value: bytes | None, bad: int | None) -> int:
    """Where a part begins that has the bad byte in its middle, or as near to it as the value's ends allow."""
    if value is None or bad is None:
        return 0
    return max(0, min(bad - shown.SLICE_BYTES // 2, len(value) - shown.SLICE_BYTES))


def bad_byte(value: bytes | None) -> int | None:
    """The number, from 0, of the byte at which reading the value as JSON fails; None when it does not."""
    if value is None:
        return None
    try:
        msgspec.json.decode(value.decode())
    except UnicodeDecodeError as error:
        return error.start
    except msgspec.DecodeError as error:
        found = _BYTE.search(str(error))
        return min(int(found[1]), len(value)) if found else len(value)
    except RecursionError:
        return None
    return None


def _place(request: Request) -> tuple[int, int]:
    path = request.path_params
    return questions.whole("partition", path["partition"]), questions.whole("offset", path["offset"])


def _repaired(body: bytes) -> bytes | None:
    try:
        found = msgspec.json.decode(body or b"{}", type=Repaired)
    except msgspec.MsgspecError as error:
        raise Refused(400, f'{{"value": text}} is expected: {error}.') from None
    return None if found.value is None else found.value.encode()


def routes(wiring: Wiring) -> list[BaseRoute]:
    """Below /api."""
    found = DeadLetters(wiring)
    return [
        Route("/dead-letters/{partition}/{offset}", found.one),
        Route("/dead-letters/{partition}/{offset}/retry", found.retry, methods=["POST"]),
    ]
