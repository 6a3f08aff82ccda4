"""RabbitMQ as a target: at least once, with an id by which a repeat is told."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from clickstream.errors import ConfigError
from clickstream.sinks.ledger import Ledger
from clickstream.sinks.model import Batch, Claim, Input, Stored, Written
from clickstream.sinks.rabbitmq.link import Link
from clickstream.sinks.rabbitmq.message import Origin, Outgoing, outgoing
from clickstream.sinks.rabbitmq.problems import problem_of
from clickstream.sinks.target import Away, Refused
from clickstream.stop import Stop

HEARTBEAT_S = 30
# Who was frozen for longer may have a successor: it looks before it publishes.
SURE_FOR_S = 5.0
NO_ROUTE = 312


@dataclass(frozen=True)
class Where:
    """Where messages go: to `exchange` ("" is the one that knows every queue by its name) with `routing_key`.

    Without a routing key it is the topic's name. `queues` are looked for before anything is sent.
    """

    exchange: str = ""
    routing_key: str | None = None
    queues: tuple[str, ...] = ()

    def key_for(self, topic: str) -> str:
        """The routing key of a topic's rows."""
        return topic if self.routing_key is None else self.routing_key


def parameters_of(url: str) -> Any:
    """The client's parameters of an AMQP-URL. Raises ConfigError, which does not quote it: it holds a password."""
    try:
        import pika
    except ModuleNotFoundError:
        raise ConfigError("RabbitMQ needs pika. Install it: pip install 'clickstream[rabbitmq]'") from None
    example = "amqp://user:password@host:5672/vhost is expected, or amqps://"
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
            raise ConfigError(f"The URL of RabbitMQ is not understood: {example}.")
        parameters = pika.URLParameters(url)
    except ConfigError:
        raise
    except Exception as problem:  # noqa: BLE001 - the client raises many kinds, and some quote the URL
        raise ConfigError(f"The URL of RabbitMQ is not understood ({type(problem).__name__}): {example}.") from None
    if "heartbeat" not in parts.query:
        parameters.heartbeat = HEARTBEAT_S
    parameters.client_properties = {"connection_name": "clickstream sink"}
    return parameters


def where_of(parameters: Any, exchange: str) -> str:
    """The server and the exchange, without secrets."""
    vhost = "" if parameters.virtual_host == "/" else f"/{parameters.virtual_host}"
    named = f", exchange {exchange}" if exchange else ""
    return f"RabbitMQ at {parameters.host}:{parameters.port}{vhost}{named}"


def look(parameters: Any, where: Where, inputs: Sequence[Input], stop: Stop) -> None:
    """Make sure that the server answers and has what a sink needs. Raises ClickstreamError with what is missing."""
    link = Link(parameters, where_of(parameters, where.exchange), stop)
    try:
        link.open()
        _require(link, where, inputs)
    finally:
        link.close()


def _require(link: Link, where: Where, inputs: Sequence[Input]) -> None:
    """Exchange and queues exist; the bindings between, AMQP shows to nobody: what is not taken is returned."""
    keys = [] if where.exchange else [where.key_for(one.topic) for one in inputs]
    link.require(where.exchange, list(dict.fromkeys([*keys, *where.queues])))


class RabbitTarget:
    """One sink's messages."""

    kind = "rabbitmq"

    def __init__(self, parameters: Any, where: Where, ledger: Ledger, stop: Stop) -> None:
        self.where = where_of(parameters, where.exchange)
        self._parameters = parameters
        self._to = where
        self._ledger = ledger
        self._stop = stop
        self._link: Link | None = None
        self._ids: dict[str, str] = {}
        # Confirmed since the last commit. After a failure only the others are published again.
        self._confirmed: set[Origin] = set()
        self._refuses = False  # since it last took all that was published
        self._sure_at = float("-inf")

    def gauges(self) -> dict[str, float]:
        """`target_blocked`: 1 while RabbitMQ is short of memory or disk, and takes nothing."""
        link = self._link
        return {"target_blocked": 1.0 if link is not None and link.blocked else 0.0}

    def tend(self) -> None:
        """As sinks.target.Tended."""
        self._ledger.tend()

    def connect(self) -> None:
        self.close()
        self._link = Link(self._parameters, self.where, self._stop)
        self._link.open()

    def prepare(self, inputs: Sequence[Input]) -> None:
        _require(self._opened(), self._to, inputs)

    def claim(self, claim: Claim) -> Stored:
        stored = self._ledger.claim(claim)
        self._ids = {one.topic: one.topic_id for one in claim.topics}
        self._sure_at = time.monotonic()
        return stored

    def write(self, batch: Batch) -> Written:
        if time.monotonic() > self._sure_at + SURE_FOR_S:
            self._ledger.verify()
        written = Written()
        refused: Refused | None = None
        for rows in batch.rows:
            messages, cleaned = outgoing(rows, self._ids[rows.input.topic])
            written.cleaned.update(cleaned)
            deleted = sum(message.deleted for message in messages)
            written.deleted += deleted
            if rows.input.upsert:
                written.upserted += len(messages) - deleted
            else:
                written.appended += len(messages) - deleted
            new = [message for message in messages if message.origin not in self._confirmed]
            refused = self._publish(rows.input.topic, new) or refused
        if refused is not None:
            raise refused
        self._ledger.commit(batch.places)
        self._sure_at = time.monotonic()
        self._confirmed = {
            (topic, number, offset)
            for topic, number, offset in self._confirmed
            if offset >= batch.places.get((topic, number), 0)
        }
        return written

    def forget(self, inputs: Sequence[Input], sink: str) -> None:
        """The places only: messages that were taken are their queues'."""
        self._ledger.forget(inputs, sink)

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _opened(self) -> Link:
        if self._link is None:
            raise Away(f"{self.where}: not connected")
        return self._link

    def _publish(self, topic: str, messages: list[Outgoing]) -> Refused | None:
        """What is refused of the messages; all others are confirmed. Raises Away, or what stops the sink."""
        link = self._opened()
        routing_key = self._to.key_for(topic)
        delivery = link.publish(self._to.exchange, routing_key, messages, slow_start=self._refuses)
        self._refuses = bool(delivery.not_taken)
        open_ = set(range(len(messages))) - delivery.confirmed - delivery.returned.keys()
        # A key's last message must be its last word: what came after one that is sent again is sent again, too.
        again = {messages[index].key for index in open_} - {None}
        first = {messages[index].key: index for index in sorted(open_, reverse=True)}
        self._confirmed.update(
            messages[index].origin
            for index in delivery.confirmed
            if messages[index].key not in again or index < first[messages[index].key]
        )
        if delivery.problem is not None:
            problem = problem_of(delivery.problem, self.where)
            if isinstance(problem, Refused):
                self.connect()  # the channel is closed with it
                return problem
            raise problem from None
        if delivery.not_taken:
            raise Away(f"{self.where} takes no more messages just now: a queue of it may be full")
        if delivery.returned:
            if not self._to.exchange:
                link.require("", [routing_key])  # without its queue, no row is to blame
            code, text = next(iter(delivery.returned.values()))
            return Refused(str(code), f"{text}: no queue takes it with routing key {routing_key}")
        return None
