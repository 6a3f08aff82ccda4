"""`bench tables`: the same file of SQL on our engine and on Apache Flink, over the same topics, in one run."""

import itertools
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.broker import BenchKafka, bench_kafka
from bench.clicks import Clicks
from bench.final_rows import Rows, read
from bench.heart import SETTLE_S
from bench.measure import PeakOfTree
from bench.programs import OURS, Spent, Wrong, metered
from bench.table import Cost
from bench.tables_sql import renamed, variant
from clickstream.errors import ClickstreamError
from clickstream.generate.web import web
from clickstream.kafka.produce import Sender
from clickstream.logtime import now_ms
from clickstream.tables.sql.check import check

SQL = Path(__file__).parent.parent / "config" / "tables" / "clickstream.sql"
STREAMS = frozenset({"user_clickstream", "enriched_error_codes"})

USERS = 100
SPREAD_MS = 12 * 60_000
# The first click. Neither in the future, nor older than the broker keeps records.
BEGIN_BEFORE_MS = 3_600_000

OUR, FLINK = "ours", "Flink"
PARALLELISM = 2
WITHIN_S = 3_600.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Case:
    """A part of the file. `peer`: Flink does it without being asked to."""

    name: str
    title: str
    keeps: Callable[[str], bool]  # of a table that is inserted into
    users: int = USERS
    peer: bool = True


def _windows(table: str) -> bool:
    return table not in STREAMS


CASES = (
    Case("windows", "all windowed tables", _windows),
    Case("all", "all windowed tables and both enriched streams", lambda _table: True),
    Case("hop", "one table: HOP, 60 s every 5 s", lambda table: table == "pages_per_min"),
)
KEYS = tuple(
    Case(f"keys-{users}", f"all windowed tables, {users:,} users", _windows, users, peer=False)
    for users in (100, 10_000, 1_000_000)
)
NAMES = (*(case.name for case in CASES), "keys")


def cases(only: Collection[str]) -> list[Case]:
    """The cases of NAMES that are called for."""
    return [case for case in (*CASES, *KEYS) if case.name.partition("-")[0] in only]


@dataclass(frozen=True)
class Plan:
    """How much to measure. A `short` run's cost is subtracted from that of one over `events`."""

    events: int
    short: int
    rounds: int
    only: Collection[str]
    flink: bool = True
    flink_keys: bool = False

    def sides(self, case: Case) -> list[str]:
        return [OUR, FLINK] if self.flink and (case.peer or self.flink_keys) else [OUR]


@dataclass
class Result:
    """Every round's costs by case and side, the rows that both wrote by case, and which runs failed, and why."""

    cases: Sequence[Case]
    costs: dict[tuple[str, str], list[Cost]] = field(default_factory=dict)
    rows: dict[tuple[str, str], dict[str, Rows]] = field(default_factory=dict)
    failed: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Data:
    """Topics, by the names that they have in the file; the clicks by how many there are."""

    clicks: dict[int, str]
    references: dict[str, str]

    def sources(self, count: int) -> dict[str, str]:
        return {"clickstream": self.clicks[count], **self.references}


def measure(plan: Plan, say: Say) -> Result:
    """Measure the cases in turn, `rounds` times."""
    result = Result(cases(plan.only))
    with bench_kafka(say) as kafka:
        data: dict[int, Data] = {}
        for number in range(plan.rounds):
            say(f"round {number + 1} of {plan.rounds}")
            for case in result.cases:
                if case.users not in data:
                    say(f"preparing {plan.events:,} clicks of {case.users:,} users")
                    data[case.users] = load(kafka, case.users, plan.events, plan.short)
                for side in plan.sides(case):
                    _measure(kafka, data[case.users], case, side, plan, result, say)
    return result


