"""What a collector and its workers say to each other: lines of JSON, on a worker's standard input and output."""

import logging
import threading
from collections.abc import Callable, Iterator
from queue import Empty, Full, Queue
from typing import Any, BinaryIO

import msgspec

MAX_LINE = 8 * 2**20


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker says, about once a second. Totals are since its start; `last_success` is in epoch s.

    `recent` are its last requests as JSON, with `--explain` and when there are new ones.
    """

    ready: bool = False
    totals: dict[str, int] = {}
    gauges: dict[str, float] = {}
    last_success: float | None = None
    log: tuple[int, str, str | None] | None = None  # level, text, what it is about
    recent: list[dict[str, Any]] | None = None


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker is told after its options: the metrics of all workers to show, that Kafka, which was away, is
    there, or to end."""

    metrics: str | None = None
    metrics_type: str = ""
    kafka_is_there: bool = False
    end: bool = False


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """Until the other side is gone."""
    while line := stream.readline(MAX_LINE):
        yield line


class Writer:
    """Writes lines on a thread of its own: a reader that is stuck holds up nobody, and what it misses is left out."""

    def __init__(self, stream: BinaryIO, *, gone: Callable[[], None] = lambda: None) -> None:
        """`gone` is called, on the thread, when the reader has left."""
        self._stream = stream
        self._gone = gone
        self._lines: Queue[bytes | None] = Queue(64)
        self._thread = threading.Thread(target=self._write, name="pipe", daemon=True)
        self._thread.start()

    def say(self, message: msgspec.Struct) -> None:
        """Send it, unless so many wait already that the reader must be stuck."""
        try:
            self._lines.put_nowait(msgspec.json.encode(message) + b"\n")
        except Full:
            return

    def close(self, within: float = 1.0) -> None:
        """Wait, but not for long, until all is written."""
        try:
            self._lines.put(None, timeout=within)
        except Full:
            return
        self._thread.join(within)

    def _write(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                self._stream.write(line)
                self._stream.flush()
        except (OSError, ValueError):
            self._gone()
            self._forget()

    def _forget(self) -> None:
        while True:
            try:
                self._lines.get_nowait()
            except Empty:
                return


class LogUp(logging.Handler):
    """Log lines of a worker are said by the collector: once, and as the last error of its status."""

    def __init__(self, writer: Writer) -> None:
        super().__init__(logging.INFO)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f" ({type(record.exc_info[1]).__name__})"
        self._writer.say(Told(log=(record.levelno, text, getattr(record, "about", None))))
