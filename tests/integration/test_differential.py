"""The same files on the same topics: our engine, Apache Flink, and a naive evaluation give the same rows.

`tests/differential` has the topics' records, the files, and the evaluation ("the oracle"); engine and Flink are each
compared with it. Whatever cannot be compared is named, with its reason, in `tests/differential/files.py`.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from clickstream.kafka.clients import Cluster
from clickstream.tables.engine import timetable
from clickstream.tables.engine.engine import Engine
from clickstream.tables.engine.options import EngineOptions
from clickstream.tables.engine.sources import source as sources
from clickstream.tables.engine.state.statements import statements_of
from clickstream.tables.sql.check import Checked
from tests.differential import shipped
from tests.differential.compare import differences
from tests.differential.data import VARIANTS, Variant, topics
from tests.differential.files import FILES, SHIPPED, compiled, prepared, same_on_flink
from tests.differential.kafka import make_topics, read, write
from tests.differential.oracle import evaluate
from tests.differential.outcome import Expected
from tests.differential.rows import Topics
from tests.integration.flinksupport import need_flink, to_the_end
from tests.support import PATIENCE

# All records at once.
WHOLE = ("formats", "windows", "sums", "groups", "clickstream")
# What remembers rows from batch to batch, on partitions that are disordered, late, or both.
LATE_APART = ("windows", "groups", "ranks", "joins", "unions", "clickstream")
IN_BATCHES: list[Any] = [("late-apart", name) for name in LATE_APART]
IN_BATCHES += [pytest.param("late", name, marks=pytest.mark.slow) for name in LATE_APART]
IN_BATCHES += [("late", "aggregates")]
# Where some rows are late, all others are disordered.
IN_BATCHES += [
    pytest.param("disordered", name, marks=pytest.mark.slow if name in LATE_APART else ())
    for name in FILES
    if name != "formats"
]
# A job costs seconds there: partitions and disorder with everything, lateness where it matters.
LATE_ON_FLINK = ("windows", "ranks", "clickstream")
ON_FLINK = [("disordered", name) for name in FILES if name not in ("sums", *LATE_ON_FLINK)]
# With several partitions the order in which Flink adds is that in which they happen to come.
ON_FLINK += [("ordered", "sums")]
ON_FLINK += [("late", name) for name in LATE_ON_FLINK]
SLOW_ON_FLINK = [("disordered", name) for name in LATE_ON_FLINK]


@dataclass
class Case:
    """A file that read the topics of a variant; its results are in topics of their own."""

    checked: Checked
    expected: Expected
    variant: Variant


@dataclass(eq=False)
class Bench:
    """The variants' topics in Kafka, each written once, and what files have to make of them."""

    cluster: Cluster
    run: str

    @cache  # noqa: B019 - lives as long as the module's tests
    def topics(self, variant: str) -> Topics:
        made = {f"{name}-{self._source(variant)}": records for name, records in topics(VARIANTS[variant]).items()}
        make_topics(self.cluster, made, VARIANTS[variant].partitions)
        write(self.cluster, made)
        return made

    def _source(self, variant: str) -> str:
        return f"{variant}-{self.run}"

    def text(self, variant: str, name: str, who: str) -> str:
        """The file as `who` runs it: everyone reads the same topics and writes others."""
        return prepared(name, self._source(variant), f"{self._source(variant)}-{who}")

    def case(self, variant: str, name: str, who: str) -> Case:
        """What is expected in the topics that `who` writes, which are there and empty."""
        checked = compiled(self.text(variant, name, who), self.cluster.address)
        make_topics(self.cluster, [insert.target.topic for insert in checked.program.inserts], 1)
        return Case(checked, self._expected(variant, name), VARIANTS[variant])

    @cache  # noqa: B019 - as above
    def _expected(self, variant: str, name: str) -> Expected:
        if name in SHIPPED:
            return shipped.expected(name, self.topics(variant), f"-{self._source(variant)}")
        program = compiled(self.text(variant, name, "oracle"), self.cluster.address).program
        return evaluate(program, self.topics(variant))

    def compare(self, case: Case, comparable: Callable[..., bool] = lambda _insert, _variant: True) -> str:
        """What differs, table by table; nothing when all is as expected."""
        found = {}
        for insert in case.checked.program.inserts:
            if comparable(insert, case.variant):
                expected = case.expected.tables[insert.target.name]
                found[insert.target.name] = differences(expected, read(self.cluster, insert.target))
        assert found
        return "".join(f"{table}: {difference}" for table, difference in found.items() if difference)


