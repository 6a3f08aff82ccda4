"""The reading process: a thread for each topic of an engine fetches and decodes.

It gets its orders on its standard input, gives batches on its standard output, and ends with its input, however the
engine has ended.
"""

import gc
import logging
import logging.handlers
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Any, BinaryIO

import pyarrow as pa

from clickstream import terminal
from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.statistics import LostBrokers, Statistics
from clickstream.tables.engine.fetching.fetcher import Batch, Fetcher, Order
from clickstream.tables.engine.fetching.frames import receive, send
from clickstream.tables.engine.fetching.process import Failed, Report, Taken

_END = object()


class _Out:
    """What goes to the engine, from any thread: a thread of its own writes, so that fetching goes on meanwhile."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._items: queue.Queue[Any] = queue.Queue(1)
        self._thread = threading.Thread(target=self._run, name="to the engine", daemon=True)
        self._thread.start()

    def send(self, item: Any) -> None:
        self._items.put(item)

    def hand_over(self, item: Batch | BaseException) -> None:
        if isinstance(item, BaseException):
            self.send(Failed(*_told(item), "".join(traceback.format_exception(item))))
        else:
            self.send(item)

    def close(self) -> None:
        self.send(_END)
        self._thread.join()

    def _run(self) -> None:
        try:
            while (item := self._items.get()) is not _END:
                send(self._out, item)
        except OSError:
            os._exit(1)  # the engine is gone
        except BaseException as problem:  # noqa: BLE001
            terminal.print_traceback(problem)
            os._exit(1)  # the engine says that this process has died


def _told(problem: BaseException) -> tuple[str, type[ClickstreamError] | type[RuntimeError]]:
    """As what the engine is to raise it: after LostBrokers it can begin again."""
    if isinstance(problem, ClickstreamError):
        return str(problem), LostBrokers if isinstance(problem, LostBrokers) else ClickstreamError
    return f"{type(problem).__name__}: {problem}", RuntimeError


class _Forward(logging.handlers.QueueHandler):
    """Log records go to the engine's log."""

    def enqueue(self, record: logging.LogRecord) -> None:
        self.queue.send(record)  # type: ignore[attr-defined]


def forward_log(out: _Out, levels: Mapping[str, int]) -> None:
    """From now on send log records, from these levels of loggers on; their texts are formatted where they arrive."""
    # Not basicConfig(), which would give the handler a format, too.
    logging.getLogger().addHandler(_Forward(out))  # type: ignore[arg-type]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


class _Reports(Statistics):
    def __init__(self, out: _Out) -> None:
        super().__init__()
        self._forward = out

    def take(self, text: str) -> None:
        self._forward.send(Report(text))


def main() -> None:
    """Follow the orders on standard input until it ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the engine drains first, and then closes our input
        signal.signal(number, signal.SIG_IGN)
    out = _Out(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # whatever prints must not get between
    given = sys.stdin.buffer
    try:
        begin = receive(given)
    except EOFError:
        return
    gc.set_threshold(*begin.collect)
    # Arrow's own allocator keeps 20 MB more.
    pa.set_memory_pool(pa.system_memory_pool())
    terminal.guard_tracebacks()
    forward_log(out, begin.levels)
    # Metrics tell clients by their names, and each process counts its own from 1.
    common = {"client.id": f"clickstream-{begin.name}", **begin.common}
    cluster = Cluster(begin.address, common=common, for_consumers=begin.for_consumers, statistics=_Reports(out))
    fetchers: dict[int, Fetcher] = {}
    while True:
        try:
            item = receive(given)
        except EOFError:
            break
        if isinstance(item, Order):
            try:
                fetchers[item.source] = Fetcher(cluster, item, out.hand_over)
            except ClickstreamError as problem:
                out.hand_over(problem)
            else:
                fetchers[item.source].start()
        elif item.source in fetchers and isinstance(item, Taken):
            fetchers[item.source].taken()
        elif item.source in fetchers:
            fetchers[item.source].commit(item.places)
    for fetcher in fetchers.values():
        fetcher.close()
    out.close()


if __name__ == "__main__":
    main()
