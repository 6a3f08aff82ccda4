"""The engine's side of the reading process, which fetches and decodes beside it: in one process they would wait for
each other's use of the interpreter half of the time.
"""

import contextlib
import fcntl
import gc
import logging
import queue
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, Protocol

from clickstream.errors import ClickstreamError
from clickstream.interpreter import command_for, environment
from clickstream.kafka.clients import Cluster
from clickstream.tables.engine.fetching.fetcher import Batch, Order
from clickstream.tables.engine.fetching.frames import receive, send

log = logging.getLogger(__name__)

# Batches that wait for the engine; more wait in the pipe.
AHEAD = 1

# Pipes hold 64 KB unless told, a batch has megabytes.
PIPE_BYTES = 1 << 20
ENDS_WITHIN_S = 10.0


@dataclass(frozen=True)
class Begin:
    """How to reach Kafka, how much to log, when to collect garbage."""

    name: str  # of the engine
    address: str
    common: Mapping[str, Any]
    for_consumers: Mapping[str, Any]
    levels: Mapping[str, int]
    collect: tuple[int, int, int]


@dataclass(frozen=True)
class Commit:
    """Offsets to commit for the lag of a source's group, by partition; `source` is its number."""

    source: int
    places: dict[int, int]


@dataclass(frozen=True)
class Taken:
    """The engine has taken a batch of this source."""

    source: int


@dataclass(frozen=True)
class Failed:
    """A reading thread cannot go on. A `kind` of ClickstreamError has a sentence for people as its `reason`."""

    reason: str
    kind: type[ClickstreamError] | type[RuntimeError]
    trace: str


@dataclass(frozen=True)
class Report:
    """librdkafka's statistics."""

    text: str


class Reading(Protocol):
    """What reads topics for an engine: orders go there, batches come from there."""

    def start(self) -> None:
        """Begin. Raises ClickstreamError when that cannot be."""

    def read(self, order: Order) -> None:
        """Have it read a topic."""

    def commit(self, source: int, places: dict[int, int]) -> None:
        """Have it commit the offsets, to show the group's lag."""

    def taken(self, source: int) -> None:
        """Say that a batch was taken: there is room for another."""

    def next(self, timeout: float) -> Batch | None:
        """The next batch, None if there is none within `timeout` s. Raises what went wrong in reading."""

    @property
    def waiting(self) -> bool:
        """Whether a batch waits to be taken."""

    def close(self) -> None:
        """End it."""


class ReadingProcess:
    """The engine's side: orders go to the process, batches come into a queue."""

    def __init__(self, name: str, cluster: Cluster) -> None:
        self._name = name
        self._cluster = cluster
        self._batches: queue.Queue[Batch | BaseException] = queue.Queue(AHEAD)
        self._closing = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None

    def start(self) -> None:
        """Raises ClickstreamError when there can be no such process."""
        try:
            self._process = subprocess.Popen(
                command_for("clickstream.tables.engine.fetching.process_main"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C here must not reach it
                env=environment(),
            )
        except OSError as error:
            raise ClickstreamError(f"The process that reads the topics cannot be started: {error}.") from error
        _widen(self._process.stdout)
        self._pump = threading.Thread(target=self._receive, name="reading process", daemon=True)
        self._pump.start()
        cluster = self._cluster
        levels = {name: logging.getLogger(name).getEffectiveLevel() for name in ("", "librdkafka")}
        # Whatever is secret goes this way, which no list of processes shows.
        self._send(
            Begin(
                self._name,
                cluster.address,
                cluster.common,
                cluster.for_consumers,
                levels,
                gc.get_threshold(),
            )
        )

    def read(self, order: Order) -> None:
        """Have it read a topic."""
        self._send(order)

    def commit(self, source: int, places: dict[int, int]) -> None:
        """Have it commit the offsets, to show the group's lag."""
        self._send(Commit(source, places))

    def taken(self, source: int) -> None:
        """Say that a batch was taken: there is room for another."""
        self._send(Taken(source))

    def next(self, timeout: float) -> Batch | None:
        """The next batch, None if there is none within `timeout` s. Raises what went wrong in reading."""
        try:
            item = self._batches.get(timeout=max(0.001, timeout))
        except queue.Empty:
            return None
        if isinstance(item, BaseException):
            raise item
        return item

    @property
    def waiting(self) -> bool:
        """Whether a batch waits to be taken."""
        return not self._batches.empty()

    def close(self) -> None:
        """End the process, by force after ENDS_WITHIN_S; batches that were not taken are dropped."""
        self._closing.set()
        if self._process is None:
            return
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            log.debug("The reading process had ended.")
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        if self._pump is not None:
            self._pump.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _send(self, item: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            send(self._process.stdin, item)  # type: ignore[arg-type]
        except OSError:
            log.debug("The reading process has ended.")  # which `_receive` says to the engine

    def _receive(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            while True:
                self._take(receive(self._process.stdout))  # type: ignore[arg-type]
        except EOFError:
            code = self._process.wait()
            self._put(ClickstreamError(f"The process that reads the topics has died ({_how(code)}). Start again."))
        except BaseException as problem:  # noqa: BLE001 - the engine raises it
            self._put(problem)

    def _take(self, item: Any) -> None:
        match item:
            case Batch():
                self._put(item)
            case Failed(reason, kind, trace):
                log.debug("In the reading process:\n%s", trace)
                self._put(kind(reason))
            case Report(text):
                self._cluster.statistics.take(text)
            case logging.LogRecord():
                logging.getLogger(item.name).handle(item)

    def _put(self, item: Batch | BaseException) -> None:
        while not self._closing.is_set():
            try:
                self._batches.put(item, timeout=0.1)
                return
            except queue.Full:
                continue


def _widen(pipe: IO[bytes] | None) -> None:
    # Linux only, and a user may have had enough of it already; it only saves turns.
    if pipe is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _how(code: int) -> str:
    names = {number.value: number.name for number in signal.Signals}
    return f"signal {names.get(-code, -code)}" if code < 0 else f"exit code {code}"
