"""Work for one request on a thread of its own, which ends when the client leaves.

A disconnect reaches a response only through `receive()`: without listening to it, a search whose tab was closed would
read on to its bounds, and an export to its end.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from clickstream.errors import ClickstreamError
from clickstream.kafka.patience import TopicGone

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_JOBS = 8
CHUNK_BYTES = 65_536
QUEUED_CHUNKS = 8
LOOK_AT_STOP_EVERY_S = 0.2
# Of one piece: longer than a slow line or a browser that asks where to save takes. Then its place is needed by others.
SEND_WITHIN_S = 30.0

_room = threading.BoundedSemaphore(MAX_JOBS)


class Refused(ClickstreamError):
    """What an answer with an HTTP status of its own says."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Left(Exception):
    """The client is gone: nobody reads what is made."""


Put = Callable[[bytes], None]
"""Takes a piece of the body. Waits while the client is slow; raises Left once it is gone."""

Work = Callable[[Put, threading.Event], None]
"""Makes a body; ends when the event is set. What it raises before its first piece becomes an answer with a status."""


def answer(shown: Any, status: int = 200) -> Response:
    """JSON. (Times are epoch ms; integers that may pass 2^53, and bytes, are texts in it.)"""
    return Response(msgspec.json.encode(shown), status, media_type="application/json")


def refusal(problem: BaseException) -> Response:
    """What went wrong, as `{"error": words}` with a status that fits."""
    match problem:
        case Refused():
            return answer({"error": str(problem)}, problem.status)
        case TopicGone():
            return answer({"error": str(problem)}, 404)
        case ClickstreamError():
            return answer({"error": str(problem)}, 503)
    log.error("A request failed.", exc_info=problem)
    return answer({"error": f"The server failed: {type(problem).__name__}. Its log says more."}, 500)


class Streamed:
    """An ASGI response whose body is made by `work` on a thread, and sent as it comes.

    HEAD asks only whether there is room for it: the work is not done.
    """

    def __init__(
        self,
        work: Work,
        media_type: str,
        headers: dict[str, str] | None = None,
        *,
        stopping: asyncio.Event | None = None,
    ) -> None:
        """`stopping`: once it is set, the server ends, and so does this."""
        self._work = work
        self._stopping = stopping or asyncio.Event()
        self._headers = {"content-type": media_type, **(headers or {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _room.acquire(blocking=False):
            await refusal(Refused(503, f"{MAX_JOBS} searches and exports run already: wait for one of them."))(
                scope, receive, send
            )
            return
        if scope["method"] == "HEAD":
            _room.release()
            await send(self._begin())
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        pieces = _Pieces(asyncio.get_running_loop(), self._work, self._stopping)
        leaving = asyncio.create_task(_left(receive, pieces.stop))
        try:
            await self._serve(pieces, scope, receive, _in_time(send))
        finally:
            pieces.stop.set()
            leaving.cancel()

    async def _serve(self, pieces: "_Pieces", scope: Scope, receive: Receive, send: Send) -> None:
        pieces.start()
        first = await pieces.next()
        if isinstance(first, BaseException):
            if not isinstance(first, Left):
                await refusal(first)(scope, receive, send)
            return
        await send(self._begin())
        piece: bytes | BaseException | None = first
        while isinstance(piece, bytes):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await pieces.next()
        if piece is None:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif not isinstance(piece, Left):
            # What was sent is not whole, and must not look so: the connection breaks off.
            raise RuntimeError(f"The answer broke off: {piece}") from piece

    def _begin(self) -> Message:
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in self._headers.items()]
        return {"type": "http.response.start", "status": 200, "headers": headers}


def _in_time(send: Send) -> Send:
    """Raises RuntimeError, so that the connection breaks off, when the client takes too long to read a piece."""

    async def sent(message: Message) -> None:
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await send(message)
        except TimeoutError:
            raise RuntimeError(f"The answer broke off: the client read nothing for {SEND_WITHIN_S:g} s.") from None

    return sent


class _Pieces:
    """Between the thread that makes a body and the event loop that sends it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Work, stopping: asyncio.Event) -> None:
        self._loop = loop
        self._stopping = stopping
        self._work = work
        self._queue: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue(QUEUED_CHUNKS)
        self.stop = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="request", daemon=True).start()

    async def next(self) -> bytes | BaseException | None:
        """The next piece; None at the end, an exception when that is how it ended."""
        taking = asyncio.create_task(self._queue.get())
        while not taking.done():
            await asyncio.wait({taking}, timeout=LOOK_AT_STOP_EVERY_S)
            if self._stopping.is_set():
                self.stop.set()
            if self.stop.is_set() and not taking.done():
                taking.cancel()
                return Left()
        return taking.result()

    def _run(self) -> None:
        ending: BaseException | None = None
        try:
            self._work(self._put, self.stop)
        except BaseException as problem:  # noqa: BLE001 - told to who waits for the pieces
            ending = problem
        finally:
            _room.release()
        with suppress(Left):
            self._put_any(ending)

    def _put(self, piece: bytes) -> None:
        if piece:
            self._put_any(piece)

    def _put_any(self, piece: bytes | BaseException | None) -> None:
        if self.stop.is_set():  # nobody takes it; nor may what is not whole end as if it were
            raise Left
        work = self._queue.put(piece)
        try:
            putting = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # the loop is closed: the server ends
            work.close()
            raise Left from None
        while True:
            try:
                putting.result(LOOK_AT_STOP_EVERY_S)
            except TimeoutError:
                if self.stop.is_set():
                    putting.cancel()
                    raise Left from None
            else:
                return


async def _left(receive: Receive, stop: threading.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    stop.set()


async def on_thread(work: Callable[[threading.Event], T], within_s: float = 30.0) -> T:
    """What `work` returns or raises, on a daemon thread: one that waits for a Kafka that is away holds up no end.

    After `within_s` seconds its event is set, and Refused is raised; so it is when too much runs already.
    """
    if not _room.acquire(blocking=False):
        raise Refused(503, f"{MAX_JOBS} searches and exports run already: wait for one of them.")
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    stop = threading.Event()

    def settle(result: Any, problem: BaseException | None) -> None:
        if done.done():
            return
        if problem is None:
            done.set_result(result)
        else:
            done.set_exception(problem)

    def run() -> None:
        result: Any = None
        problem: BaseException | None = None
        try:
            result = work(stop)
        except BaseException as raised:  # noqa: BLE001 - raised again by who waits
            problem = raised
        finally:
            _room.release()
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=run, name="request", daemon=True).start()
    try:
        return await asyncio.wait_for(done, within_s)
    except TimeoutError:
        raise Refused(503, f"Kafka did not answer within {within_s:.0f} s.") from None
    finally:
        stop.set()
