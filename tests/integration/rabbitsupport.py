"""What the tests of the sink into RabbitMQ share."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetters
from clickstream.kafka.produce import Sender
from clickstream.parts.threads import Threads
from clickstream.sinks.ledger import Ledger
from clickstream.sinks.model import Input
from clickstream.sinks.rabbitmq.target import RabbitTarget, Where, parameters_of, where_of
from clickstream.sinks.sink import Options, Sink
from clickstream.stop import Stop
from clickstream.topics import Declared, ensure
from tests.integration.rabbit import Rabbit

SINKS = "clickstream-sinks"
WITHIN_S = 90.0


def topic_with_queue(cluster: Cluster, rabbit: Rabbit) -> str:
    """A new topic with three partitions, and a queue of that name."""
    name = f"rabbit-{uuid.uuid4().hex[:8]}"
    ensure(cluster, [Declared(name, partitions=3), Declared(f"{name}-dead"), SINKS])
    rabbit.make_queue(name)
    return name


def fill(cluster: Cluster, topic: str, count: int, first: int = 0) -> None:
    sender = Sender(cluster.producer())
    for number in range(first, first + count):
        sender.send(topic, b'{"n":%d}' % number, b"k%d" % (number % 10), partition=number % 3)
    sender.must_have_delivered("The records")


def sink_of(
    cluster: Cluster,
    rabbit: Rabbit,
    source: Input,
    where: Where | None = None,
    stop: Stop | None = None,
    **options: Any,
) -> Sink:
    to = where or Where()
    parameters = parameters_of(rabbit.url)
    stop = stop or Stop()
    # Names of their own: a test's sink takes over none of another.
    options.setdefault("name", source.topic)
    ledger = Ledger(cluster, SINKS, "rabbitmq", where_of(parameters, to.exchange), stop)
    target = RabbitTarget(parameters, to, ledger, stop)
    sender = Sender(cluster.producer({"message.timeout.ms": 0}))
    letters = DeadLetters(sender, f"{source.topic}-dead", "sink-rabbitmq")
    return Sink(cluster, target, [source], letters, sender, Options(**options))


def fill_queue(cluster: Cluster, rabbit: Rabbit, source: Input, where: Where | None = None, **options: Any) -> Sink:
    """Run a sink to the end of its topic."""
    stop = Stop()
    sink = sink_of(cluster, rabbit, source, where, stop, exit_at_end=True, **options)
    sink.run(stop)
    return sink


@contextmanager
def at_work(cluster: Cluster, rabbit: Rabbit, source: Input, **options: Any) -> Iterator[tuple[Sink, Threads]]:
    stop = Stop()
    sink = sink_of(cluster, rabbit, source, stop=stop, **options)
    threads = Threads()
    threads.start(sink.run, stop)
    try:
        yield sink, threads
    finally:
        stop.set()
        threads.wait()


def command(kafka: str, topic: str, *more: str) -> list[str]:
    return ["sink", "rabbitmq", topic, "--name", topic, "--dead-letter-topic", f"{topic}-dead", "-b", kafka, *more]


def origins(found: Sequence[tuple[Any, bytes]]) -> list[tuple[int, int]]:
    """Partition and offset of messages, as their ids say."""
    return [(int(number), int(offset)) for number, offset in (one.message_id.split("/")[1:] for one, _ in found)]


def check_all_in_order(found: Sequence[tuple[Any, bytes]], count: int) -> None:
    """Every record of a topic filled by `fill` is there; seen for the first time, in the order of its partition."""
    distinct = list(dict.fromkeys(origins(found)))
    assert len(distinct) == count
    for number in range(3):
        own = [offset for partition, offset in distinct if partition == number]
        assert own == list(range(len(own)))
    # A repeat never leaves an older word of a key as its last.
    last: dict[tuple[int, str], int] = {}
    for one, _ in found:
        number, offset = map(int, one.message_id.split("/")[1:])
        last[number, one.headers["clickstream-key"]] = offset
    newest: dict[tuple[int, str], int] = {}
    for one, _ in found:
        number, offset = map(int, one.message_id.split("/")[1:])
        place = number, one.headers["clickstream-key"]
        newest[place] = max(offset, newest.get(place, 0))
    assert last == newest
