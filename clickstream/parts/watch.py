"""How long-running parts do: rates for people, metrics for Prometheus, a word every 2 s on the status topic."""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.parts.endpoint import Endpoint
from clickstream.parts.metrics import serve
from clickstream.parts.part import Part, Rates
from clickstream.records import RunningSql, Status, encode, utc_text
from clickstream.topics import ensure

log = logging.getLogger(__name__)

STATUS_EVERY_S = 2.0
GOODBYE_WITHIN_S = 2.0
MAX_ERROR_CHARACTERS = 500
# A larger one is not said: brokers take a megabyte.
MAX_SQL_BYTES = 900_000

# Keyed words, of which the last one counts: a repeat does no harm, and without a producer id to be fetched the
# first word, and the goodbye of a short run, take 0.4 s less.
_SETTINGS = {"linger.ms": 0, "message.timeout.ms": 30_000, "enable.idempotence": False}


@contextmanager
def watched(
    cluster: Cluster,
    parts: Sequence[Part],
    *,
    status_topic: str,
    metrics: Endpoint,
    stop: threading.Event | None = None,
) -> Iterator[None]:
    """While the block runs, report all parts of this process on the status topic and, with a port, to Prometheus.

    A status that cannot be written is said once and does not stop the parts. With `stop`, what has to be asked before
    is given up once it is set.
    """
    with serve(parts, cluster.statistics, metrics), _reporting(cluster, parts, status_topic, stop):
        yield


@contextmanager
def _reporting(cluster: Cluster, parts: Sequence[Part], topic: str, stop: threading.Event | None) -> Iterator[None]:
    if not _there(cluster, topic, stop):
        yield
        return
    with _noted_errors() as errors:
        reporter = _Reporter(Sender(cluster.producer(_SETTINGS)), parts, topic, errors)
        reporter.start()
        try:
            yield
        finally:
            reporter.end()


class LastError(logging.Handler):
    """Keeps the last warning or error of this package: `said`, and when."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: tuple[str, float] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.said = record.getMessage()[:MAX_ERROR_CHARACTERS], record.created


@contextmanager
def _noted_errors() -> Iterator[LastError]:
    handler = LastError()
    logger = logging.getLogger("clickstream")
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)


def id_of(part: Part) -> str:
    """A part's key on the status topic: what it is, and in which process of which host."""
    return f"{part.kind}-{socket.gethostname()}-{os.getpid()}" + (f"-{part.name}" if part.name else "")


class _Told:
    """One part, and what it tells."""

    def __init__(self, part: Part, since: str) -> None:
        self.part = part
        self.id = id_of(part)
        self._since = since
        self._host = socket.gethostname()
        self._rates = Rates()

    def status(self, errors: LastError) -> Status:
        part, totals, success = self.part, self.part.totals(), self.part.last_success()
        error, error_at = errors.said or (None, None)
        return Status(
            self.id,
            part.kind,
            self._host,
            self._since,
            "running",
            self._rates.of(totals),
            part.topics,
            name=part.name,
            group=part.group,
            totals=totals,
            gauges=part.gauges(),
            positions=part.positions(),
            paused=part.paused,
            last_success=utc_text(success) if success is not None else None,
            error=error,
            error_at=utc_text(error_at) if error_at is not None else None,
        )

    def sql(self) -> RunningSql | None:
        found = self.part.sql()
        return RunningSql(self.id, self.part.name or "", *found) if found is not None else None


def _there(cluster: Cluster, topic: str, stop: threading.Event | None) -> bool:
    """Whether the topic is there, or could be created; if not, that is said."""
    try:
        ensure(cluster, [topic], stop)
    except ClickstreamError as error:
        log.warning("No status reports: %s", error)
        return False
    return True


class _Reporter(threading.Thread):
    def __init__(self, sender: Sender, parts: Sequence[Part], topic: str, errors: LastError) -> None:
        super().__init__(name="status", daemon=True)
        self._sender = sender
        self._topic = topic
        self._errors = errors
        self._stop_reporting = threading.Event()
        since = utc_text(time.time())
        self._told = [_Told(part, since) for part in parts]
        self._keys: list[str] = []  # of what was written

    def run(self) -> None:
        for one in self._told:
            if (sql := one.sql()) is not None and len(value := encode(sql)) <= MAX_SQL_BYTES:
                self._send(sql.key, value)
        while True:
            for one in self._told:
                self._send(one.id, encode(one.status(self._errors)))
            self._sender.poll()
            if self._stop_reporting.wait(STATUS_EVERY_S):
                return

    def end(self) -> None:
        """Tombstones: a part that ended cleanly is not listed."""
        self._stop_reporting.set()
        self.join()
        for key in self._keys:
            self._sender.send(self._topic, None, key.encode())
        self._sender.close(GOODBYE_WITHIN_S)

    def _send(self, key: str, value: bytes) -> None:
        if key not in self._keys:
            self._keys.append(key)
        self._sender.send(self._topic, value, key.encode())