def load(kafka: BenchKafka, users: int, events: int, short: int) -> Data:
    """Write clicks, once all and once the first `short` of them, and what they are joined with."""
    start_ms = now_ms() - BEGIN_BEFORE_MS
    data = Data(
        {size: kafka.topic(f"clicks-{users}-{size}") for size in {short, events}},
        {
            "clickstream_codes": kafka.topic(f"codes-{users}", partitions=1),
            "clickstream_users": kafka.topic(f"users-{users}"),
        },
    )
    load_references(kafka, data, users, start_ms)
    sender = Sender(kafka.cluster.producer())
    clicks = Clicks(users, events, start_ms, SPREAD_MS)
    for size, topic in data.clicks.items():
        for block in clicks.blocks(size):
            sender.send_batch(topic, [{"key": key, "value": value} for key, value in block])
    sender.must_have_delivered("The clicks", timeout=600.0)
    return data


def load_references(kafka: BenchKafka, data: Data, users: int, before_ms: int) -> None:
    """As generate-web writes them, and valid for every click from `before_ms` on."""
    names = data.references
    traffic = web(
        users,
        seed=1,
        topic="clickstream",
        codes_topic=names["clickstream_codes"],
        users_topic=names["clickstream_users"],
    )
    sender = Sender(kafka.cluster.producer())
    for topic, records in traffic.references.items():
        for key, value in records:
            # Joins take the record's timestamp for the time from which it holds. Clicks may be early by a second.
            sender.send(topic, value, key, timestamp=before_ms - 60_000)
    sender.must_have_delivered("The references", timeout=600.0)


def _measure(kafka: BenchKafka, data: Data, case: Case, side: str, plan: Plan, result: Result, say: Say) -> None:
    if (case.name, side) in result.failed:
        return
    try:
        short, _ = _once(kafka, data.sources(plan.short), case, side)
        whole, rows = _once(kafka, data.sources(plan.events), case, side)
        if result.rows.setdefault((case.name, side), rows) != rows:
            raise Wrong("other rows than in the round before.")
    except ClickstreamError as error:
        # An hour's other figures are not thrown away for it; the table says what is missing.
        say(f"{case.name}, {side}: {error}")
        result.failed[case.name, side] = str(error).splitlines()[-1]
        return
    cost = Cost(plan.events, whole.usage, plan.short, short.usage, whole.broker_cpu - short.broker_cpu)
    result.costs.setdefault((case.name, side), []).append(cost)
    say(
        f"{case.name}, {side}: {whole.usage.seconds:.1f} s, the short run {short.usage.seconds:.1f} s; "
        f"{cost.rate:,.0f}/s, {cost.cpu_per_million:.2f} us CPU per event, {whole.usage.peak_mb:.0f} MB, "
        f"{sum(one.count for one in rows.values()):,} rows"
    )


_serial = itertools.count(1)


def _once(kafka: BenchKafka, sources: dict[str, str], case: Case, side: str) -> tuple[Spent, dict[str, Rows]]:
    """Run a case into topics of its own; what it cost, and the rows of each table."""
    name = f"{case.name}-{side}-{next(_serial)}".lower()
    sql = variant(SQL.read_text("utf-8"), case.keeps, renamed(sources, f"{name}-"))
    targets = [insert.target for insert in check(sql).program.inserts]
    directory = kafka.directory / name
    directory.mkdir()
    file = directory / f"{name}.sql"
    file.write_text(sql, "utf-8")
    for target in targets:
        kafka.topic(target.topic)
    time.sleep(SETTLE_S)
    _, spent = metered(kafka, command(side, file, kafka.address), timeout=WITHIN_S, memory_of=PeakOfTree)
    rows = {target.name: read(kafka, target.topic, table=target.upsert) for target in targets}
    kafka.drop(*(target.topic for target in targets))
    shutil.rmtree(directory, ignore_errors=True)
    return spent, rows


def command(side: str, file: Path, address: str) -> list[str]:
    """A side's command line: it reads what is there, and ends. Its state is beside the file."""
    end = ("-b", address, "--exit-at-end", "--state-dir", str(file.parent / "state"))
    if side == OUR:
        return [*OURS, "tables", "run", str(file), *end, "--quiet"]
    return [*OURS, "flink", "run", str(file), *end, "--parallelism", str(PARALLELISM)]
