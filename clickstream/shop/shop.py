"""The shop's server."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from granian.constants import Interfaces

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.serving.embedded import EmbeddedServer
from clickstream.shop.application import Application
from clickstream.shop.pages import files

LOOK_AT_STOP_S = 0.1
SERVER_ENDS_WITHIN_S = 1.0


class Shop:
    """`run` serves it, on whichever thread; it needs no Kafka, and goes on without the collector."""

    def __init__(self, listening: socket.socket, collector: str, on_ready: Callable[[], None] = lambda: None) -> None:
        """`listening`: a socket of serving/listening.py, which stays the caller's; `collector`: the address that
        browsers reach it at; `on_ready` is called when requests are answered.

        Raises ConfigError when `collector` is no address.
        """
        try:
            self._application = Application(files(collector))
        except ValueError as problem:
            raise ConfigError(f"The collector {collector!r}: {problem}.") from None
        self._listening = listening
        self._on_ready = on_ready

    @property
    def address(self) -> str:
        """For people to open."""
        host, port = self._listening.getsockname()[:2]
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set. Raises ClickstreamError when the server ends by itself."""
        asyncio.run(self._serve(stop))

    async def _serve(self, stop: threading.Event) -> None:
        server = EmbeddedServer(self._application, self._listening, Interfaces.RSGI, websockets=False)
        serving = asyncio.create_task(server.serve())
        await asyncio.sleep(0)  # it accepts connections now
        self._on_ready()
        try:
            while not stop.is_set():
                await asyncio.wait([serving], timeout=LOOK_AT_STOP_S)
                if serving.done():
                    serving.result()
                    raise ClickstreamError("The shop's HTTP server has ended by itself: start the command again.")
        finally:
            server.stop()  # type: ignore[no-untyped-call]
            with suppress(TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(SERVER_ENDS_WITHIN_S):
                    await serving
