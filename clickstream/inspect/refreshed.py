"""Answers that are asked for again and again by many, and looked up by one thread: nobody who asks waits for Kafka."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from clickstream.errors import ClickstreamError

log = logging.getLogger(__name__)

T = TypeVar("T")

RESTS_AFTER_S = 15.0
# A look that takes long is not taken more often than this share of the time allows.
SHARE = 0.25


@dataclass(frozen=True)
class Seen(Generic[T]):
    """The last answer (None: there is none yet), when it was given in epoch seconds, and why there is no newer one."""

    answer: T | None
    at: float
    problem: str = ""


class Known(Protocol[T]):
    """What may be asked for an answer."""

    def get(self, wait_s: float = 0.5) -> Seen[T]:
        """What is known now."""
        ...

    def glance(self, wait_s: float) -> Seen[T]:
        """What is known now, by one who comes now and then: see Refreshed."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Fixed(Generic[T]):
    """An answer that does not change any more."""

    seen: Seen[T]

    def get(self, wait_s: float = 0.5) -> Seen[T]:
        """Always the same."""
        return self.seen

    def glance(self, wait_s: float) -> Seen[T]:
        """The same."""
        return self.seen

    def close(self) -> None:
        """There is nothing to end."""


class Refreshed(Generic[T]):
    """`look` is called on one thread, every `every_s` seconds, as long as somebody has asked within RESTS_AFTER_S.

    `ended` is called on the same thread after the last look, if there was any: what looks use is closed there.
    """

    def __init__(
        self,
        look: Callable[[], T],
        every_s: float,
        name: str,
        *,
        ended: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._every_s = every_s
        self._name = name
        self._ended = ended
        self._clock = clock
        self._asked = float("-inf")
        self._seen: Seen[T] = Seen(None, 0.0)
        self._once = False  # somebody waits for one look
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def get(self, wait_s: float = 0.5) -> Seen[T]:
        """What is known now. Only who asks first, or after a rest, waits up to `wait_s` for a look."""
        with self._changed:
            rested = self._clock() - self._asked > RESTS_AFTER_S
            self._asked = self._clock()
            self._start()
            before = self._seen
            if rested or (before.answer is None and not before.problem):
                self._await_another(before, wait_s)
            return self._seen

    def glance(self, wait_s: float) -> Seen[T]:
        """What is known now; after a rest, what one look finds, waited for up to `wait_s`. It goes on resting."""
        with self._changed:
            before = self._seen
            if self._clock() - self._asked > RESTS_AFTER_S:
                self._once = True
                self._start()
                self._await_another(before, wait_s)
            return self._seen

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _await_another(self, before: Seen[T], wait_s: float) -> None:
        self._changed.notify_all()
        self._changed.wait_for(lambda: self._seen is not before or self._closed, wait_s)

    def close(self) -> None:
        """Look no more. A look that is under way is not waited for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            self._look_on()
        finally:
            self._ended()

    def _look_on(self) -> None:
        while not self._closed:
            begun = self._clock()
            with self._changed:
                self._once = False
            seen = self._look_once()
            with self._changed:
                self._seen = seen
                self._changed.notify_all()
                took = self._clock() - begun
                pause = max(self._every_s - took, took * (1 / SHARE - 1), 0.0)
                self._changed.wait_for(lambda: self._closed, pause)
                self._changed.wait_for(self._is_wanted)

    def _is_wanted(self) -> bool:
        return self._closed or self._once or self._clock() - self._asked <= RESTS_AFTER_S

    def _look_once(self) -> Seen[T]:
        try:
            return Seen(self._look(), time.time())
        except ClickstreamError as problem:
            return Seen(self._seen.answer, self._seen.at, str(problem))
        except Exception as fault:
            log.exception("Looking failed (%s).", self._name)
            return Seen(self._seen.answer, self._seen.at, f"Looking failed: {fault}.")
