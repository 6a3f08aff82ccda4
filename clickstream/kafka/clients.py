"""Every Kafka client is built here."""

import gc
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka import properties
from clickstream.kafka.asking import Admin
from clickstream.kafka.errors import error_of, explain
from clickstream.kafka.given import names_of
from clickstream.kafka.limits import LimitedProducer
from clickstream.kafka.statistics import EVERY_MS, Lifeline, LifelineConsumer, Statistics

log = logging.getLogger(__name__)

# librdkafka retries without end and logs every attempt; its own log is shown with --verbose only, and what
# a person needs to know is said once by ErrorLog.
client_log = logging.getLogger("librdkafka")

REACHABLE_WITHIN_S = 7.0

# A broker that is frozen holds its connections and does not answer. Questions are then asked of another one after 5 s;
# records are fetched from another, once it leads, after 30 s, as Java's clients do (the default is 60).
ANSWERS_MS = 5_000
FETCHES_MS = 30_000
TRANSACTIONS_MS = 60_000  # librdkafka's default

PRODUCER_DEFAULTS: dict[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    # librdkafka's default differs from Java's: the same key must reach the same partition, whoever writes.
    "partitioner": "murmur2_random",
    "compression.type": "lz4",
    # At full speed batches fill anyway, and waiting longer for them costs a sixth more CPU: 1.7 us against 2.0.
    "linger.ms": 10,
    "batch.num.messages": 20_000,
    "queue.buffering.max.messages": 200_000,
    "queue.buffering.max.kbytes": 65_536,
    # No Python callback on success: it costs 40 % of the rate. What is neither failed nor queued is acknowledged.
    "delivery.report.only.error": True,
}

CONSUMER_DEFAULTS: dict[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # An offset outside the log contradicts our state: stop, never jump.
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    # The default, 1000 ms, leaves a batch consumer idle most of the time: 144k against 1.26M events/s.
    "fetch.queue.backoff.ms": 5,
    # 25 MB less than with the default of 100,000 in a counter at full speed, at the same cost per event.
    "queued.min.messages": 50_000,
    "queued.max.messages.kbytes": 16_384,
    "fetch.message.max.bytes": 1_048_576,
}

# What our guarantees rest on: the user's properties, such as a provider's file for all its clients, cannot undo it.
PRODUCER_FIXED = {name: PRODUCER_DEFAULTS[name] for name in ("delivery.report.only.error",)}
CONSUMER_FIXED = {
    name: CONSUMER_DEFAULTS[name]
    for name in ("enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset", "enable.partition.eof")
}

# Errors after which no amount of waiting helps.
_HOPELESS = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL, KafkaError._RESOLVE}
)


Client = TypeVar("Client", bound=Producer | Consumer | AdminClient)


class Unreachable(ClickstreamError):
    """Kafka does not answer, which may pass."""


class ErrorLog:
    """A client's error callback: says once that the broker is away, keeps the last error for messages."""

    REPEAT_AFTER_S = 30.0

    def __init__(self, address: str, *, quiet: bool = False) -> None:
        self.address = address
        self.last: KafkaError | None = None
        self._said_at = float("inf" if quiet else "-inf")

    def __call__(self, error: KafkaError) -> None:
        # "All brokers down" follows the error that says why; keep the reason.
        if self.last is None or error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.last = error
        if error.code() == KafkaError._ALL_BROKERS_DOWN and time.monotonic() > self._said_at + self.REPEAT_AFTER_S:
            self._said_at = time.monotonic()
            # Each client of a command finds that out for itself, and may see another reason: it is said once.
            about = {"about": f"Kafka at {self.address} does not answer"}
            reason = "" if self.last.code() == KafkaError._ALL_BROKERS_DOWN else f" ({self.last.str()})"
            log.warning("Kafka at %s does not answer%s; waiting for it.", self.address, reason, extra=about)


