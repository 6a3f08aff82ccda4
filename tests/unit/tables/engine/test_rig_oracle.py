"""Unions of two tables, silence and live closing: the engine's rows are those of the naive evaluation.

What closed in silence is no matter of the log: the evaluation is told what the engine stored of it (the floors, and
how far it had read then), and has to come to the same rows.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.engine.rig import Rig
from clickstream.tables.engine.state.store import State
from clickstream.tables.sql.check import VARIABLES, check
from tests.differential.compare import differences
from tests.differential.oracle import evaluate
from tests.differential.outcome import Expected, final
from tests.differential.relations import Floor
from tests.differential.rows import Record, Topics
from tests.unit.tables.engine.rigs import SETTINGS, WINDOW, row, source, upsert, windows

PARTITIONS = {"a": 2, "b": 1}
IDLE = 4.0
AB = "CREATE VIEW ab AS SELECT ip, n, ts FROM a UNION ALL SELECT ip, n, ts FROM b;\n"


def grouped(target: str, function: str, *sizes: float) -> str:
    call = windows("ab", function, *sizes, partition="ip" if function == "SESSION" else "")
    return upsert(target, f"ip STRING, {WINDOW}, hits BIGINT, total BIGINT", "ip, window_start, window_end") + (
        f"INSERT INTO {target} SELECT ip, window_start, window_end, COUNT(*), SUM(n) FROM {call} "
        "GROUP BY ip, window_start, window_end;\n"
    )


FIRSTS = upsert("firsts", "ip STRING, n INT", "ip") + (
    "INSERT INTO firsts SELECT ip, n FROM (SELECT ip, n, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY ts) AS place "
    "FROM ab) WHERE place = 1;\n"
)
SQL = (
    SETTINGS
    + source("a", "ip STRING, n BIGINT", delay=2)
    + source("b", "ip STRING, n BIGINT", delay=1)
    + AB
    + grouped("tumbled", "TUMBLE", 5)
    + grouped("hopped", "HOP", 2, 6)
    + grouped("sessions", "SESSION", 1.5)
    + FIRSTS.replace("n INT", "n BIGINT")
)


class Floors:
    """What the engine stored of silence, and how far it had read then."""

    def __init__(self) -> None:
        self.found: list[Floor] = []
        self._latest: dict[frozenset[str], int] = {}

    def note(self, state: State) -> None:
        progress = {name: state.progress(name) for name in PARTITIONS}
        read = {
            (name, partition): place
            for name, one in progress.items()
            if one is not None
            for partition, (place, _) in one.lanes.items()
        }
        stored = {frozenset([name]): one.floor for name, one in progress.items() if one is not None}
        stored |= {frozenset(names.split(",")): floor for names, floor in state.floors().items()}
        for tables, floor in stored.items():
            if floor > self._latest.get(tables, BEGINNING):
                self._latest[tables] = floor
                self.found.append(Floor(tables, floor, read))


def play(rig: Rig, draw: Random) -> None:
    """Rows in and out of order, one table ahead of the other, and silence of one table or both."""
    now, number = 0.0, 0
    for _ in range(16):
        for _ in range(draw.randint(0, 6)):
            now += draw.choice((0.05, 0.3, 1.0))
            number += 1
            table = draw.choice("ab")
            second = max(0.0, now - draw.choice((0, 0, 0.5, 1.9, 4, 9)))
            # No two rows have one time: of equal ones the first is a matter of partitions.
            rig.put(
                table,
                draw.randrange(PARTITIONS[table]),
                row(round(second, 1) + number / 10_000, ip=draw.choice("xy"), n=number),
            )
        rig.step(*draw.choice([("a",), ("b",), ("a", "b"), ("a", "b")]))
        if draw.random() < 0.4:
            rig.step()
            rig.silence(draw.choice((2, 5, 9)), *draw.choice([("a",), ("b",), ("a", "b")]))
        if draw.random() < 0.1:
            rig.restart()


def topics_of(rig: Rig) -> Topics:
    return {
        name: [Record(one.partition, one.offset, one.timestamp, one.key, one.value) for one in rig.sent(name)]
        for name in PARTITIONS
    }


def expected(rig: Rig, floors: Floors) -> Expected:
    program = check(SQL, VARIABLES).program
    return evaluate(program, topics_of(rig), floors.found)


def differing(rig: Rig, wanted: Expected) -> Iterator[str]:
    for name, table in wanted.tables.items():
        written = [
            (json.loads(one.key or b"null"), json.loads(one.value) if one.value is not None else None)
            for one in rig.sent(name)
        ]
        if told := differences(table, final(True, written)):
            yield f"{name}: {told}"


@pytest.mark.parametrize(("idle", "seed"), [(0.0, 0), (IDLE, 0), (IDLE, 1), (IDLE, 2)])
def test_a_union_of_two_tables_gives_the_oracle_s_rows_live(tmp_path: Path, idle: float, seed: int) -> None:
    floors = Floors()
    with Rig(SQL, tmp_path, partitions=PARTITIONS, idle_timeout=idle) as rig:
        rig.on_commit = floors.note
        play(rig, Random(seed))
        live = len(rig.sent("tumbled"))
        rig.on_commit = lambda _state: None  # nothing comes after what a run to the end closes
        rig.finish()
        wanted = expected(rig, floors)
        assert not (told := "".join(differing(rig, wanted))), told
    assert live
    assert bool(floors.found) is bool(idle)
    assert all(wanted.late[name] for name in wanted.tables)
