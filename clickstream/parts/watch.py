"""How long-running parts do: rates for people, metrics for Prometheus, a word every 2 s on the status topic."""

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from clickstream.errors import ClickstreamError
from clickstream.kafka import properties
from clickstream.kafka.clients import Cluster
from clickstream.kafka.errors import passes
from clickstream.kafka.patience import Stopped
from clickstream.kafka.produce import Sender
from clickstream.kafka.statistics import LostBrokers
from clickstream.logtime import now_ms
from clickstream.parts.control import Control
from clickstream.parts.endpoint import Endpoint
from clickstream.parts.metrics import serve
from clickstream.parts.part import Failure, Part, Rates
from clickstream.records import FAILED, RUNNING, Requests, RunningSql, Status, encode, utc_text
from clickstream.topics import ensure

log = logging.getLogger(__name__)

STATUS_EVERY_S = 2.0
GOODBYE_WITHIN_S = 2.0
MAX_ERROR_CHARACTERS = 500
# A larger one is not said: brokers take a megabyte.
MAX_SQL_BYTES = 900_000
MAX_REQUESTS_BYTES = 900_000

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
    control_topic: str | None = None,
    stop: threading.Event | None = None,
    later: bool = False,
) -> Iterator[None]:
    """While the block runs, report all parts of this process on the status topic and, with a port, to Prometheus.

    With a `control_topic`, the parts that have controls heed the commands on it. A status that cannot be written is
    said once and does not stop the parts; there are no answers then, and commands are not heeded either. With `stop`,
    what has to be asked before is given up once it is set. `later`: the block does not wait until Kafka answers.
    A part that ended well is taken off the topic in the end. One with a `failure` leaves a last report with that; if
    none has one, and the block raises, all parts failed of what it raised.
    """
    with (
        serve(parts, cluster.statistics, metrics),
        _reporting(cluster, parts, status_topic, control_topic, stop, later=later),
    ):
        yield


@contextmanager
def _reporting(
    cluster: Cluster,
    parts: Sequence[Part],
    topic: str,
    control_topic: str | None,
    stop: threading.Event | None,
    *,
    later: bool,
) -> Iterator[None]:
    if not later and not _there(cluster, topic, stop):
        yield
        return
    with _noted_errors(parts) as errors:
        given = {**cluster.common, **cluster.for_producers, **cluster.for_consumers}
        since = utc_text(time.time())
        told = [_Told(part, since, lambda text: properties.without_secrets(text, given)) for part in parts]
        # While Kafka is away, statuses time out again and again: no trouble of the parts, and the next one says it all.
        reporter = _Reporter(
            lambda: Sender(cluster.producer(_SETTINGS), time_outs_level=logging.DEBUG), told, topic, errors
        )
        if later:
            reporter.awaited = lambda over: _there_at_last(cluster, topic, over)
        control = None
        if control_topic is not None:
            steered = {id_of(part): part.controls for part in parts if part.controls is not None}
            control = reporter.control = Control(cluster, control_topic, steered, answered=reporter.report_now)
            control.start()
        reporter.start()
        failure: Failure | None = None
        try:
            yield
        except BrokenPipeError:
            raise  # the reader of our output left: that ends the command well
        except Exception as problem:
            failure = Failure.of(problem)
            raise
        finally:
            if control is not None:
                control.end()
            reporter.end(failure)


