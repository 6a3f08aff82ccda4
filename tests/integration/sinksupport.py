"""What the tests of sinks into databases and indices share: a place, a load, and the bad days that each of them has."""

import json
import random
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetters, FoundLetter
from clickstream.kafka.log import LogIdentity, identify
from clickstream.kafka.produce import Sender
from clickstream.parts.threads import Threads
from clickstream.sinks.inputs import described
from clickstream.sinks.model import Input
from clickstream.sinks.sink import Options, Sink
from clickstream.sinks.target import Fenced, Target
from clickstream.stop import Stop
from clickstream.topics import Declared, ensure
from tests.integration.support import Part, dead_letters, run
from tests.integration.support import running as running_command
from tests.support import wait_until

HITS = "id STRING NOT NULL, n INT"
KEYS = 400
WITHIN_S = 180.0


@dataclass
class SinkPlace(ABC):
    """A topic, and where a sink writes its rows, which does not exist yet; `address` is the target's."""

    cluster: Cluster
    address: str
    topic: str

    kind: ClassVar[str]
    variable: ClassVar[str]  # of the environment, with the address

    @classmethod
    def at(cls, kafka: str, address: str) -> Self:
        """A new topic."""
        name = f"{cls.kind[:2]}_{uuid.uuid4().hex[:8]}"
        # Ends of partitions are told at once, and not after half a second.
        cluster = Cluster(kafka, for_consumers={"fetch.wait.max.ms": "10"})
        ensure(cluster, [Declared(name, partitions=3), Declared(f"{name}-dead")])
        return cls(cluster, address, name)

    @abstractmethod
    def made_target(self, name: str, *, early: bool) -> Target:
        """A target for a sink of that name."""

    @abstractmethod
    def read(self) -> int:
        """How many records the target says it has; -1: it says nothing."""

    @abstractmethod
    def numbers(self) -> dict[str, int]:
        """The column n of all rows by their id."""

    @abstractmethod
    def must_equal(self, live: dict[str, int]) -> None:
        """The target is what the topic is, of which that is known."""

    def send(self, records: Iterable[tuple[Any, Any]], partition: int | None = None, **more: Any) -> None:
        """Keys and values, as JSON unless they are bytes or None; a key is always in one partition."""
        sender = Sender(self.cluster.producer())
        for key, value in records:
            where = sum(_bytes(key) or b"") % 3 if partition is None else partition
            sender.send(self.topic, _bytes(value), _bytes(key), partition=where, **more)
        sender.must_have_delivered("The records")

    def source(self, columns: str = HITS, key: str | None = "id") -> Input:
        return described(self.topic, columns, key)

    def identity(self) -> LogIdentity:
        return identify(self.cluster, self.topic)

    def sink(self, source: Input, target: Target | None = None, **options: Any) -> Sink:
        sender = Sender(self.cluster.producer({"message.timeout.ms": 0}))
        letters = DeadLetters(sender, f"{self.topic}-dead", f"sink-{self.kind}")
        given = Options(**options)
        return Sink(
            self.cluster, target or self.made_target(given.name, early=given.early), [source], letters, sender, given
        )

    def fill(self, source: Input, target: Target | None = None, **options: Any) -> Sink:
        """Run a sink to the end of the topic."""
        sink = self.sink(source, target, exit_at_end=True, **options)
        sink.run(Stop())
        return sink

    def letters(self) -> list[FoundLetter]:
        return dead_letters(self.cluster.address, f"{self.topic}-dead")

    def command(self, *options: str) -> list[str]:
        return [
            *("sink", self.kind, self.topic, "-b", self.cluster.address, "--columns", HITS, "--key", "id", "--quiet"),
            *("--dead-letter-topic", f"{self.topic}-dead", *self.given(), *options),
        ]

    def given(self) -> list[str]:
        """Options that every command of this place has."""
        return []

    @contextmanager
    def started(self, *options: str) -> Iterator[Part]:
        with running_command(*self.command(*options), **{self.variable: self.address}) as part:
            yield part

    def finish(self, *options: str) -> None:
        """Fill the rest."""
        done = run(*self.command("--exit-at-end", *options), timeout=WITHIN_S, **{self.variable: self.address})
        assert done.code == 0, done.said


def _bytes(value: Any) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def hits(*pairs: tuple[str, int | None]) -> list[tuple[Any, Any]]:
    """Records of HITS; None is a tombstone."""
    return [({"id": key}, None if n is None else {"id": key, "n": n}) for key, n in pairs]


@contextmanager
def running(sink: Sink) -> Iterator[Threads]:
    stop, threads = Stop(), Threads()
    threads.start(sink.run, stop)
    try:
        yield threads
    finally:
        stop.set()
        threads.wait()


