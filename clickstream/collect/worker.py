"""One worker of a collector, a process of its own: HTTP, the way of events to Kafka, the spool.

`python -m clickstream.collect.worker`, with its options as a line on standard input, and the socket that listens
inherited. It ends when it is told to, and when its standard input does: then the collector is gone.
"""

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import BinaryIO

import msgspec
import uvloop
from confluent_kafka import Producer
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from clickstream.collect import options as worker_options
from clickstream.collect.counts import Totals
from clickstream.collect.delivery.delivery import Delivery
from clickstream.collect.delivery.spool.spool import Bounds, Spool
from clickstream.collect.explain import Recent
from clickstream.collect.http.application import Application, Limits, Shown
from clickstream.collect.http.files import scripts
from clickstream.collect.intake import Intake
from clickstream.collect.options import WorkerOptions
from clickstream.collect.pipe import Asked, LogUp, Told, Writer, lines_of
from clickstream.collect.privacy import privacy
from clickstream.enrich.agents import agent
from clickstream.errors import ClickstreamError
from clickstream.leaving import leave
from clickstream.serving.embedded import EmbeddedServer
from clickstream.serving.silent import shut_silent

log = logging.getLogger(__name__)

SAY_EVERY_S = 1.0
_AN_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
EXPLAIN_EVERY_S = 2.0
MAINTAIN_EVERY_S = 60.0
SILENT_EVERY_S = 5.0
OPEN_FILES = 65_536
# Of the 8 s that a service manager's stop gives us, and at most so long for each of these, one after the other.
ANSWERED_WITHIN_S = 3.0
SERVER_ENDS_WITHIN_S = 1.0
DELIVERED_WITHIN_S = 3.0
LOOK_EVERY_S = 0.02

AWAITED_LINGER_MS = 5
QUEUED_LINGER_MS = 100

# The spool takes what Kafka has not acknowledged within this time; delivery/link.py waits little longer for the client.
_PRODUCER = {
    "message.timeout.ms": 5_000,
    # Whatever else the client asks a broker that is frozen is to hold it up no longer than that.
    "socket.timeout.ms": 5_000,
    # A worker's memory: what is queued while Kafka is away, until it goes to the spool.
    "queue.buffering.max.kbytes": 32_768,
}


