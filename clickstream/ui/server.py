"""The dashboard's server: a part that serves the pages, and what they ask, over HTTP and WebSockets."""

import asyncio
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from granian.constants import Interfaces

from clickstream import __version__
from clickstream.config import Config
from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.parts.metrics import Exposition
from clickstream.parts.part import Part
from clickstream.parts.threads import Threads
from clickstream.records import RunningSql
from clickstream.serving.embedded import EmbeddedServer
from clickstream.ui.app import HEALTH, application
from clickstream.ui.files import Files
from clickstream.ui.guard import Rules
from clickstream.ui.names import OwnNames, is_loopback
from clickstream.ui.panels import PANELS
from clickstream.ui.remembered.ring import Ring
from clickstream.ui.remembered.taking import Taking
from clickstream.ui.services import History, Services, services
from clickstream.ui.statuses import Statuses
from clickstream.ui.tabs import Tabs
from clickstream.ui.views import Views
from clickstream.ui.wire import Hello
from clickstream.ui.wiring import Wiring
from clickstream.ui.workers import Workers

if TYPE_CHECKING:
    from clickstream.avro.viewing import Viewer

log = logging.getLogger(__name__)

WORKERS = 4
LOOK_AT_STOP_S = 0.1
# Of the 3 s within which it ends; the history's readers have a second of them (history/history.py).
BYE_WITHIN_S = 0.6
SERVER_ENDS_WITHIN_S = 0.3
READERS_END_WITHIN_S = 0.3  # after these


@dataclass(frozen=True)
class Options:
    """`names`: under which the server may be asked; `history_s`: how far back the pages can look."""

    token: str
    names: OwnNames
    history_s: float = 3600.0
    control: bool = False
    exports: bool = True


class Dashboard(Part):
    """Reads topics and writes none."""

    kind = "ui"

    def __init__(
        self,
        cluster: Cluster,
        settings: Config,
        options: Options,
        listening: socket.socket,
        history: Callable[[Statuses], History] | None = None,
        on_ready: Callable[[], None] = lambda: None,
        files: Sequence[RunningSql] = (),
        viewer: "Viewer | None" = None,
    ) -> None:
        """`listening`: a socket of serving/listening.py, which is closed when the part ends; `history` makes what
        panels ask of the past; `on_ready` is called when requests are answered; `files` of SQL are drawn while none
        runs; `viewer` makes JSON of Avro."""
        self.topics = [settings["status-topic"]]
        self._cluster = cluster
        self._settings = settings
        self._options = options
        self._history = history
        self._files = files
        self._viewer = viewer
        self._on_ready = on_ready
        self._socket = listening
        options.names.add_address(listening.getsockname()[0])
        self._tabs = Tabs()
        self._views: Views | None = None
        self._boot = secrets.token_hex(8)

    @property
    def port(self) -> int:
        """That it listens on."""
        number: int = self._socket.getsockname()[1]
        return number

    @property
    def address(self) -> str:
        """For people to open. The token is behind the #: no browser sends that on."""
        host = self._socket.getsockname()[0]
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/#token={self._options.token}"

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set; ends within 3 s of it, whatever its tabs and Kafka are at."""
        memory = Ring(int(self._options.history_s * 1000))
        asked = services(self._cluster, self._settings, self._history, self._files, self._viewer, memory=memory)
        ended, over = threading.Event(), threading.Event()
        threads = Threads(failed=ended.set)
        if asked.history is not None:
            threads.start(asked.history.run, over, name="history")
        threads.start(Taking(asked, memory).run, over, name="memory")
        try:
            asyncio.run(self._serve(asked, lambda: stop.is_set() or ended.is_set()))
        finally:
            over.set()
            self._socket.close()
            asked.close(READERS_END_WITHIN_S)
        threads.join()

    async def _serve(self, asked: Services, is_over: Callable[[], bool]) -> None:
        wiring = self._wired(asked)
        server = EmbeddedServer(application(wiring), self._socket, Interfaces.ASGINL)
        serving = asyncio.create_task(server.serve())
        ticking = [
            asyncio.create_task(_every(1.0, self._tick)),
            asyncio.create_task(_every(0.5, wiring.tabs.mark_feeds)),
        ]
        try:
            self._on_ready()
            while not is_over():
                await asyncio.wait([serving, *ticking], timeout=LOOK_AT_STOP_S, return_when=asyncio.FIRST_COMPLETED)
                for task in (serving, *ticking):
                    if task.done():
                        task.result()
                        raise ClickstreamError("The HTTP server has ended by itself: start the command again.")
        finally:
            await self._end(wiring, server, serving, ticking)

    def _wired(self, asked: Services) -> Wiring:
        workers = Workers(WORKERS)
        self._views = Views(asked, workers, PANELS, asked.clock)
        files = Files()
        options = self._options
        return Wiring(
            asked,
            workers,
            self._views,
            self._tabs,
            files,
            Rules(
                options.names,
                options.token,
                not is_loopback(self._socket.getsockname()[0]),
                # What keeps the server running asks without a token, and is told nothing that is secret.
                lambda path: path == HEALTH or files.has(path),
            ),
            Exposition([self], self._cluster.statistics),
            lambda knows_token: Hello(
                __version__,
                self._cluster.address,
                self._boot,
                options.control and knows_token,
                round(options.history_s / 60, 2),
                asked.clock(),
            ),
            asyncio.Event(),
            options.exports,
            options.control,
        )

    def _tick(self) -> None:
        self._tabs.check()
        if self._views is not None:
            self._views.compute()

    async def _end(
        self, wiring: Wiring, server: EmbeddedServer, serving: "asyncio.Task[None]", ticking: "list[asyncio.Task[None]]"
    ) -> None:
        wiring.services.stop_reading()
        wiring.stopping.set()
        await wiring.tabs.say_bye("stopping", BYE_WITHIN_S)
        for task in ticking:
            task.cancel()
        server.stop()  # type: ignore[no-untyped-call]
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(SERVER_ENDS_WITHIN_S):
                await serving
        wiring.workers.close()

    def totals(self) -> dict[str, int]:
        return {"tabs_opened": self._tabs.came, "tabs_refused": self._tabs.refused, "frames_sent": self._tabs.sent}

    def gauges(self) -> dict[str, float]:
        return {"tabs": len(self._tabs), "views": len(self._views or ())}


async def _every(seconds: float, work: Callable[[], None]) -> None:
    """Call `work` at once and every `seconds` until cancelled; what was missed is not made up for."""
    due = time.monotonic()
    while True:
        work()
        due = max(due + seconds, time.monotonic())
        await asyncio.sleep(due - time.monotonic())
