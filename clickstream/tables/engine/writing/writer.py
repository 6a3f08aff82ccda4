"""The thread that writes results: it encodes and sends rows while the engine works on the next batch."""

import queue
import threading
import time
from collections.abc import Callable

import duckdb

from clickstream.kafka.patience import Stopped
from clickstream.kafka.produce import Headers, Sender

Work = Callable[[duckdb.DuckDBPyConnection], None]

# Pieces of work that may wait: each has the rows of a batch.
AHEAD = 2
# While Kafka is away works wait without an end; once the part is to stop, for this long.
GRACE_S = 5.0
LOOK_EVERY_S = 0.1
# Of the writer's own database, which has no tables: it needs memory for one batch and the texts of its rows.
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "512MB",
    "autoinstall_known_extensions": False,
}


class Writer:
    """Works are done in their order, each with a database of the thread's own, which is empty."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._works: queue.Queue[Work | None] = queue.Queue(AHEAD)
        self._problem: BaseException | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="write results", daemon=True)

    def start(self, stop: threading.Event) -> None:
        """`stop`: set when the part is to end."""
        self._stop = stop
        self._db = duckdb.connect(config=CONFIG)
        self._thread.start()

    def put(self, work: Work) -> None:
        """Have it done; waits while others wait. Raises what went wrong in an earlier one, and as `flush`."""
        deadline: float | None = None
        while True:
            self._raise()
            try:
                self._works.put(work, timeout=LOOK_EVERY_S)
                return
            except queue.Full:
                deadline = self._patience(deadline)

    def send(
        self, topic: str, value: bytes | None, key: bytes | None = None, *, headers: Headers | None = None
    ) -> None:
        """Hand over one record at once, beside the works; waits while the client has no room. Raises as `put`."""
        deadline: float | None = None
        self._raise()
        while not self._sender.offer(topic, value, key, headers=headers):
            self._sender.flush(LOOK_EVERY_S)
            deadline = self._patience(deadline)

    def flush(self) -> None:
        """Wait until all works are done and all records acknowledged, however long Kafka is away.

        Raises what went wrong, and Stopped when that takes too long once the part is to end.
        """
        deadline: float | None = None
        while self._works.unfinished_tasks:
            with self._works.all_tasks_done:
                self._works.all_tasks_done.wait(LOOK_EVERY_S)
            deadline = self._patience(deadline)
        self._raise()
        self._sender.deliver_all("Rows", self._stop, GRACE_S)

    def _patience(self, deadline: float | None) -> float | None:
        """Until when to wait, given what was said before; None: without an end."""
        if not self._stop.is_set():
            return None
        if deadline is not None and time.monotonic() >= deadline:
            raise Stopped("Stopped while rows waited for Kafka.")
        return deadline or time.monotonic() + GRACE_S

    def close(self) -> None:
        """End the thread. What waits is not done: without a flush nobody has counted on it."""
        self._closing.set()
        if self._thread.is_alive():
            self._works.put(None)
            self._thread.join()
            self._db.close()

    def _raise(self) -> None:
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        while True:
            work = self._works.get()
            try:
                if work is None:
                    return
                if self._problem is None and not self._closing.is_set():
                    work(self._db)
            except BaseException as problem:  # noqa: BLE001 - the engine raises it
                self._problem = problem
            finally:
                self._works.task_done()
