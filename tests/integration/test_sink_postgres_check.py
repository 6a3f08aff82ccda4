"""`sink plan` and `sink check` for PostgreSQL, on a real server."""

from dataclasses import replace

import pytest

from clickstream.sinks.backlog import Backlog
from clickstream.sinks.postgres.connection import Address
from clickstream.sinks.postgres.plan import Plan, plan
from clickstream.sinks.postgres.target import PostgresOptions
from tests.integration.postgressupport import Place, check_of
from tests.integration.sinksupport import HITS, hits
from tests.integration.support import run


@pytest.fixture
def place(kafka: str, postgres: str) -> Place:
    return Place.at(kafka, postgres)


def test_a_plan_says_what_would_be_done_and_does_nothing(place: Place) -> None:
    place.send(hits(("a", 1), ("b", 2)))
    options = PostgresOptions(schema=place.schema)

    def planned(columns: str = HITS, options: PostgresOptions = options) -> Plan:
        return plan(Address(place.dsn), place.cluster, [place.source(columns)], "clickstream", options)

    before = planned()
    assert before.problems == []
    assert [line.split(" (")[0] for line in before.statements] == [
        f'CREATE SCHEMA "{place.schema}"',
        f'CREATE TABLE "{place.schema}"."clickstream_sinks"',
        f'CREATE TABLE "{place.schema}"."clickstream_offsets"',
        f'CREATE TABLE "{place.schema}"."{place.table}"',
        f'COMMENT ON TABLE "{place.schema}"."{place.table}" IS \'clickstream topic {place.topic}\'',
    ]
    assert (before.inputs[0].exists, before.inputs[0].backlog) == (False, Backlog(2, started=False))
    assert place.sql("SELECT count(*) FROM pg_namespace WHERE nspname = '" + place.schema + "'") == [(0,)]

    place.fill(place.source())
    place.send(hits(("c", 3)))
    after = planned(f"{HITS}, more DATE", replace(options, evolve="add"))
    assert list(after.statements) == [
        f'ALTER TABLE "{place.schema}"."{place.table}" ADD COLUMN IF NOT EXISTS "more" date'
    ]
    assert (after.inputs[0].exists, after.inputs[0].backlog) == (True, Backlog(1, started=True))
    assert planned(f"{HITS}, more DATE").problems == [
        f"Table {place.table} lacks more date: with --evolve add the sink adds what is missing."
    ]


def test_a_check_finds_what_was_changed_by_hand_and_repairs_only_that(place: Place) -> None:
    place.send(hits(*((f"k{number:04}", number) for number in range(2_000)), ("gone", 1), ("gone", None)))
    place.fill(place.source())
    assert check_of(place, place.source()).differs == 0
    place.sql("DELETE FROM {t} WHERE id IN ('k0001', 'k0002', 'k0003')")
    place.sql("UPDATE {t} SET n = -1 WHERE id IN ('k1000', 'k1001')")
    place.sql("INSERT INTO {t} (id, n) VALUES ('by hand', 1)")
    place.sql("CREATE TABLE {s}.before AS SELECT xmin::text AS was, id FROM {t}")
    place.send(hits(("k0004", -4), ("k1999", None)))  # not written yet

    found = check_of(place, place.source())
    assert (found.missing, found.changed, found.foreign, found.later) == (3, 2, 1, 2)
    assert sorted(found.examples) == [
        ('("by hand")', "foreign"),
        *[(f"(k000{number})", "missing") for number in (1, 2, 3)],
        *[(f"(k100{number})", "changed") for number in (0, 1)],
    ]

    assert check_of(place, place.source(), repair=True).repaired == 6
    touched = (
        "SELECT id FROM {t} t WHERE NOT EXISTS (SELECT 1 FROM {s}.before b WHERE b.was = t.xmin::text AND b.id = t.id)"
    )
    assert sorted(place.sql(touched)) == [("k0001",), ("k0002",), ("k0003",), ("k1000",), ("k1001",)]
    assert check_of(place, place.source()).differs == 0
    place.fill(place.source())
    assert place.rows("count(*), sum(n)") == [(1_999, sum(range(1_999)) - 8)]
    assert check_of(place, place.source()).differs == 0


def test_the_commands_print_it_and_their_exit_codes_tell(place: Place) -> None:
    place.send(hits(("a", 1), ("b", 2)))
    given = [place.topic, "-b", place.cluster.address, "--columns", HITS, "--key", "id", "--schema", place.schema]

    planned = run("sink", "plan", "postgres", *given, "--schema", "pg_nothing", CLICKSTREAM_SINK_POSTGRES=place.dsn)
    place.fill(place.source())
    place.sql("UPDATE {t} SET n = 3 WHERE id = 'a'")
    checked = run("sink", "check", "postgres", *given, CLICKSTREAM_SINK_POSTGRES=place.dsn)

    assert planned.code == 0, planned.said
    assert f"topic {place.topic} -> table {place.table}, which is made: a row for each id" in planned.printed
    assert "at most 2 records to read" in planned.printed
    assert 'CREATE SCHEMA "pg_nothing";' in planned.printed
    assert checked.code == 1
    assert checked.printed.splitlines() == [
        f"{place.table}: 1 rows differ from topic {place.topic}: 0 missing, 1 changed, 0 that the topic does not have. "
        "2 rows, 2 expected.",
        "  changed: (a)",
    ]
