"""Kafka, which was away when the collector started: its topics are looked up, or created, as soon as it answers."""

import logging
import threading
import time
from collections.abc import Callable

from clickstream.errors import ClickstreamError
from clickstream.kafka.errors import passes
from clickstream.kafka.patience import Stopped

log = logging.getLogger(__name__)

# An attempt has half a minute's patience of its own while Kafka does not answer.
AGAIN_AFTER_S = 5.0
SAY_EVERY_S = 60.0


class Arrival:
    """`run` ends once the topics are there; until then workers produce nothing, so that no broker creates topics of
    its own liking, and all events go to the spool."""

    def __init__(
        self, address: str, prepare: Callable[[threading.Event], object], *, say_every: float = SAY_EVERY_S
    ) -> None:
        """`prepare` looks for the topics, as topics.ensure does; `say_every`: seconds between warnings meanwhile."""
        self._address = address
        self._prepare = prepare
        self._say_every = say_every
        self._say_at = time.monotonic() + say_every  # who makes this has said it
        self._refused = False
        self.over = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Wait for Kafka until `stop` is set. What keeps from the topics is said, now and then, and tried again."""
        while not stop.is_set():
            try:
                self._prepare(stop)
            except Stopped:
                return
            except ClickstreamError as problem:
                refused = not passes(problem)
                if time.monotonic() >= self._say_at or (refused and not self._refused):
                    self._say_at = time.monotonic() + self._say_every
                    self._say(problem, refused)
                self._refused = refused
                stop.wait(AGAIN_AFTER_S)
            else:
                log.warning("Kafka at %s answers: what is in the spool goes there now.", self._address)
                self.over.set()
                return

    def _say(self, problem: ClickstreamError, refused: bool) -> None:
        level = logging.ERROR if refused else logging.WARNING
        # Every client says that nobody answers: one of them is enough.
        about = None if refused else f"Kafka at {self._address} does not answer"
        log.log(level, "%s Events go to the spool until Kafka has their topics.", problem, extra={"about": about})