class LastError(logging.Handler):
    """Keeps the last warning or error of this package that may be about a part: what was said, and when.

    Parts of one process have one log. A message that names topics of some of them is not about the others.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__(logging.WARNING)
        self._parts = parts
        self._said: dict[int, tuple[str, float]] = {}

    def about(self, part: Part) -> tuple[str, float] | None:
        """The last one, and its time in epoch s."""
        return self._said.get(id(part))

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        words = frozenset(_WORD.findall(text))
        named = [part for part in self._parts if not words.isdisjoint(part.topics)]
        for part in named or self._parts:
            self._said[id(part)] = text, record.created


# As topics are named; a full stop ends a sentence.
_WORD = re.compile(r"[\w-]+(?:\.[\w-]+)*", re.ASCII)


@contextmanager
def _noted_errors(parts: Sequence[Part]) -> Iterator[LastError]:
    handler = LastError(parts)
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

    def __init__(self, part: Part, since: str, hide: Callable[[str], str]) -> None:
        """`hide` takes secrets out of a text."""
        self.part = part
        self._hide = hide
        self.id = id_of(part)
        self._since = since
        self._host = socket.gethostname()
        self._rates = Rates()

    def status(self, last_error: tuple[str, float] | None, failure: Failure | None, control: Control | None) -> Status:
        part, totals, success = self.part, self.part.totals(), self.part.last_success()
        if failure is not None:
            last_error = failure.why, failure.at
        error, error_at = last_error or (None, None)
        rates = self._rates.of(totals)
        controls = part.controls
        return Status(
            self.id,
            part.kind,
            self._host,
            self._since,
            RUNNING if failure is None else FAILED,
            rates if failure is None else dict.fromkeys(rates, 0.0),
            part.topics,
            name=part.name,
            group=part.group,
            totals=totals,
            gauges=part.gauges(),
            positions=part.positions(),
            paused=controls is not None and controls.paused,
            last_success=utc_text(success) if success is not None else None,
            error=self._hide(error)[:MAX_ERROR_CHARACTERS] if error is not None else None,
            error_at=utc_text(error_at) if error_at is not None else None,
            control=controls is not None and control is not None and control.heeding,
            wanted_rate=controls.wanted_rate if controls is not None else None,
            answers=control.answers(self.id) if control is not None else [],
            left_out=part.left_out(),
            said_at=now_ms(),
        )

    def sql(self) -> RunningSql | None:
        found = self.part.sql()
        return RunningSql(self.id, self.part.name or "", *found) if found is not None else None

    def requests(self) -> tuple[str, bytes] | None:
        """Key and value of its record, with the latest ones that fit; None when there are no new ones."""
        found = self.part.requests()
        if found is None:
            return None
        while True:
            told = Requests(self.id, found)
            value = encode(told)
            if len(value) <= MAX_REQUESTS_BYTES:
                return told.key, value
            found = found[(len(found) + 1) // 2 :]


def _there(cluster: Cluster, topic: str, stop: threading.Event | None) -> bool:
    """Whether the topic is there, or could be created; if not, that is said."""
    try:
        ensure(cluster, [topic], stop)
    except ClickstreamError as error:
        log.warning("No status reports: %s", error)
        return False
    return True


def _there_at_last(cluster: Cluster, topic: str, stop: threading.Event) -> bool:
    """Waits for Kafka, until `stop` is set; whether the topic is there, or could be created."""
    while not stop.is_set():
        try:
            ensure(cluster, [topic], stop)
        except Stopped:
            return False
        except ClickstreamError as error:
            if not passes(error):
                log.warning("No status reports: %s", error)
                return False
        else:
            return True
    return False


class _Reporter(threading.Thread):
    def __init__(self, make: Callable[[], Sender], told: Sequence[_Told], topic: str, errors: LastError) -> None:
        """`make` makes the sender, and another one when that has lost all brokers for good."""
        super().__init__(name="status", daemon=True)
        self._make = make
        self._sender = make()
        self._topic = topic
        self._errors = errors
        self.control: Control | None = None
        self.awaited: Callable[[threading.Event], bool] = lambda _stop: True  # before anything is said
        self._stop_reporting = threading.Event()
        self._wake = threading.Event()
        self._told = told
        self._keys: list[str] = []  # of what was written

    def run(self) -> None:
        if not self.awaited(self._stop_reporting):
            return
        says_sql = True
        while True:
            try:
                if says_sql:
                    self._say_sql()
                says_sql = False
                self._report_all()
            except LostBrokers as lost:
                log.debug("Statuses go on through a new client: %s", lost)
                self._sender = self._make()
                says_sql = True  # nobody knows whether the former one had delivered it
            self._wake.wait(STATUS_EVERY_S)
            if self._stop_reporting.is_set():
                return
            self._wake.clear()

    def _say_sql(self) -> None:
        for one in self._told:
            if (sql := one.sql()) is not None and len(value := encode(sql)) <= MAX_SQL_BYTES:
                self._send(sql.key, value)

    def _report_all(self) -> None:
        for one in self._told:
            self._report(one, one.part.failure)
            if (requests := one.requests()) is not None:
                self._send(*requests)
        self._sender.poll()

    def report_now(self) -> None:
        """Somebody waits for an answer."""
        self._wake.set()

    def end(self, failure: Failure | None) -> None:
        """A last report for what failed, tombstones for all else: a part that ended well is not listed.

        `failure` is that of all parts, when none of them has its own.
        """
        self._stop_reporting.set()
        self._wake.set()
        self.join()
        if any(one.part.failure for one in self._told):
            failure = None
        taken_back = list(self._keys)
        for one in self._told:
            if (its_own := one.part.failure or failure) is not None:
                self._report(one, its_own)
                taken_back = [key for key in taken_back if key != one.id]
        for key in taken_back:
            self._sender.send(self._topic, None, key.encode())
        self._sender.close(GOODBYE_WITHIN_S)

    def _report(self, one: _Told, failure: Failure | None) -> None:
        self._send(one.id, encode(one.status(self._errors.about(one.part), failure, self.control)))

    def _send(self, key: str, value: bytes) -> None:
        if key not in self._keys:
            self._keys.append(key)
        self._sender.send(self._topic, value, key.encode())
