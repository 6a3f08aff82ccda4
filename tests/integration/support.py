"""What the integration tests share: commands as processes, records in topics, and counts made independently."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from confluent_kafka import ConsumerGroupState, KafkaException, Message, Producer, TopicPartition

from clickstream.counter import Counter
from clickstream.kafka.admin import create, wait_until_led
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.deadletter import FoundLetter, found_letter
from clickstream.kafka.errors import is_transient
from clickstream.kafka.offsets import ends
from clickstream.tally.each import EachCounter
from clickstream.tally.options import CounterOptions
from clickstream.topics import Declared
from tests.integration.librdkafka import admin_of
from tests.support import PATIENCE

ROOT = Path(__file__).resolve().parents[2]

# The shortest session that Kafka's defaults allow: a killed member's partitions go to others after 6 s, not 45.
SHORT_SESSION = ("-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500")


# --- commands as processes


def environment_of_a_command(changes: dict[str, str]) -> dict[str, str]:
    """Ours without the settings of whoever runs the tests."""
    # One by one: pytest changes its own variable meanwhile, if this is asked on another thread.
    kept = [name for name in os.environ if not re.match("CLICKSTREAM_|KAFKA_", name)]
    ours = {name: text for name in kept if (text := os.environ.get(name)) is not None}
    return {**ours, "PYTHONUNBUFFERED": "1", **changes}


class Part:
    """A running `clickstream` command; `before` is Python that its process executes first."""

    def __init__(self, *arguments: str, before: str = "", **environment: str) -> None:
        program = (
            ["-c", f"{before}\nfrom clickstream.cli import process; process()"] if before else ["-m", "clickstream"]
        )
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        self._stdout = tempfile.TemporaryFile()  # noqa: SIM115 - as above
        self.process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._stdout,
            stderr=self._stderr,
            cwd=ROOT,
            env=environment_of_a_command(environment),
        )

    def said(self) -> str:
        """What it wrote to stderr so far."""
        return os.pread(self._stderr.fileno(), 10_000_000, 0).decode()

    def printed(self) -> str:
        """What it wrote to stdout so far."""
        return os.pread(self._stdout.fileno(), 10_000_000, 0).decode()

    def wait(self, timeout: float = 60.0) -> int:
        """Its exit code; a part that does not end in time fails the test with what it said."""
        timeout *= PATIENCE
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not within {timeout:g} s: it ends; it said:\n{self.said()}") from None

    def stop(self, timeout: float = 30.0) -> int:
        """Ask it to end, as Ctrl-C or a service manager does."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL: no chance to save or to say anything."""
        self.process.kill()
        self.process.wait()

    def done(self) -> "Done":
        """How it ended."""
        return Done(self.wait(), self.said(), self.printed())

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        self.kill()
        self._stderr.close()
        self._stdout.close()


@contextmanager
def running(*arguments: str, before: str = "", **environment: str) -> Iterator[Part]:
    """The command in the background; killed at the end of the block if it still runs."""
    part = Part(*arguments, before=before, **environment)
    try:
        yield part
    finally:
        part.end()


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code, what it wrote to stderr and to stdout."""

    code: int
    said: str
    printed: str


def run(*arguments: str, timeout: float = 60.0, **environment: str) -> Done:
    """The command, run to its end."""
    with running(*arguments, **environment) as part:
        part.wait(timeout)
        return part.done()


def run_well(*arguments: str, timeout: float = 60.0) -> Done:
    """The command, which has to end with exit code 0 and nothing on stdout."""
    done = run(*arguments, timeout=timeout)
    assert done.code == 0, done.said
    assert done.printed == ""
    return done


def is_an_error_for_people(done: Done, *words: str) -> bool:
    """Whether a command ended with at most two lines that contain the words, and without a traceback."""
    lines = done.said.strip().splitlines()
    assert "Traceback" not in done.said, done.said
    assert len(lines) <= 2, done.said
    missing = [word for word in words if word not in done.said]
    assert not missing, f"{missing} not in: {done.said}"
    return done.code in (1, 2)


def how_many_counted(said: str) -> int:
    """What a counter's last line says."""
    found = re.search(r"Counted ([\d,]+) records", said)
    assert found is not None, said
    return int(found[1].replace(",", ""))


# --- topics and records


def make_topic(kafka: str, topic: str, partitions: int = 3, **config: str) -> None:
    settings = {name.replace("_", "."): value for name, value in config.items()}
    assert create(Cluster(kafka), Declared(topic, partitions, config=settings).request())
    wait_until_led(Cluster(kafka), [topic])


def produce(kafka: str, topic: str, values: Iterable[bytes | None], partition: int = -1, timestamp: int = 0) -> None:
    """Write records and wait until they are acknowledged; without a partition, spread over all.

    `timestamp` is in ms since 1970; 0: now.
    """
    refused: list[Any] = []
    # Idempotent: on a loaded machine a request is sent again, and the records would be there twice.
    settings = {"bootstrap.servers": kafka, "linger.ms": 5, "message.max.bytes": 2_000_000, "enable.idempotence": True}
    producer = Producer(settings)
    for number, value in enumerate(values):
        producer.produce(
            topic,
            value,
            str(number).encode(),
            partition=partition,
            timestamp=timestamp,
            on_delivery=lambda error, _message: refused.append(error) if error else None,
        )
        producer.poll(0)
    assert producer.flush(30 * PATIENCE) == 0
    assert not refused, refused[:3]


