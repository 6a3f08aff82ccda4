"""How a long-running part does: rates for people, metrics for Prometheus, a word every 2 s on the status topic."""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.parts.metrics import serve
from clickstream.parts.part import Part, Rates
from clickstream.records import Status, encode, utc_text
from clickstream.topics import ensure

log = logging.getLogger(__name__)

STATUS_EVERY_S = 2.0
GOODBYE_WITHIN_S = 2.0

# Keyed words, of which the last one counts: a repeat does no harm, and without a producer id to be fetched the
# first word, and the goodbye of a short run, take 0.4 s less.
_SETTINGS = {"linger.ms": 0, "message.timeout.ms": 30_000, "enable.idempotence": False}


@contextmanager
def watched(cluster: Cluster, part: Part, *, status_topic: str, metrics_port: int) -> Iterator[None]:
    """While the block runs, report `part` on the status topic and, with a port, to Prometheus.

    A status that cannot be written is said once and does not stop the part.
    """
    with serve(part, cluster.statistics, metrics_port), _reporting(cluster, part, status_topic):
        yield


@contextmanager
def _reporting(cluster: Cluster, part: Part, topic: str) -> Iterator[None]:
    if not _there(cluster, topic):
        yield
        return
    reporter = _Reporter(Sender(cluster.producer(_SETTINGS)), part, topic)
    reporter.start()
    try:
        yield
    finally:
        reporter.end()


def _there(cluster: Cluster, topic: str) -> bool:
    """Whether the topic is there, or could be created; if not, that is said."""
    try:
        ensure(cluster, [topic])
    except ClickstreamError as error:
        log.warning("No status reports: %s", error)
        return False
    return True


class _Reporter(threading.Thread):
    def __init__(self, sender: Sender, part: Part, topic: str) -> None:
        super().__init__(name="status", daemon=True)
        self._sender = sender
        self._part = part
        self._topic = topic
        self._stop_reporting = threading.Event()
        self._rates = Rates()
        self._host = socket.gethostname()
        self._since = utc_text(time.time())
        self._id = f"{part.kind}-{self._host}-{os.getpid()}"

    def run(self) -> None:
        while True:
            self._report("running")
            if self._stop_reporting.wait(STATUS_EVERY_S):
                return

    def end(self) -> None:
        """A tombstone: a part that ended cleanly is not listed."""
        self._stop_reporting.set()
        self.join()
        self._sender.send(self._topic, None, self._id.encode())
        self._sender.close(GOODBYE_WITHIN_S)

    def _report(self, state: str) -> None:
        rates = self._rates.of(self._part.totals()) | self._part.gauges()
        status = Status(self._id, self._part.kind, self._host, self._since, state, rates, self._part.topics)
        self._sender.send(self._topic, encode(status), self._id.encode())
        self._sender.poll()