@dataclass(frozen=True)
class Cluster:
    """Where Kafka is, and how to talk to it."""

    address: str
    embedded: bool = False
    data_dir: Path | None = None
    common: Mapping[str, Any] = field(default_factory=dict)
    for_producers: Mapping[str, Any] = field(default_factory=dict)
    for_consumers: Mapping[str, Any] = field(default_factory=dict)
    statistics: Statistics = field(default_factory=Statistics)
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each property was given, for messages."""

    def _base(self, leave_out: frozenset[str]) -> dict[str, Any]:
        own = {
            "client.id": "clickstream",
            "logger": client_log,
            "error_cb": ErrorLog(self.address),
            "stats_cb": self.statistics.take,
            "statistics.interval.ms": EVERY_MS,
            # The default doubles up to 10 s; a part that rides out a restart should be back at once.
            "reconnect.backoff.max.ms": 1_000,
            "socket.timeout.ms": FETCHES_MS,
        }
        given = {name: value for name, value in self.common.items() if name not in leave_out}
        return {**own, **given, "bootstrap.servers": self.address}

    def producer(self, overrides: Mapping[str, Any] | None = None, *, patient: bool = False) -> Producer:
        """An idempotent producer; `overrides` are librdkafka properties that win over the user's.

        `patient`: records wait for Kafka however long it is away, unless the user has set message.timeout.ms.
        """
        waiting = {"message.timeout.ms": 0} if patient else {}
        given = {**PRODUCER_DEFAULTS, **waiting, **self._base(properties.CONSUMER_ONLY), **self.for_producers}
        # Without brokers its records would wait, or time out one after the other, for ever.
        own = {"stats_cb": Lifeline(self.address, "writes to", self.statistics.take).note_and_check}
        settings = _fitted_to_transactions({**given, **PRODUCER_FIXED, **own, **(overrides or {})})
        return self._build(lambda found: LimitedProducer(found, self.admin), settings)

    def consumer(self, group: str, overrides: Mapping[str, Any] | None = None) -> Consumer:
        """A consumer that never commits by itself and never jumps; `overrides` win over the user's properties."""
        given = {**CONSUMER_DEFAULTS, **self._base(properties.PRODUCER_ONLY), **self.for_consumers}
        lifeline = Lifeline(self.address, "reads from", self.statistics.take)
        own = {"group.id": group, "stats_cb": lifeline.note}
        settings = {**given, **CONSUMER_FIXED, **own, **(overrides or {})}
        return self._build(lambda found: LifelineConsumer(found, lifeline), settings)

    def admin(self) -> Admin:
        """A client for questions; those that change something give their own, longer time-out."""
        base = self._base(properties.PRODUCER_ONLY | properties.CONSUMER_ONLY)
        # One error log for all that come after one another: that Kafka is away is said by the first.
        # Nobody polls it: its statistics would pile up in it, 100 MB a day.
        silent = {"statistics.interval.ms": 0}
        settings = {**base, **silent, "socket.timeout.ms": self.common.get("socket.timeout.ms", ANSWERS_MS)}
        return Admin(lambda: self._build(AdminClient, settings))

    def check(self) -> None:
        """Raises ClickstreamError, within 10 s, when Kafka does not answer at the address: Unreachable, unless what it
        says cannot pass."""
        errors = ErrorLog(self.address, quiet=True)  # the exception says it
        base = self._base(properties.PRODUCER_ONLY | properties.CONSUMER_ONLY)
        admin = self._build(AdminClient, {**base, "error_cb": errors})
        # One address of several that cannot be resolved says nothing about the others.
        hopeless = _HOPELESS - ({KafkaError._RESOLVE} if "," in self.address else frozenset())
        deadline = time.monotonic() + REACHABLE_WITHIN_S
        patience = 0.25
        while True:
            try:
                # In short attempts first, to see what is hopeless at once; longer ones for a cluster that is slow.
                admin.list_topics(timeout=patience)
                return
            except KafkaException as problem:
                admin.poll(0)
                left = deadline - time.monotonic()
                if left <= 0 or (errors.last is not None and errors.last.code() in hopeless):
                    said = explain(errors.last or problem, "Connecting to Kafka", self.address)
                    if errors.last is not None and errors.last.code() in hopeless - {KafkaError._RESOLVE}:
                        raise said from problem
                    raise Unreachable(str(said)) from problem
                patience = min(2 * patience, left)

    def _build(self, kind: Callable[[dict[str, Any]], Client], settings: dict[str, Any]) -> Client:
        try:
            try:
                return kind(settings)
            except RuntimeError:
                # A process has room for a thousand clients (their thread-local storage). Those that nobody uses any
                # more may wait for the garbage collector, which is in no hurry where there is much that is not garbage.
                gc.collect()
                return kind(settings)
        except (KafkaException, TypeError, ValueError) as problem:
            error = error_of(problem)
            reason = (error.str() if error is not None else str(problem)).rstrip(".")
            # Such as "`acks` must be set to `all` when `enable.idempotence` is true": who gave one of them?
            named = [
                f"{said}: {place}"
                for name, place in self.sources.items()
                for said in names_of(name)
                if _names(reason, said)
            ]
            where = f" (given: {', '.join(named)})" if named else ""
            raise ConfigError(f"The Kafka client refuses its configuration: {reason}{where}.") from problem


def client_for(cluster: Cluster, admin: Admin | None) -> Admin:
    """The client that a caller has brought, or else a new one, with its threads and connections."""
    return cluster.admin() if admin is None else admin


def _fitted_to_transactions(settings: dict[str, Any]) -> dict[str, Any]:
    """A producer's settings; where it is a transactional one, no time-out is longer (0: for ever) than a transaction.

    The client refuses longer ones, though the user means all producers with them; with none, the broker ends the
    transaction of records that still wait. Nothing is lost by it: a transaction whose time is over is made again, with
    all of its records, however long Kafka is away.
    """
    if "transactional.id" not in settings:
        return settings
    longest: int = settings.get("transaction.timeout.ms", TRANSACTIONS_MS)
    names = {"message.timeout.ms", "socket.timeout.ms"} & settings.keys()
    too_long = {name for name in names if not 0 < properties.whole_number(settings[name]) <= longest}
    return {**settings, **dict.fromkeys(too_long, longest)}


def _names(reason: str, name: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w]|\.\w)", reason) is not None
