"""One worker's process, as its collector sees it."""

import logging
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, cast

import msgspec

from clickstream.collect.options import WorkerOptions
from clickstream.collect.pipe import Asked, Told, Writer, lines_of
from clickstream.errors import ClickstreamError
from clickstream.interpreter import command_for, environment

log = logging.getLogger(__name__)

ENDS_WITHIN_S = 2.0

Heard = Told | None  # None: it has nothing more to say


class Child:
    """Starts when it is made. What it says is handed to `heard`, on a thread; `take` puts it down here."""

    def __init__(
        self, options: WorkerOptions, listening: socket.socket, heard: "Callable[[Child, Heard], None]"
    ) -> None:
        """Raises ClickstreamError when the process cannot be started."""
        number = listening.fileno()
        try:
            self._process = subprocess.Popen(
                command_for("clickstream.collect.worker"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(number,),
                env=environment(),
                start_new_session=True,  # Ctrl-C here must not reach it: it is told to end
            )
        except OSError as problem:
            raise ClickstreamError(f"A worker of the collector cannot be started: {problem}.") from problem
        self._begun = time.monotonic()
        self._stdin = cast(BinaryIO, self._process.stdin)
        self._stdout = cast(BinaryIO, self._process.stdout)
        self._writer = Writer(self._stdin)
        self._writer.say(msgspec.structs.replace(options, socket=number))
        self.ready = False
        self.was_ready = False
        self.silent = False
        self._heard_at = self._begun
        self.totals: dict[str, int] = {}
        self.gauges: dict[str, float] = {}
        self.recent: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._listen, args=(heard,), name="worker", daemon=True)
        self._thread.start()

    def _listen(self, heard: "Callable[[Child, Heard], None]") -> None:
        for line in lines_of(self._stdout):
            try:
                heard(self, msgspec.json.decode(line, type=Told))
            except msgspec.MsgspecError:
                log.error("A worker of the collector said something that is none of its lines.")
        heard(self, None)

    def take(self, heard: Heard) -> None:
        """What it said."""
        self._heard_at = time.monotonic()
        if heard is None:
            self.ready, self.silent, self.gauges = False, True, {}
            return
        if heard.ready:
            self.ready = self.was_ready = True
        if heard.totals:
            self.totals = heard.totals
        if heard.gauges:
            self.gauges = heard.gauges
        if heard.recent is not None:
            self.recent = heard.recent

    def show_metrics(self, text: str, kind: str) -> None:
        """Those of all workers, for it to serve."""
        self._writer.say(Asked(metrics=text, metrics_type=kind))

    def kafka_is_there(self) -> None:
        """Tell it, if it was started while Kafka was away."""
        self._writer.say(Asked(kafka_is_there=True))

    def end(self) -> None:
        """Ask it to."""
        self._writer.say(Asked(end=True))

    @property
    def over(self) -> bool:
        """Whether it has ended, and all that it said was taken."""
        return self.silent and self._process.poll() is not None

    @property
    def silent_s(self) -> float:
        """Seconds since it last said something; one that is well does so every second."""
        return time.monotonic() - self._heard_at

    def heard_now(self) -> None:
        """Its silence begins now."""
        self._heard_at = time.monotonic()

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    @property
    def age_s(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._begun

    def how_it_ended(self) -> str:
        """In words."""
        code = self._process.wait()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"

    def close(self) -> None:
        """Kill it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._writer.close(ENDS_WITHIN_S)
        self._thread.join(ENDS_WITHIN_S)
        with suppress(OSError):
            self._stdin.close()
        self._stdout.close()