@pytest.fixture(scope="module")
def bench(kafka: str) -> Bench:
    return Bench(Cluster(kafka), uuid.uuid4().hex[:8])


# --- our engine


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several transactions for a topic of some hundred records: state that is kept, windows that close between."""
    monkeypatch.setattr(sources, "BATCH_RECORDS", 150)
    monkeypatch.setattr(timetable, "COMMIT_EVERY_S_BOUNDED", 0.0)
    monkeypatch.setattr(timetable, "CLOSE_EVERY_S_BOUNDED", 0.0)


def computed(bench: Bench, case: Case, directory: Path, *, changes: bool = False) -> Engine:
    """The engine after it ran the case's file to the end."""
    options = EngineOptions(
        name="differential",
        state_dir=directory,
        group=f"differential-{uuid.uuid4().hex}",
        dead_letter_topic=f"differential-dead-{bench.run}",
        changes=changes,
        early_interval=0.0,
        idle_timeout=0.0,
        exit_at_end=True,
    )
    made = Engine(bench.cluster, case.checked.program, statements_of(case.checked), options)
    made.run(Event())
    return made


@pytest.mark.parametrize("name", WHOLE)
def test_the_engine_gives_the_oracle_s_rows(bench: Bench, name: str, tmp_path: Path) -> None:
    case = bench.case("ordered", name, "engine")

    computed(bench, case, tmp_path)

    assert not (told := bench.compare(case)), told


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(("variant", "name"), IN_BATCHES)
def test_the_engine_gives_the_oracle_s_rows_batch_by_batch(
    bench: Bench, variant: str, name: str, tmp_path: Path
) -> None:
    case = bench.case(variant, name, "batches")

    computed(bench, case, tmp_path)

    assert not (told := bench.compare(case)), told


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("name", ["windows", "groups", "clickstream"])
def test_early_rows_give_way_to_the_oracle_s_rows(bench: Bench, name: str, tmp_path: Path) -> None:
    case = bench.case("late", name, "early")

    computed(bench, case, tmp_path, changes=True)

    assert not (told := bench.compare(case)), told


@pytest.mark.usefixtures("small_batches")
def test_what_is_late_in_sessions_of_several_partitions_is_told(bench: Bench, tmp_path: Path) -> None:
    case = bench.case("late-apart", "windows", "sessions")

    made = computed(bench, case, tmp_path)

    expected = {name: len(rows) for name, rows in case.expected.late.items() if name.startswith("sessions")}
    assert all(expected.values())
    assert {result.name: result.late for result in made.results() if result.name in expected} == expected
    assert sum(source.dead_letters for source in made.sources()) == len(case.expected.dead)


# --- Flink


@pytest.fixture(scope="module")
def on_flink(
    request: pytest.FixtureRequest, bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Case]:
    """Every case that Flink runs, in one JVM, one after the other."""
    need_flink()
    directory = tmp_path_factory.mktemp("flink")
    cases, paths = {}, []
    for variant, name in ON_FLINK + (SLOW_ON_FLINK if request.config.getoption("--slow") else []):
        cases[variant, name] = bench.case(variant, name, "flink")
        paths.append(directory / f"{variant}-{name}.sql")
        paths[-1].write_text(bench.text(variant, name, "flink"), "utf-8")
    done = to_the_end(bench.cluster.address, *paths, timeout=500)
    assert done.code == 0, done.said
    return cases


@pytest.mark.timeout(600 * PATIENCE)  # of the first one, which waits for all jobs
@pytest.mark.parametrize(
    ("variant", "name"), [*ON_FLINK, *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW_ON_FLINK)]
)
def test_flink_gives_the_oracle_s_rows(
    bench: Bench, on_flink: dict[tuple[str, str], Case], variant: str, name: str
) -> None:
    assert not (told := bench.compare(on_flink[variant, name], same_on_flink)), told
