"""`bench history`: what the dashboard's history costs, by itself: decoding, rows and sums, questions, memory.

Clicks of the generator at a steady rate of event time, as fast as they go in; fetching them from Kafka is not in it.
"""

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import machine
from clickstream.enrich.places import MadeUpPlaces
from clickstream.generate.web import web
from clickstream.history.answers import Answers
from clickstream.history.decode import Click, Reader
from clickstream.history.model import CLICKS, Filter, Question
from clickstream.history.sessions import sessions
from clickstream.history.store import Limits, Store

BASE_MS = 1_600_000_200_000
BATCH_MS = 400  # of event time: what comes between two writes of a live history
TOPS = ("page", "referrer", "browser", "os", "device", "status", "country")
MINUTE_MS = 60_000
PAGE = (Filter("page", True, "/index.html"),)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """`clicks` at `rate` per second of event time, of so many `users`; each question is asked `repeats` times."""

    clicks: int
    rate: int
    users: int
    repeats: int


@dataclass
class Result:
    """CPU microseconds per click, CPU milliseconds per question, resident MB after so many clicks."""

    decode_us: float = 0.0
    add_us: float = 0.0
    rows: int = 0
    questions: dict[str, float] = field(default_factory=dict)
    overview_ms: float = 0.0
    memory: list[tuple[int, float]] = field(default_factory=list)
    estimated_mb: float = 0.0

    def share(self, rate: int) -> float:
        """Of one core, at `rate` clicks/s and one overview a second."""
        return (self.decode_us + self.add_us) * rate / 1e6 + self.overview_ms / 1e3


def measure(plan: Plan, say: Say) -> Result:
    """Fill a history of the default limits beyond them, then ask."""
    store = Store(Limits(), places=MadeUpPlaces())
    store.begin(CLICKS, 0)
    reader: Reader[Click] = Reader(Click)
    result = Result()
    decoding = adding = 0.0
    done = 0
    for values in _batches(plan):
        begun = time.process_time()
        clicks = reader.read(values)
        read = time.process_time()
        store.add_clicks(clicks)
        adding += time.process_time() - read
        decoding += read - begun
        before, done = done, done + len(values)
        if done * 8 // plan.clicks > before * 8 // plan.clicks:
            gc.collect()
            result.memory.append((done, _resident_mb()))
            say(f"{done:,} clicks: {result.memory[-1][1]:.0f} MB, {store.rows[CLICKS].rows:,} rows")
    result.decode_us, result.add_us = 1e6 * decoding / done, 1e6 * adding / done
    result.rows, result.estimated_mb = store.rows[CLICKS].rows, store.bytes / 1e6
    _ask(store, plan, result)
    store.close()
    return result


def _batches(plan: Plan) -> Iterator[list[bytes]]:
    traffic = web(plan.users, seed=1, topic="t", codes_topic="c", users_topic="u")
    size = plan.rate * BATCH_MS // 1_000
    waiting: list[bytes] = []
    made = 0
    while made < plan.clicks:
        _number, clicks = traffic.crowd.block()
        times = [BASE_MS + (made + index) * 1_000 // plan.rate for index in range(len(clicks))]
        waiting += [message["value"] for message in traffic.messages(clicks, times)]
        made += len(clicks)
        while len(waiting) >= size:
            yield waiting[:size]
            del waiting[:size]


def _ask(store: Store, plan: Plan, result: Result) -> None:
    answers = Answers(store)
    newest = store.newest() or 0
    since = store.coverage().rows_from or 0
    end = newest // 1_000 * 1_000
    rows = Question(since, end, MINUTE_MS, PAGE)
    five = Question(end - 5 * MINUTE_MS, end, 5_000)
    hour = Question(end - 60 * MINUTE_MS, end, MINUTE_MS)

    def overview() -> None:
        answers.traffic(five)
        answers.tops(five, TOPS, 10)
        answers.current(end)
        answers.active(five)

    questions: dict[str, Callable[[], object]] = {
        "traffic of 5 min by 5 s": lambda: answers.traffic(five),
        "traffic of 60 min by minute": lambda: answers.traffic(hour),
        "7 tops of 5 min, and before": lambda: answers.tops(five, TOPS, 10),
        "7 tops of 60 min, and before": lambda: answers.tops(hour, TOPS, 10),
        "current visitors": lambda: answers.current(end),
        "active sessions of 5 min by 5 s": lambda: answers.active(five),
        "users and addresses, all rows": lambda: answers.tops(hour, ["user", "ip"], 10, before=False),
        "filtered traffic, all rows": lambda: answers.traffic(rows),
        "7 filtered tops, all rows": lambda: answers.tops(rows, TOPS, 10, before=False),
        "sessions of 5 min": lambda: sessions(store, five.start, end, 50),
    }
    for name, question in questions.items():
        result.questions[name] = _cpu_ms(store, question, plan.repeats)
    result.overview_ms = _cpu_ms(store, overview, plan.repeats)


def _cpu_ms(store: Store, ask: Callable[[], object], repeats: int) -> float:
    begun = time.process_time()
    for _ in range(repeats):
        store.changes += 1  # an answer is remembered until something changes
        ask()
    return 1e3 * (time.process_time() - begun) / repeats


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4_096 / 1e6


def report(result: Result, plan: Plan) -> str:
    """The figures as Markdown."""
    lines = [
        f"{machine()}. {result.rows:,} rows of {plan.users:,} users at {plan.rate:,} clicks/s; CPU of one core.",
        "",
        "| what | cost |",
        "|---|---:|",
        f"| decode a click | {result.decode_us:.1f} us |",
        f"| rows and sums of a click | {result.add_us:.1f} us |",
        *(f"| {name} | {cost:.1f} ms |" for name, cost in result.questions.items()),
        f"| an overview of 5 min (traffic, 7 tops, current, active) | {result.overview_ms:.1f} ms |",
        f"| **at {plan.rate:,} clicks/s with one overview a second** | **{result.share(plan.rate):.1%} of a core** |",
        "",
        "Resident memory: "
        + ", ".join(f"{megabytes:.0f} MB after {clicks / 1e6:.1f}M" for clicks, megabytes in result.memory)
        + f" clicks (of which {result.estimated_mb:.0f} MB are accounted for).",
    ]
    return "\n".join(lines)
