"""What questions in SQL have in common: how they are read, how many run at once, and what is said on the way."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.ui.api.jobs import Put, Refused

MAX_SQL = 200_000
AT_ONCE = 2  # each may take some hundred MB
LOOK_AT_STOP_EVERY_S = 0.2
PROGRESS_EVERY_S = 0.1

T = TypeVar("T")

_turns = threading.BoundedSemaphore(AT_ONCE)


async def asked(request: Request, kind: type[T]) -> T:
    """The body as a struct with a field `sql`. Raises Refused (400)."""
    try:
        found = msgspec.json.decode(await request.body(), type=kind)
    except msgspec.MsgspecError as error:
        raise Refused(400, f"The question cannot be read: {error}.") from None
    if len(found.sql) > MAX_SQL:  # type: ignore[attr-defined]
        raise Refused(400, f"The SQL may have {MAX_SQL:,} characters.")
    return found


@contextmanager
def turn(put: Put, stop: threading.Event) -> Iterator[None]:
    """Around what takes much memory: waits until fewer than AT_ONCE others do. `stop` ends the waiting."""
    said = False
    while not _turns.acquire(timeout=LOOK_AT_STOP_EVERY_S):
        if stop.is_set():
            raise ClickstreamError("Given up.")
        if not said:
            put(line("progress", {"doing": "waiting for other questions", "done": 0, "total": 0}))
            said = True
    try:
        yield
    finally:
        _turns.release()


@contextmanager
def extra_needed() -> Iterator[None]:
    """Around imports: raises ConfigError when the extra `tables` is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("clickstream"):
            raise
        raise ConfigError(f"This needs {error.name}. Install it: pip install 'clickstream[tables]'") from None


class Told:
    """Sends progress, but not too often."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._next = 0.0
        self._doing = ""

    def __call__(self, doing: str, done: int = 0, total: int = 0) -> None:
        """What is being done, and how far it is: `total` 0 is unknown."""
        now = time.monotonic()
        if now >= self._next or doing != self._doing:
            self._next, self._doing = now + PROGRESS_EVERY_S, doing
            self._put(line("progress", {"doing": doing, "done": done, "total": total}))


def line(name: str, shown: Any) -> bytes:
    """A line of an answer that comes in lines of JSON."""
    return msgspec.json.encode({name: shown}) + b"\n"
