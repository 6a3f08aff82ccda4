"""`bench latency`: from produce() to the first tally that includes the event."""

import contextlib
import math
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

from bench.broker import PARTITIONS, BenchKafka, bench_kafka
from bench.programs import run_counter
from clickstream.errors import ClickstreamError
from clickstream.kafka.produce import Sender
from clickstream.records import EVENT_NAMES, Event, Tally, encode, utc_text

WARM_UP_S = 3.0
READY_WITHIN_S = 60.0
LAST_WITHIN_S = 30.0

# Every partition has a name of its own. A count of n then says that the partition's first n events are in:
# a total could not tell which ones, because partitions are not read in step.
NAMES = EVENT_NAMES[:PARTITIONS]


@dataclass(frozen=True)
class Latency:
    """Milliseconds from produce() to the tally's arrival, over `events` events."""

    linger_ms: int
    events: int
    p50: float
    p90: float
    p99: float
    worst: float


class Arrivals:
    """When each event was sent and when a tally first included it. Times in seconds of one clock."""

    def __init__(self) -> None:
        self._sent: dict[str, list[float]] = {name: [] for name in NAMES}
        self._seen = dict.fromkeys(NAMES, 0)
        self.latencies: list[tuple[float, float]] = []  # time sent, seconds until seen

    @property
    def seen(self) -> int:
        return sum(self._seen.values())

    def sent(self, name: str, at: float) -> None:
        """The next event of `name` is about to be sent."""
        self._sent[name].append(at)

    def tally(self, counts: Mapping[str, int], at: float) -> None:
        """A tally arrived."""
        for name, times in self._sent.items():
            count = counts.get(name, 0)
            new = times[self._seen[name] : count]
            self.latencies += [(sent, at - sent) for sent in new]
            self._seen[name] = max(self._seen[name], count)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` % of the sorted values do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def summary(linger_ms: int, seconds: Sequence[float]) -> Latency:
    ordered = sorted(1000 * value for value in seconds)
    p50, p90, p99 = (percentile(ordered, percent) for percent in (50, 90, 99))
    return Latency(linger_ms, len(ordered), p50, p90, p99, ordered[-1])


def measure(
    rate: float, interval: float, duration: float, lingers: Sequence[int], say: Callable[[str], None]
) -> list[Latency]:
    """Measure `duration` seconds for each linger.ms of the probe. Raises ClickstreamError when events do not show."""
    results = []
    with bench_kafka(say) as kafka:
        for linger in lingers:
            say(f"{rate:,.0f} events/s with linger.ms={linger} for {WARM_UP_S + duration:.0f} s")
            results.append(_measure(kafka, rate, interval, duration, linger))
    return results


def _measure(kafka: BenchKafka, rate: float, interval: float, duration: float, linger: int) -> Latency:
    topic, output = kafka.topic(f"latency-{linger}"), kafka.topic(f"tallies-{linger}", partitions=1)
    arrivals = Arrivals()
    sender = Sender(kafka.cluster.producer({"linger.ms": linger}))
    reader = kafka.cluster.consumer("bench")
    reader.assign([TopicPartition(output, 0, 0)])
    try:
        with running(run_counter(kafka.address, topic, output, "--interval", str(interval))):
            _send(sender, topic, arrivals, len(NAMES), rate)
            _follow(reader, arrivals, len(NAMES), READY_WITHIN_S)
            count = round(rate * (WARM_UP_S + duration))
            begin = time.monotonic()
            probe = threading.Thread(target=_send, args=(sender, topic, arrivals, count, rate), daemon=True)
            probe.start()
            _follow(reader, arrivals, len(NAMES) + count, WARM_UP_S + duration + LAST_WITHIN_S)
            probe.join()
    finally:
        reader.close()
        sender.close()
    measured = [latency for sent, latency in arrivals.latencies if sent >= begin + WARM_UP_S]
    return summary(linger, measured)


def _send(sender: Sender, topic: str, arrivals: Arrivals, count: int, rate: float) -> None:
    """Send `count` events, one at a time, `rate` per second."""
    begin = time.monotonic()
    for number in range(count):
        partition = number % PARTITIONS
        name = NAMES[partition]
        event = encode(Event(utc_text(time.time()), "4pqurkxx3oku8yj", name, "ur0kzmbj"))
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        arrivals.sent(name, time.monotonic())
        sender.send(topic, event, b"%d" % number, partition=partition)
        sender.poll()


def _follow(reader: Consumer, arrivals: Arrivals, count: int, timeout: float) -> None:
    """Note tallies until `count` events have been seen."""
    deadline = time.monotonic() + timeout
    while arrivals.seen < count:
        message = reader.poll(0.2)
        at = time.monotonic()
        if at > deadline:
            raise ClickstreamError(f"Only {arrivals.seen:,} of {count:,} events showed in the tally in time.")
        if message is not None and message.error() is None:
            arrivals.tally(Tally.decode(message.value() or b"").counts, at)


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """The program runs while the block does."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
