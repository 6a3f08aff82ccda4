"""Threads for what would hold the event loop up."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

Job = Callable[[], None]


class Workers:
    """A few daemon threads. Those of `concurrent.futures` are waited for when the process ends, and one that waits for
    a Kafka that is away would hold up the end."""

    def __init__(self, number: int) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"panels {index + 1}", daemon=True) for index in range(number)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises, on one of the threads."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            result: Any = None
            problem: BaseException | None = None
            try:
                result = work()
            except BaseException as raised:  # noqa: BLE001 - raised again by who waits
                problem = raised
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, done, result, problem)

        self._jobs.put(job)
        return await done

    def start(self, work: Callable[[], object]) -> None:
        """Have `work` done; what it raises is logged."""

        def job() -> None:
            try:
                work()
            except Exception:
                log.exception("%s failed.", work)

        self._jobs.put(job)

    def close(self) -> None:
        """The threads end after what is under way; they are not waited for."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _settle(done: "asyncio.Future[Any]", result: Any, problem: BaseException | None) -> None:
    if done.cancelled():
        return
    if problem is None:
        done.set_result(result)
    elif isinstance(problem, StopIteration):  # a future takes any but this one
        done.set_exception(RuntimeError("it raised StopIteration"))
    else:
        done.set_exception(problem)
