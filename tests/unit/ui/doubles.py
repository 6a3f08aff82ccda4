"""Panels that say what a test wants, and what stands in for a browser's tab."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from starlette.types import Message
from starlette.websockets import WebSocket

from clickstream.ui.panels.contract import FeedKind, NoParams, StateKind
from clickstream.ui.services import Services
from clickstream.ui.views import Views
from clickstream.ui.wire import Feed
from clickstream.ui.workers import Workers

WITHIN_S = 60.0

NO_SERVICES = cast(Services, None)


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    minutes: int = 60


class Panel:
    """A state panel that counts; `says` may be an exception."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.params: list[Any] = []
        self.closed = 0
        self.says: Any = {"fine": True}
        self.go = threading.Event()
        self.go.set()

    @property
    def kind(self) -> StateKind:
        return StateKind(Range, self._made)

    def _made(self, _services: Services, params: Any) -> "Panel":
        self.params.append(params)
        return self

    def state(self, now: int) -> Any:
        self.asked.append(now)
        assert self.go.wait(WITHIN_S)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def close(self) -> None:
        self.closed += 1


class Stream:
    """A feed of which a test says what came."""

    def __init__(self) -> None:
        self.coming: list[Feed] = []
        self.made = 0
        self.closed = 0

    @property
    def kind(self) -> FeedKind:
        return FeedKind(NoParams, self._made)

    def _made(self, _services: Services, _params: Any) -> "Stream":
        self.made += 1
        return self

    def take(self) -> Feed:
        return self.coming.pop(0) if self.coming else Feed([], stage="live")

    def close(self) -> None:
        self.closed += 1


class Clock:
    """Epoch ms; stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


def views_of(panels: Mapping[str, StateKind | FeedKind], workers: Workers, clock: Clock) -> Views:
    return Views(NO_SERVICES, workers, panels, clock)


class Browser:
    """The other end of a tab's socket. It reads what is sent unless it is `stuck`."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.closed: tuple[int, str] | None = None
        self.stuck = False
        self._says: asyncio.Queue[Message] = asyncio.Queue()
        self._came = asyncio.Event()
        self._says.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "headers": [], "path": "/live", "query_string": b""}
        self.socket = WebSocket(scope, self._receive, self._send)

    def say(self, **members: Any) -> None:
        self.say_text(msgspec.json.encode(members).decode())

    def say_text(self, text: str) -> None:
        self._says.put_nowait({"type": "websocket.receive", "text": text})

    def leave(self) -> None:
        self._says.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def until(self, *members: str, number: int = 1) -> list[Any]:
        """The frames with these members, once there are that many."""
        async with asyncio.timeout(WITHIN_S):
            while len(found := [one for one in self.frames if set(members) <= set(one)]) < number:
                self._came.clear()
                await self._came.wait()
        return found

    async def _receive(self) -> Message:
        return await self._says.get()

    async def _send(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            self.closed = message["code"], message["reason"]
        elif message["type"] == "websocket.send":
            if self.stuck:
                await asyncio.Event().wait()
            self.frames.append(msgspec.json.decode(message["text"]))
            self._came.set()