class Worker:
    """`run` serves until it is told to end."""

    def __init__(self, options: WorkerOptions, listening: socket, writer: Writer) -> None:
        self._options = options
        self._listening = listening
        self._writer = writer
        self._totals = Totals()
        self._recent = Recent() if options.explain else None
        self._ending: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._at_once = False
        self._delivery: Delivery | None = None
        self._shown = Shown()

    def end(self, *, at_once: bool = False) -> None:
        """From any thread: finish what was begun, and end; `at_once` without the delay that a load balancer needs."""
        self._at_once = self._at_once or at_once
        if self._loop is not None and self._ending is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._ending.set)

    def show_metrics(self, text: str, kind: str) -> None:
        """Those of all workers, from any thread."""
        self._shown.metrics_type = kind
        self._shown.metrics = text.encode()

    def kafka_is_there(self) -> None:
        """From any thread: it was away at the start."""
        if self._loop is not None and self._delivery is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._delivery.kafka_is_there)

    async def run(self, listen_to: Callable[["Worker"], None]) -> None:
        """Serve; `listen_to` is called once it can be told something."""
        options, http = self._options, self._options.http
        loop = self._loop = asyncio.get_running_loop()
        ending = self._ending = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Who stops services may send these to all processes of one; the collector says what is to be done.
            loop.add_signal_handler(number, ending.set if number == signal.SIGTERM else lambda: None)
        intake = Intake(options.intake)
        agent(_AN_AGENT)  # its patterns are compiled once, which takes 0.2 s: not the first visitor's
        spool = Spool(
            Path(options.spool.dir),
            Bounds(options.spool.size, free_floor=options.spool.free, fsync=options.spool.fsync),
        )
        delivery = self._delivery = Delivery(
            self._producer, spool, wait=options.wait, loop=loop, kafka_is_away=options.kafka_is_away
        )
        listen_to(self)
        self._shown.scripts = scripts(None if http.divolte_js is None else Path(http.divolte_js))
        application = Application(
            intake,
            delivery,
            self._totals,
            dead_letter_topic=options.dead_letter_topic,
            shown=self._shown,
            limits=Limits(http.max_body, http.body_s, http.rate, http.at_once),
            origins=http.origins,
            paths=options.intake.paths,
            recent=self._recent,
        )
        server = EmbeddedServer(
            application,
            self._listening,
            Interfaces.RSGI,
            http1=HTTP1Settings(header_read_timeout=int(http.idle_s * 1000), max_buffer_size=http.max_headers),
            websockets=False,
        )
        serving = asyncio.create_task(server.serve())
        telling = [
            asyncio.create_task(self._tell(delivery, spool)),
            asyncio.create_task(self._close_silent()),
            asyncio.create_task(_every(MAINTAIN_EVERY_S, lambda: self._maintain(intake))),
        ]
        await asyncio.sleep(0)  # it accepts connections now
        self._writer.say(Told(ready=True))
        ended = asyncio.create_task(ending.wait())
        await asyncio.wait([ended, serving], return_when=asyncio.FIRST_COMPLETED)
        await self._drain(application, server, serving)
        await delivery.close(DELIVERED_WITHIN_S)
        for task in telling:
            task.cancel()
        intake.close()
        self._say(delivery, spool)

    async def _close_silent(self) -> None:
        """On a thread: with thousands of connections it takes a while."""
        port, idle_s = self._listening.getsockname()[1], self._options.http.idle_s
        while True:
            await asyncio.sleep(min(SILENT_EVERY_S, idle_s))
            try:
                await asyncio.to_thread(shut_silent, port, idle_s)
            except OSError as problem:
                log.error("Connections on which nothing came cannot be looked for: %s.", problem)

    def _maintain(self, intake: Intake) -> None:
        now = int(time.time() * 1000)
        intake.maintain(now)
        self._shown.privacy = msgspec.json.encode(privacy(self._options.intake, intake.salt_age(now)))

    def _producer(self, reports_all: bool) -> Producer:
        how = {
            # Where nobody waits, batches are larger: small ones cost the client a quarter of a request's time.
            "linger.ms": AWAITED_LINGER_MS if reports_all else QUEUED_LINGER_MS,
            # Success needs no report where nobody waits for it: that is a tenth of a request's time.
            "delivery.report.only.error": not reports_all,
        }
        return self._options.kafka.cluster.producer({**_PRODUCER, **how})

    async def _drain(self, application: Application, server: EmbeddedServer, serving: "asyncio.Task[None]") -> None:
        application.draining = True
        until = time.monotonic() + self._options.drain_delay_s
        while not self._at_once and time.monotonic() < until:
            await asyncio.sleep(LOOK_EVERY_S)
        server.stop()  # type: ignore[no-untyped-call]
        deadline = time.monotonic() + ANSWERED_WITHIN_S
        while application.busy and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_EVERY_S)
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(SERVER_ENDS_WITHIN_S):
                await serving

    async def _tell(self, delivery: Delivery, spool: Spool) -> None:
        explained = 0
        number = 0
        while True:
            self._shown.spooling = delivery.spooling
            await asyncio.sleep(SAY_EVERY_S)
            number += 1
            recent = None
            if self._recent is not None and number % EXPLAIN_EVERY_S == 0 and self._recent.noted != explained:
                explained = self._recent.noted
                recent = self._recent.recent()
            self._say(delivery, spool, recent)

    def _say(self, delivery: Delivery, spool: Spool, recent: list[dict[str, object]] | None = None) -> None:
        counts = delivery.counts
        totals = self._totals.of
        totals["duplicates"] = counts.duplicates
        totals["spooled"] = counts.spooled
        totals["drained"] = counts.drained
        totals["lost"] = counts.lost
        gauges = {
            "spool_bytes": float(spool.size),
            # The collector adds up what its workers say.
            "spool_limit_bytes": self._options.spool.size / self._options.spool.workers,
            "spooling": float(delivery.spooling),
            "events_waiting": float(delivery.waiting),
            "memory_bytes": float(_memory()),
        }
        self._writer.say(Told(totals=dict(totals), gauges=gauges, last_success=counts.last_success, recent=recent))


def _memory() -> int:
    """Resident, in bytes; at most so far where /proc is missing."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def _every(seconds: float, work: Callable[[], None]) -> None:
    while True:
        try:
            work()
        except OSError as problem:
            log.error("What is kept for visitors cannot be maintained: %s.", problem)
        await asyncio.sleep(seconds)


def _listen_to(stream: BinaryIO) -> Callable[[Worker], None]:
    """On a thread: what the collector says. When it is gone, the worker ends."""

    def listen(worker: Worker) -> None:
        for line in lines_of(stream):
            asked = msgspec.json.decode(line, type=Asked)
            if asked.metrics is not None:
                worker.show_metrics(asked.metrics, asked.metrics_type)
            if asked.kafka_is_there:
                worker.kafka_is_there()
            if asked.end:
                worker.end()
        worker.end(at_once=True)

    def start(worker: Worker) -> None:
        threading.Thread(target=listen, args=(worker,), name="collector", daemon=True).start()

    return start


def _allow_connections() -> None:
    """As many as the system lets this process have: a server that may open no more of them accepts none."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def main() -> None:
    """A worker's process."""
    # Nobody else's print may get between the lines.
    stdout = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Not sys.stdin: Python locks that when it ends, and a thread still reads.
    stdin = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    options = worker_options.decode(stdin.readline())
    writer = Writer(stdout)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.INFO, handlers=[LogUp(writer)])
    logging.getLogger("librdkafka").setLevel(logging.DEBUG if options.verbose else logging.CRITICAL + 1)
    _allow_connections()
    # As in every command of ours: records are never part of reference cycles.
    gc.set_threshold(100_000, 50, 1_000)
    worker = Worker(options, socket(fileno=options.socket), writer)
    code = 0
    try:
        # A third less CPU for each request than with asyncio's own loop.
        uvloop.run(worker.run(_listen_to(stdin)))
    except (ClickstreamError, OSError) as problem:
        log.error("%s", problem)
        code = 1
    finally:
        writer.close()
    leave(code)


if __name__ == "__main__":
    main()
