"""granian within this process, on a socket that listens already."""

import os
import socket
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from clickstream import openfiles
from clickstream.serving.listening import BACKLOG


class EmbeddedServer(Server):
    """Serves HTTP/1 on `listening`: granian would share a port with another one of its kind, and not say so.

    `await serve()` serves until `stop()`, which can be called from the same loop only.
    """

    def __init__(
        self,
        application: Any,
        listening: socket.socket,
        interface: Interfaces,
        *,
        http1: HTTP1Settings | None = None,
        websockets: bool = True,
    ) -> None:
        """`application` as `interface` has it; `listening` stays the caller's."""
        super().__init__(
            application,
            interface=interface,
            http=HTTPModes.http1,
            http1_settings=http1,
            websockets=websockets,
            # Of connections, not of requests: one that idles keeps its place, and without a free one none is accepted.
            backpressure=openfiles.for_connections(),
            log_level=LogLevels.error,
            # Only the level: the handlers of this process stay as they are.
            log_dictconfig={"incremental": True, "handlers": {}, "loggers": {}},
        )
        self._listening = listening

    def _init_shared_socket(self) -> None:
        # As granian makes them for its own worker processes; its types do not say so.
        self._shd: Any = SocketHolder(os.dup(self._listening.fileno()), False, BACKLOG)  # type: ignore[call-arg]
