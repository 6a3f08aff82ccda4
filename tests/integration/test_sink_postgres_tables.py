"""The tables of the sink into PostgreSQL, on a real server: their shape, and who else writes to them."""

import random
import re
from dataclasses import replace
from functools import partial

import psycopg
import pytest

from clickstream.errors import ClickstreamError
from clickstream.parts.threads import Threads
from clickstream.sinks.inputs import plain
from clickstream.sinks.postgres import connection
from clickstream.sinks.postgres.connection import Address
from clickstream.sinks.postgres.plan import plan
from clickstream.sinks.postgres.target import PostgresOptions
from clickstream.topics import Declared, ensure
from tests.integration.postgressupport import Place
from tests.integration.sinksupport import HITS, hits, running
from tests.integration.support import run
from tests.support import wait_until


@pytest.fixture
def place(kafka: str, postgres: str) -> Place:
    return Place.at(kafka, postgres)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("ALTER TABLE {t} ALTER n TYPE smallint", "column n is smallint, and INT needs integer"),
        ("ALTER TABLE {t} ALTER id TYPE varchar(20)", "column id is character varying.20., and STRING needs text"),
        ("ALTER TABLE {t} DROP n", "lacks n integer: with --evolve add"),
        ("ALTER TABLE {t} DROP CONSTRAINT {table}_pkey", r"has no primary key \(id\)"),
        ("ALTER TABLE {t} ADD m integer NOT NULL", "column m is NOT NULL and has no default"),
        ("DROP TABLE {t}; CREATE VIEW {t} AS SELECT 1", "exists, and is no table"),
    ],
)
def test_a_table_of_another_shape_stops_it_with_words(place: Place, change: str, words: str) -> None:
    place.prepare(place.source())
    place.sql(change.replace("{table}", place.table))

    with pytest.raises(ClickstreamError, match=words):
        place.prepare(place.source())


def test_columns_that_come_later_are_added_when_that_is_wanted(place: Place) -> None:
    wider = place.source(f"{HITS}, more DOUBLE")
    place.send(hits(("a", 1)))
    place.fill(place.source())
    place.send([({"id": "b"}, {"id": "b", "n": 2, "more": 0.5})])
    with pytest.raises(ClickstreamError, match="lacks more double precision: with --evolve add"):
        place.fill(wider)

    place.fill(wider, place.target(evolve="add"))
    place.send(hits(("c", 3)))
    place.fill(place.source())  # an older version again: it leaves what it does not know

    assert place.rows("id, n, more") == [("a", 1, None), ("b", 2, 0.5), ("c", 3, None)]


def test_a_reader_that_holds_the_table_delays_a_new_column(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_SESSION", (*connection._SESSION, "SET lock_timeout = '100ms'"))
    place.send(hits(("a", 1)))
    place.fill(place.source())
    sink = place.sink(place.source(f"{HITS}, more DOUBLE"), place.target(evolve="add"), exit_at_end=True)
    with psycopg.connect(place.dsn) as reader:
        reader.execute(f"SELECT * FROM {place.schema}.{place.table}")
        with running(sink) as threads:
            wait_until(lambda: sink._said_away_at > 0, timeout=60, what="it waits for the reader")
            reader.rollback()
            wait_until(lambda: not sink.gauges()["target_away"], timeout=60, what="it goes on")
    assert threads.problem is None
    assert place.rows("id, n, more") == [("a", 1, None)]


def test_sinks_that_make_and_change_tables_at_once(place: Place) -> None:
    for columns in (HITS, f"{HITS}, more DOUBLE"):
        threads = Threads()
        for name in ("one", "other", "third"):
            threads.start(partial(place.prepare, place.source(columns), name=name, evolve="add"))
        threads.join()
    assert place.rows("id, n, more") == []


def test_two_sinks_on_one_table_with_crossing_keys(place: Place) -> None:
    chance = random.Random(3)
    sent = [(f"k{chance.randrange(300)}", None if chance.random() < 0.3 else n) for n in range(6_000)]
    place.send(hits(*sent))
    sinks = [
        place.sink(place.source(), name=name, exit_at_end=True, batch_rows=size)
        for name, size in (("one", 700), ("other", 450))
    ]
    with running(sinks[0]) as one, running(sinks[1]) as other:
        one.wait()
        other.wait()
    assert (one.problem, other.problem) == (None, None)
    # What each wrote last of a key is its last record.
    assert dict(place.rows("id, n")) == {key: n for key, n in dict(sent).items() if n is not None}


def test_of_two_topics_with_one_table_the_second_is_refused_with_words(place: Place) -> None:
    dashed, dotted = (replace(place, topic=f"{place.topic}{sign}eu") for sign in "-.")
    ensure(place.cluster, [Declared(one.topic, partitions=1) for one in (dashed, dotted)])
    for one in (dashed, dotted):
        one.send([(b"k", one.topic.encode())], partition=0)
    options = PostgresOptions(schema=place.schema)
    place.fill(plain(dashed.topic))

    words = f"Table {place.topic}_eu has the rows of topic {dashed.topic}, and this is {dotted.topic}: "
    with pytest.raises(ClickstreamError, match=words):
        place.fill(plain(dotted.topic))
    [problem] = plan(Address(place.dsn), place.cluster, [plain(dotted.topic)], "clickstream", options).problems
    reset = run(
        *("sink", "postgres", dotted.topic, "-b", place.cluster.address, "--schema", place.schema, "--reset", "--yes"),
        CLICKSTREAM_SINK_POSTGRES=place.dsn,
    )

    assert problem.startswith(words)
    assert (reset.code, words in reset.said) == (1, True)
    assert place.sql(f'SELECT value FROM {{s}}."{place.topic}_eu"') == [(dashed.topic,)]


def test_a_table_without_a_mark_is_used_and_a_users_comment_stays(place: Place) -> None:
    place.prepare(place.source())
    for comment in ("NULL", "'what our shop sells'"):
        place.sql(f"COMMENT ON TABLE {{t}} IS {comment}")
        place.send(hits((comment, 1)))
        place.fill(place.source())
    assert place.rows("count(*)") == [(2,)]
    assert place.sql("SELECT obj_description('{t}'::regclass, 'pg_class')") == [("what our shop sells",)]


def test_rows_that_another_sink_has_written_too_are_not_reset(place: Place) -> None:
    place.send(hits(("a", 1)))
    for name in ("one", "o'ther"):
        place.fill(place.source(), name=name)
    target = place.target("one")
    target.connect()
    target.prepare([place.source()])

    with pytest.raises(ClickstreamError, match=f"sink o'ther has written topic {place.topic}, too") as refused:
        target.forget([place.source()], "one")
    assert place.rows("id, n") == [("a", 1)]

    place.sql(re.search("DELETE FROM .*;", str(refused.value))[0])  # type: ignore[index]
    target.forget([place.source()], "one")
    target.close()
    assert place.rows("id, n") == []