class Load:
    """Records of random keys, sent until the block ends; `live` is what the topic then holds."""

    def __init__(self, place: SinkPlace) -> None:
        self._place = place
        self._stop = threading.Event()
        self._chance = random.Random(11)
        self.sent = 0
        self.live: dict[str, int] = {}
        self._threads = Threads()

    def __enter__(self) -> "Load":
        self._threads.start(self._send)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Send no more."""
        self._stop.set()
        self._threads.join()

    def _send(self) -> None:
        while not self._stop.wait(0.02):
            batch = [(f"k{self._chance.randrange(KEYS)}", self._n(number)) for number in range(200)]
            self._place.send(hits(*batch))
            self.sent += len(batch)
            for key, n in batch:
                self.live.pop(key, None)
                if n is not None:
                    self.live[key] = n

    def _n(self, number: int) -> int | None:
        return None if self._chance.random() < 0.2 else self.sent + number


# --- bad days


class Server(Protocol):
    """A target's server, which may be killed and started again at the same address."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


def anywhere(chance: random.Random) -> None:
    """A moment anywhere in a batch."""
    threading.Event().wait(chance.uniform(0.0, 0.7))


def progress(place: SinkPlace, said: str | Callable[[], str]) -> None:
    """Some more of the records are in the target."""
    before = max(place.read(), 0)
    wait_until(lambda: place.read() > before, WITHIN_S, said)


def all_of(place: SinkPlace, load: Load, said: str | Callable[[], str], threads: Threads | None = None) -> None:
    """All records that were sent are in the target."""
    wait_until(
        lambda: place.read() == load.sent or (threads is not None and threads.problem is not None), WITHIN_S, said
    )
    assert threads is None or threads.problem is None


def killed_under_load(place: SinkPlace, times: int) -> None:
    """It loses and doubles nothing."""
    chance = random.Random(7)
    with Load(place) as load:
        for _ in range(times):
            with place.started() as part:
                progress(place, part.said)
                anywhere(chance)
                part.kill()
    place.finish()
    place.must_equal(load.live)
    assert place.letters() == []


def its_server_is_killed(place: SinkPlace, server: Server, times: int) -> None:
    """It goes on by itself, and loses and doubles nothing."""
    chance = random.Random(9)
    sink = place.sink(place.source())
    with running(sink) as threads:
        with Load(place) as load:
            for _ in range(times):
                progress(place, "rows")
                anywhere(chance)
                server.kill()
                server.start()
        all_of(place, load, "all records", threads)
    place.must_equal(load.live)
    assert sink.totals()["dead_lettered"] == 0


def its_server_is_away(place: SinkPlace, server: Server, seconds: float) -> None:
    """It says so, and that it is back."""
    with place.started() as part, Load(place) as load:
        progress(place, part.said)
        server.stop()
        wait_until(lambda: "waiting for it" in part.said(), WITHIN_S, part.said)
        threading.Event().wait(seconds)
        server.start()
        wait_until(lambda: "is back" in part.said(), WITHIN_S, part.said)
        assert part.running
        load.end()
        all_of(place, load, part.said)
        assert part.stop() == 0
        assert " 0 dead-lettered" in part.said()
    place.must_equal(load.live)


def a_second_one_takes_over(place: SinkPlace) -> None:
    """The first one names it, and ends."""
    with place.started() as first, Load(place) as load:
        progress(place, first.said)
        with place.started() as second:
            assert first.wait(120) == 1
            assert f"pid {second.process.pid} has taken over sink clickstream of topic {place.topic}" in first.said()
            load.end()
            all_of(place, load, second.said)
            assert second.stop() == 0
    place.must_equal(load.live)


def a_frozen_first_wakes_up(place: SinkPlace) -> None:
    """It writes nothing any more, and ends."""
    with place.started() as first, Load(place) as load:
        progress(place, first.said)
        first.freeze()
        with place.started() as second:
            progress(place, second.said)
            load.end()
            all_of(place, load, second.said)
            first.thaw()
            place.send(hits(("last", 1)))
            load.live["last"] = 1
            load.sent += 1
            assert first.wait(120) == 1
            assert f"pid {second.process.pid} has taken over" in first.said()
            all_of(place, load, second.said)
            assert second.stop() == 0
    place.must_equal(load.live)


def a_reset_fences_who_writes(place: SinkPlace) -> None:
    """What it has written is gone; another start writes all of it again."""
    place.send(hits(("a", 1)))
    with running(place.sink(place.source())) as threads:
        wait_until(lambda: place.read() == 1, WITHIN_S, "a row")
        other = place.made_target("clickstream", early=False)
        other.connect()
        other.prepare([place.source()])
        other.forget([place.source()], "clickstream")
        other.close()
        place.send(hits(("b", 2)))
        wait_until(lambda: threads.problem is not None, WITHIN_S, "it ends")
    assert isinstance(threads.problem, Fenced)
    assert place.numbers() == {}
    place.fill(place.source())
    assert place.numbers() == {"a": 1, "b": 2}
