"""The collector: a part that has workers, starts them again when they die, and adds up what they say."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import msgspec

from clickstream.collect.arrival import Arrival
from clickstream.collect.audit.auditor import Auditor
from clickstream.collect.child import Child, Heard
from clickstream.collect.counts import summed
from clickstream.collect.explain import KEPT
from clickstream.collect.options import WorkerOptions
from clickstream.collect.spoollock import only_collector
from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.parts.metrics import Exposition
from clickstream.parts.part import Part
from clickstream.parts.threads import Threads
from clickstream.serving.listening import spread

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
METRICS_EVERY_S = 1.0
READY_WITHIN_S = 30.0
# After its drain delay a worker answers, delivers and spools what it has (worker.py), and is killed if it does not.
ENDS_WITHIN_S = 8.0
# One that dies again and again within so many seconds of its start is not started for ever.
EARLY_S = 10.0
EARLY_DEATHS = 5
AGAIN_AFTER_S = 0.5
STUCK_AFTER_S = 30.0
# If this process stood still for so long (docker pause, Ctrl-Z), nobody knows what its workers said meanwhile.
STOOD_STILL_S = 5.0


def topics_of(options: WorkerOptions) -> list[str]:
    """Those that workers write to."""
    clicks = options.intake.clicks_topic
    return [options.intake.events_topic, *([] if clicks is None else [clicks]), options.dead_letter_topic]


class Collector(Part):
    """Of one port, whose connections are spread over all workers."""

    kind = "collect"

    def __init__(
        self,
        cluster: Cluster,
        options: WorkerOptions,
        listening: socket.socket,
        workers: int,
        *,
        auditor: Auditor | None = None,
        arrival: Arrival | None = None,
        schemas: Callable[[threading.Event], None] | None = None,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """`listening`: a socket of serving/listening.py, which is closed when the part ends; `auditor` tells what
        arrived of what was sent; with `arrival`, Kafka is away, and events go to the spool until it is over; `schemas`
        raises ClickstreamError once events cannot be written with theirs any more; `on_ready` is called once all
        workers serve."""
        self.topics = topics_of(options)
        self._options = msgspec.structs.replace(options, kafka_is_away=arrival is not None)
        self._arrival = arrival
        self._schemas = schemas
        self._guarding = Threads()
        self._socket = listening
        self._sockets = spread(listening, workers)
        self._number = workers
        self._on_ready = on_ready
        self._auditor = auditor
        self._exposition = Exposition([self], cluster.statistics)
        self._heard: Queue[tuple[Child, Heard]] = Queue()
        self._children: list[Child] = []
        self._lock = threading.Lock()  # status and metrics are asked from other threads
        self._of_the_dead: dict[str, int] = {}
        self._restarts = 0
        self._early_deaths = 0
        self._was_ready = False
        self._new_requests = False
        self._last_success: float | None = None

    @property
    def port(self) -> int:
        """That it listens on."""
        number: int = self._socket.getsockname()[1]
        return number

    @property
    def address(self) -> str:
        """For this machine's browsers: http://127.0.0.1:8322."""
        host = self._socket.getsockname()[0]
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}"

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set. Raises ClickstreamError when workers cannot be started or do not end well."""
        try:
            with only_collector(Path(self._options.spool.dir)), self._beside():
                try:
                    for listening in self._sockets:
                        self._children.append(self._start(listening))
                    self._watch(stop)
                finally:
                    self._end()
        finally:
            for listening in self._sockets:
                listening.close()

    @property
    def kafka_is_away(self) -> bool:
        """Since the start, so that its topics are not known yet."""
        return self._options.kafka_is_away

    @contextmanager
    def _beside(self) -> Iterator[None]:
        """The auditor, and who waits for Kafka, on threads of their own while the block runs: what ends one is said,
        and ends nothing else. What ends the guard of the schemas ends the part."""
        over = threading.Event()
        auditing = Threads(lambda: log.error("What is missing is not told any more: %s", auditing.problem))
        waiting = Threads(lambda: log.error("Kafka is not waited for any more: %s", waiting.problem))
        if self._auditor is not None:
            auditing.start(self._auditor.run, over, name="audit")
        if self._arrival is not None:
            waiting.start(self._arrival.run, over, name="kafka")
        if self._schemas is not None:
            self._guarding.start(self._schemas, over, name="schemas")
        try:
            yield
        finally:
            over.set()
            auditing.wait()
            waiting.wait()
            self._guarding.wait()

    def _start(self, listening: socket.socket) -> Child:
        return Child(self._options, listening, lambda child, heard: self._heard.put((child, heard)))

    def _watch(self, stop: threading.Event) -> None:
        shown_at = float("-inf")
        begun = looked_at = time.monotonic()
        while not stop.is_set():
            self._hear(LOOK_EVERY_S)
            stood_still, looked_at = time.monotonic() > looked_at + STOOD_STILL_S, time.monotonic()
            self._guarding.raise_problem()
            for child in [child for child in self._children if child.over]:
                self._start_again(child, stop)
            if stood_still:
                begun = looked_at
                self._listen_anew()
            else:
                self._kill_stuck()
            if self.kafka_is_away and self._arrival is not None and self._arrival.over.is_set():
                self._options = msgspec.structs.replace(self._options, kafka_is_away=False)
                for child in self._children:
                    child.kafka_is_there()
            if not self._was_ready:
                self._look_whether_ready(begun)
            if time.monotonic() > shown_at + METRICS_EVERY_S:
                shown_at = time.monotonic()
                text = self._exposition.text().decode()
                for child in self._children:
                    child.show_metrics(text, self._exposition.content_type)

    def _look_whether_ready(self, begun: float) -> None:
        if all(child.ready for child in self._children):
            self._was_ready = True
            self._on_ready()
        elif time.monotonic() > begun + READY_WITHIN_S:
            raise ClickstreamError(f"The collector's workers do not serve within {READY_WITHIN_S:g} s.")

    def _kill_stuck(self) -> None:
        """A worker that says nothing any more serves nobody, and connections would still be led to it."""
        for child in self._children:
            if child.over:
                continue
            if child.was_ready and child.silent_s > STUCK_AFTER_S:
                log.error("A worker of the collector has said nothing for %.0f s: it is killed.", child.silent_s)
                child.kill()
            elif self._was_ready and not child.was_ready and child.silent_s > READY_WITHIN_S:
                log.error("A worker of the collector does not serve within %.0f s: it is killed.", child.silent_s)
                child.kill()

    def _listen_anew(self) -> None:
        """What workers said while this process stood still may not be read yet: their silence counts from now on."""
        for child in self._children:
            child.heard_now()

    def _hear(self, timeout: float) -> None:
        """All that workers said; waits for something at most so long."""
        try:
            child, heard = self._heard.get(timeout=timeout)
            while True:
                self._take(child, heard)
                child, heard = self._heard.get_nowait()
        except Empty:
            return

    def _take(self, child: Child, heard: Heard) -> None:
        with self._lock:
            child.take(heard)
            if heard is not None and heard.recent is not None:
                self._new_requests = True
            if heard is not None and heard.last_success is not None:
                self._last_success = max(self._last_success or 0.0, heard.last_success)
        if heard is not None and heard.log is not None:
            level, text, about = heard.log
            log.log(level, "%s", text, extra={} if about is None else {"about": about})

    def _start_again(self, dead: Child, stop: threading.Event) -> None:
        early = dead.age_s < EARLY_S
        self._early_deaths = self._early_deaths + 1 if early else 0
        never_served = not self._was_ready and not dead.was_ready
        if never_served or self._early_deaths >= EARLY_DEATHS:
            raise ClickstreamError(f"A worker of the collector has ended, {dead.how_it_ended()}; see the lines above.")
        log.error("A worker of the collector has ended, %s; it is started again.", dead.how_it_ended())
        if early:
            stop.wait(AGAIN_AFTER_S)
        place = self._children.index(dead)
        # Meanwhile its connections wait at the socket, which is still open here.
        fresh = self._start(self._sockets[place])
        with self._lock:
            self._of_the_dead = summed([self._of_the_dead, dead.totals])
            self._children[place] = fresh
            self._restarts += 1
        dead.close()

    def _end(self) -> None:
        for child in self._children:
            child.end()
        deadline = time.monotonic() + self._options.drain_delay_s + ENDS_WITHIN_S
        while not all(child.over for child in self._children) and time.monotonic() < deadline:
            self._hear(LOOK_EVERY_S)
        killed = [child for child in self._children if not child.over]
        for child in self._children:
            child.close()
        self._hear(0.0)
        if killed:
            raise ClickstreamError(
                f"{len(killed)} of {self._number} workers did not end in time and were killed: what was not "
                "acknowledged is lost, unless who sent it tries again."
            )

    def totals(self) -> dict[str, int]:
        with self._lock:
            return summed([self._of_the_dead, *(child.totals for child in self._children)])

    def gauges(self) -> dict[str, float]:
        with self._lock:
            found: dict[str, float] = {"workers": float(sum(child.ready for child in self._children))}
            for child in self._children:
                for name, number in child.gauges.items():
                    found[name] = found.get(name, 0.0) + number
            return {**found, "worker_restarts": float(self._restarts)}

    def last_success(self) -> float | None:
        return self._last_success

    def by_site(self) -> Mapping[str, Mapping[str, float]]:
        return {} if self._auditor is None else self._auditor.metrics()

    def requests(self) -> list[dict[str, Any]] | None:
        with self._lock:
            if not self._new_requests:
                return None
            self._new_requests = False
            found = [one for child in self._children for one in child.recent]
        return sorted(found, key=lambda one: int(one["received_at"]))[-KEPT:]