def named(*names: object, field: str = "eventName") -> list[bytes]:
    """JSON records with these values in `field`."""
    return [json.dumps({field: name}).encode() for name in names]


def records(kafka: str, topic: str) -> list[Message]:
    """All committed records of a topic, partition by partition in the order of the log."""
    found: list[Message] = []
    read_to_end(Cluster(kafka), topic, found.append)
    return sorted(found, key=lambda record: (record.partition() or 0, record.offset() or 0))


def written(kafka: str, topic: str) -> int:
    """How far a topic has been written: the sum of its end offsets, which count transaction markers, too."""
    # A broker that was killed knows its topics late, and may leave a client without any broker: that one is replaced.
    return sum(ends(Cluster(kafka), topic, stop=threading.Event()).values())


def value(record: Message) -> bytes:
    found = record.value()
    assert found is not None
    return found


def header(record: Message, name: str) -> str:
    found = dict(record.headers() or [])[name]
    assert isinstance(found, bytes)
    return found.decode()


def dead_letters(kafka: str, topic: str) -> list[FoundLetter]:
    """All that stands in a dead-letter topic; fails when something else does."""
    found = [found_letter(record) for record in records(kafka, topic)]
    assert None not in found
    return [letter for letter in found if letter is not None]


def counted_by_hand(kafka: str, topic: str, field: str = "eventName") -> dict[str, int]:
    """What the tally of a topic of good records has to be, by another way than the counter's."""
    return dict(Counts(str(json.loads(value(record))[field]) for record in records(kafka, topic)))


def tallies(kafka: str, topic: str, group: str | None = None) -> list[dict[str, int]]:
    """The published counts in order, without receiveAt; all tallies, or those of one group."""
    found = []
    for record in records(kafka, topic):
        if group is None or record.key() == group.encode():
            tally = json.loads(value(record))
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dUTC", tally.pop("receiveAt"))
            found.append(tally)
    return found


def decreases(found: Sequence[dict[str, int]]) -> list[int]:
    """Places of tallies in which any name's count is lower than in the one before."""
    pairs = enumerate(itertools.pairwise(found), start=1)
    return [place for place, (one, next_) in pairs if any(next_.get(name, 0) < count for name, count in one.items())]


def members(kafka: str, group: str) -> int:
    """How many members a consumer group has now."""
    admin = Cluster(kafka).admin()
    try:
        return len(admin.describe_consumer_groups([group])[group].result().members)
    except KafkaException as problem:
        if not is_transient(problem):
            raise
        return -1  # the coordinator is on its way back


def delete_records(kafka: str, topic: str, before: dict[int, int]) -> None:
    """Delete, as retention does, each partition's records before the offset given for it."""
    admin = admin_of(Cluster(kafka))
    places = [TopicPartition(topic, partition, offset) for partition, offset in before.items()]
    for future in admin.delete_records(places).values():
        future.result()


def shares(kafka: str, group: str) -> list[int]:
    """How many partitions each member has; empty while they are being distributed, or the coordinator comes back."""
    admin = Cluster(kafka).admin()
    try:
        found = admin.describe_consumer_groups([group])[group].result()
    except KafkaException as problem:
        if not is_transient(problem):
            raise
        return []
    if found.state != ConsumerGroupState.STABLE:
        return []
    return [len(member.assignment.topic_partitions) for member in found.members]


# --- counters in this process


def options_for(topic: str, **changes: Any) -> CounterOptions:
    """Count eventName of `topic` into `<topic>-tally` to the end, as group `<topic>-group`."""
    plain = CounterOptions(
        from_topic=topic,
        to_topic=f"{topic}-tally",
        field="eventName",
        group=f"{topic}-group",
        dead_letter_topic=f"{topic}-dead",
        interval=0.1,
        exit_at_end=True,
    )
    return replace(plain, **changes)


def count(
    kafka: str, topic: str, *, each: bool = False, options: CounterOptions | None = None
) -> Counter | EachCounter:
    """A counter that has run to the end of `topic`. Raises what the counter raises."""
    # Without waiting 0.5 s for records after the last one.
    cluster = Cluster(kafka, for_consumers={"fetch.wait.max.ms": 10})
    counter = (EachCounter if each else Counter)(cluster, options or options_for(topic))
    counter.run(threading.Event())
    return counter


@contextmanager
def counting(kafka: str, topic: str, **changes: Any) -> Iterator[Callable[[], BaseException | None]]:
    """A counter at work in a thread until the block ends; yields a function that returns what it raised so far."""
    counter = Counter(Cluster(kafka), options_for(topic, exit_at_end=False, **changes))
    stop = threading.Event()
    raised: list[BaseException] = []

    def work() -> None:
        try:
            counter.run(stop)
        except BaseException as problem:  # noqa: BLE001 - handed to the test
            raised.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield lambda: raised[0] if raised else None
    finally:
        stop.set()
        thread.join(30 * PATIENCE)
        assert not thread.is_alive()


def command_of(topic: str, **changes: str) -> list[str]:
    """`run-counter` with the same names as options_for."""
    names = {
        "from-topic": topic,
        "to-topic": f"{topic}-tally",
        "group": f"{topic}-group",
        "dead-letter-topic": f"{topic}-dead",
        "interval": "0.1",
        **{name.replace("_", "-"): text for name, text in changes.items()},
    }
    return ["run-counter", "--quiet", *(word for name, text in names.items() for word in (f"--{name}", text))]
