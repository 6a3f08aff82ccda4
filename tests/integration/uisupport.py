"""A dashboard for tests, and tabs that speak its protocol as a page does."""

import asyncio
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from clickstream.avro.viewing import Viewer
from clickstream.config import load
from clickstream.kafka.clients import Cluster
from clickstream.serving.listening import listen
from clickstream.ui.names import OwnNames
from clickstream.ui.server import Dashboard, Options
from tests.integration.support import Part
from tests.support import PATIENCE, wait_until

WITHIN_S = 90.0 * PATIENCE
BEAT_S, OWN_BEAT = 15.0, 0
TOKEN = "a-token-of-enough-characters-for-this-test"

State = dict[str, Any]


def address_of(part: Part) -> str:
    """Of a `clickstream ui` that has been started: `http://127.0.0.1:PORT`."""
    found = wait_until(lambda: re.search(r"Dashboard: (http://\S+)/#token=", part.said()), 90, part.said)
    return found[1]


@contextmanager
def dashboard(cluster: Cluster, *, history: Any = None, viewer: Viewer | None = None, **settings: str) -> Iterator[str]:
    """One in this process, and its address; `settings` by their names with _ for - and __ for a dot."""
    config = load(None, {})
    for name, value in settings.items():
        config.set(name.replace("__", ".").replace("_", "-"), value, "a test")
    stop = threading.Event()
    options = Options(TOKEN, OwnNames("127.0.0.1"), control=True)
    part = Dashboard(cluster, config, options, listen("127.0.0.1", 0), history, viewer=viewer)
    problems: list[BaseException] = []

    def run() -> None:
        try:
            part.run(stop)
        except BaseException as problem:  # noqa: BLE001 - raised again at the end
            problems.append(problem)

    thread = threading.Thread(target=run, name="dashboard")
    address = part.address.partition("/#")[0]
    thread.start()
    try:
        yield address
    finally:
        stop.set()
        thread.join(60 * PATIENCE)
        assert not thread.is_alive()
    if problems:
        raise problems[0]


def get(address: str, method: str = "GET", **headers: str) -> tuple[int, Mapping[str, str], str]:
    """Status, headers and text of an answer; `headers` with _ for -."""
    request = urllib.request.Request(address, method=method, data=b"{}" if method == "POST" else None)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=60 * PATIENCE) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, dict(refused.headers), refused.read().decode()


class Tab:
    """An open tab: keeps all that it is sent."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[State] = []
        self.closed: tuple[int, str] | None = None
        self._came = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None

    def read(self) -> Self:
        self._reading = asyncio.create_task(self._read())
        self._beating = asyncio.create_task(self._beat())
        return self

    async def say(self, **members: Any) -> None:
        await self.socket.send(json.dumps(members))

    async def until(self, wanted: Any, *, since: int | None = None) -> State:
        """The first frame from now on, or after so many, for which `wanted` is true."""
        seen = len(self.frames) if since is None else since
        deadline = time.monotonic() + WITHIN_S
        while True:
            for frame in self.frames[seen:]:
                if wanted(frame):
                    return frame
            seen = len(self.frames)
            if self.closed is not None:
                raise AssertionError(f"closed: {self.closed}; the last frames: {self.frames[-3:]}")
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {WITHIN_S:g} s: the frame; the last ones: {self.frames[-3:]}")
            self._came.clear()
            if seen == len(self.frames) and self.closed is None:
                try:
                    await asyncio.wait_for(self._came.wait(), 1.0)
                except TimeoutError:
                    continue

    async def until_closed(self) -> tuple[int, str]:
        assert self._reading is not None
        await asyncio.wait_for(self._reading, WITHIN_S)
        assert self.closed is not None
        return self.closed

    async def end(self) -> None:
        tasks = [task for task in (self._reading, self._beating) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _beat(self) -> None:
        """As the page does: a silent one is closed."""
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(BEAT_S)
                await self.say(beat=OWN_BEAT)

    async def _read(self) -> None:
        try:
            while True:
                frame = json.loads(await self.socket.recv())
                if frame.get("beat") != OWN_BEAT:
                    self.frames.append(frame)
                    self._came.set()
        except ConnectionClosed as closed:
            received = closed.rcvd
            self.closed = (received.code, received.reason) if received is not None else (1006, "")
            self._came.set()


@asynccontextmanager
async def tab(address: str, **more: Any) -> AsyncIterator[Tab]:
    """A tab of this server's page."""
    at = address.replace("http://", "ws://") + "/live"
    async with connect(
        at, origin=more.pop("origin", address), open_timeout=WITHIN_S, ping_interval=None, max_size=None, **more
    ) as socket:
        found = Tab(socket).read()
        try:
            yield found
        finally:
            await found.end()


def state_of(id_: str) -> Any:
    return lambda frame: frame.get("id") == id_ and "state" in frame
