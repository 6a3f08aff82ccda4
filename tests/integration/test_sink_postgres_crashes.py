"""The sink into PostgreSQL on bad days: it is killed, frozen and doubled, and so is the server."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import delete
from clickstream.kafka.log import LogIdentity, identify
from clickstream.sinks.model import Batch, Claim
from clickstream.sinks.postgres import connection
from clickstream.sinks.postgres.target import PostgresTarget
from clickstream.sinks.target import Fenced
from clickstream.topics import Declared, ensure
from tests.integration.postgressupport import Place
from tests.integration.sinksupport import (
    Load,
    a_frozen_first_wakes_up,
    a_reset_fences_who_writes,
    a_second_one_takes_over,
    all_of,
    hits,
    its_server_is_away,
    its_server_is_killed,
    killed_under_load,
    progress,
    running,
)
from tests.integration.smalldisk import filled_up, small_disk
from tests.integration.support import run
from tests.postgres import PostgresServer, directories, server
from tests.postgres import run as run_program
from tests.support import wait_until


@pytest.fixture(scope="module")
def mortal_postgres() -> Iterator[PostgresServer]:
    """A server that tests may kill."""
    with server() as one:
        yield one


@pytest.fixture
def place(kafka: str, mortal_postgres: PostgresServer) -> Place:
    return Place.at(kafka, mortal_postgres.dsn)


def test_killed_under_load_it_loses_and_doubles_nothing(place: Place) -> None:
    killed_under_load(place, 2)


@pytest.mark.slow
def test_killed_twenty_times_under_load_it_loses_and_doubles_nothing(place: Place) -> None:
    killed_under_load(place, 20)


def test_a_server_that_is_killed_and_starts_again(place: Place, mortal_postgres: PostgresServer) -> None:
    its_server_is_killed(place, mortal_postgres, 2)


@pytest.mark.slow
def test_a_server_that_is_killed_twenty_times(place: Place, mortal_postgres: PostgresServer) -> None:
    its_server_is_killed(place, mortal_postgres, 20)


def test_a_server_that_is_away_for_five_seconds(place: Place, mortal_postgres: PostgresServer) -> None:
    its_server_is_away(place, mortal_postgres, 5.0)


@pytest.mark.slow
def test_a_server_that_is_away_for_a_minute(place: Place, mortal_postgres: PostgresServer) -> None:
    its_server_is_away(place, mortal_postgres, 60.0)


def test_a_server_that_is_frozen_is_away_and_loses_and_doubles_nothing(
    place: Place, mortal_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWERS_WITHIN_S", 3.0)
    sink = place.sink(place.source())
    with running(sink) as threads:
        with Load(place) as load:
            progress(place, "rows")
            mortal_postgres.freeze()
            try:
                wait_until(lambda: sink.gauges()["target_away"], timeout=60, what="it finds the server silent")
            finally:
                mortal_postgres.thaw()
            progress(place, "more rows")
        all_of(place, load, "all records", threads)
    place.must_equal(load.live)
    assert sink.totals()["dead_lettered"] == 0


def test_a_stop_while_the_server_is_frozen_ends_in_time(place: Place, mortal_postgres: PostgresServer) -> None:
    with place.started() as part, Load(place) as load:
        progress(place, part.said)
        mortal_postgres.freeze()
        try:
            assert part.stop() == 0
        finally:
            mortal_postgres.thaw()
        assert "was away: what it lacks is read again" in part.said()
    place.finish()
    place.must_equal(load.live)


def test_a_server_that_takes_no_writes_for_a_while(place: Place) -> None:
    place.send(hits(("a", 1)))
    sink = place.sink(place.source())
    with running(sink) as threads:
        wait_until(lambda: place.read() == 1, timeout=60, what="a row")
        place.sql("ALTER SYSTEM SET default_transaction_read_only = on")
        place.sql("SELECT pg_reload_conf()")
        place.send(hits(("b", 2)))
        wait_until(lambda: sink.gauges()["target_away"], timeout=60, what="it finds the server read-only")
        place.sql("ALTER SYSTEM RESET default_transaction_read_only")
        place.sql("SELECT pg_reload_conf()")
        wait_until(lambda: place.read() == 2, timeout=60, what="the other row")
    assert threads.problem is None
    assert (place.rows("id, n"), place.letters()) == ([("a", 1), ("b", 2)], [])


def test_a_disk_that_is_full_for_a_while(place: Place) -> None:
    with directories() as (path,), small_disk(path, "3m"):
        try:
            place.sql(f"CREATE TABLESPACE full_{place.table} LOCATION '{path}'")
            place.sql(f"ALTER SYSTEM SET default_tablespace = 'full_{place.table}'")
            place.sql("SELECT pg_reload_conf()")
            filled_disk(place, path)
        finally:
            place.sql("ALTER SYSTEM RESET default_tablespace")
            place.sql("SELECT pg_reload_conf()")
            place.sql("DROP SCHEMA IF EXISTS {s} CASCADE")
            place.sql(f"DROP TABLESPACE full_{place.table}")


def filled_disk(place: Place, path: Path) -> None:
    place.send(hits(("a", 1)))
    sink = place.sink(place.source("id STRING NOT NULL, n INT, s STRING"))
    with running(sink) as threads:
        wait_until(lambda: place.read() == 1, timeout=60, what="a row")
        with filled_up(path):
            place.send([({"id": f"k{n}"}, {"id": f"k{n}", "n": n, "s": random.Random(n).randbytes(500).hex()})
                        for n in range(200)])  # fmt: skip
            wait_until(lambda: sink.gauges()["target_away"], timeout=60, what="it finds the disk full")
        wait_until(lambda: place.read() == 201, timeout=60, what="all rows")
    assert threads.problem is None
    assert (place.rows("count(*)"), place.letters()) == ([(201,)], [])


def test_a_second_instance_takes_over_and_the_first_names_it(place: Place) -> None:
    a_second_one_takes_over(place)


def test_a_frozen_first_wakes_up_and_is_fenced(place: Place) -> None:
    a_frozen_first_wakes_up(place)


def test_sinks_of_other_topics_or_another_name_leave_each_other_alone(place: Place) -> None:
    a, b, c = (LogIdentity(name, f"id of {name}") for name in "abc")
    place.prepare(place.source())

    def claimed(owner: str, *topics: LogIdentity, name: str = "clickstream") -> tuple[PostgresTarget, Claim]:
        target = place.target(name)
        target.connect()
        target.prepare([place.source()])
        claim = Claim(name, owner, topics)
        return target, replace(claim, epoch=target.claim(claim).epoch)

    first, other, named = claimed("first", a, b), claimed("other", c), claimed("named", a, name="mine")
    for target, _claim in (first, other, named):
        target.write(Batch((), {}))
    newer = claimed("newer", b, c)

    for target, claim in (first, other):
        with pytest.raises(Fenced, match=r"newer has taken over sink clickstream of topic [bc] at"):
            target.write(Batch((), {}))
        with pytest.raises(Fenced, match="newer has taken over"):
            target.claim(claim)
    newer[0].claim(newer[1])
    for target, _claim in (newer, named):
        target.write(Batch((), {("b", 0): 7} if target is newer[0] else {}))
    assert place.sql("SELECT sink, topic, next_offset FROM {s}.clickstream_offsets") == [("clickstream", "b", 7)]
    for target, _claim in (first, other, named, newer):
        target.close()


def test_one_that_stands_still_amid_a_transaction_holds_nobody_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_SESSION", (*connection._SESSION, "SET lock_timeout = '200ms'"))
    place.send(hits(("a", 1)))
    place.fill(place.source())
    stuck = place.target()
    stuck.connect()
    stuck.prepare([place.source()])
    identity = identify(place.cluster, place.topic)
    stuck.claim(Claim("clickstream", "one that stands still", [identity]))
    assert stuck._connection is not None
    assert stuck._claims is not None
    assert stuck._claim is not None
    with stuck._connection.transaction():
        stuck._claims.hold(stuck._connection, stuck._claim, stuck._epoch)
        place.send(hits(("b", 2)))
        place.fill(place.source())
        stuck._connection.close()
    stuck.connect()
    stuck.prepare([place.source()])
    with pytest.raises(Fenced, match="has taken over"):
        stuck.write(Batch((), {}))
    stuck.close()
    assert place.rows("id, n") == [("a", 1), ("b", 2)]


def test_a_recreated_topic_is_refused_until_a_reset(place: Place) -> None:
    place.send(hits(("a", 1), ("b", 2)))
    place.fill(place.source())
    place.sql("INSERT INTO {t} (id, n) VALUES ('by hand', 1)")
    delete(place.cluster, {place.topic})
    wait_until(lambda: ensure(place.cluster, [Declared(place.topic, partitions=3)]), 60, "the topic again")
    place.send(hits(("c", 3)))
    with pytest.raises(ClickstreamError, match=f"Topic {place.topic} was recreated"):
        place.fill(place.source())

    done = run(*place.command("--exit-at-end", "--reset", "--yes"), CLICKSTREAM_SINK_POSTGRES=place.dsn)

    assert done.code == 0, done.said
    assert place.rows("id, n") == [("by hand", 1), ("c", 3)]


def test_a_reset_fences_whoever_still_writes(place: Place) -> None:
    a_reset_fences_who_writes(place)


@pytest.mark.slow
def test_a_standby_that_is_promoted_under_load(kafka: str) -> None:
    with directories() as (path,), server() as primary:
        place = Place.at(kafka, primary.dsn)
        standby = PostgresServer(path / "data")
        run_program(
            "pg_basebackup", "-d", primary.dsn, "-D", str(standby.directory), "-R", "-X", "stream", "-c", "fast"
        )
        standby.start()
        try:
            dsn = f"host=127.0.0.1,127.0.0.1 port={primary.port},{standby.port} user=postgres dbname=postgres"
            both = replace(place, address=dsn)
            sink = both.sink(both.source())
            with running(sink) as threads:
                with Load(both) as load:
                    wait_until(lambda: place.read() > 1_000, timeout=60, what="rows")
                    primary.kill()
                    standby.execute("SELECT pg_promote()")
                    there = replace(place, address=standby.dsn)
                    before = there.read()
                    wait_until(lambda: there.read() > before + 1_000, timeout=120, what="rows in the standby")
                wait_until(lambda: there.read() == load.sent or threads.problem, timeout=120, what="all records")
            assert threads.problem is None
            there.must_equal(load.live)
        finally:
            standby.kill()


def test_a_password_is_seen_nowhere(place: Place) -> None:
    done = run(*place.command("--exit-at-end", "-v"), CLICKSTREAM_SINK_POSTGRES=f"{place.dsn} password=topsecret")

    assert done.code == 0, done.said
    assert "topsecret" not in done.said
    assert "topsecret" not in json.dumps(place.sql("SELECT * FROM {s}.clickstream_sinks"), default=str)
