"""The sink into PostgreSQL, on a real server: what is in the tables is what is in the topics."""

import math
import random
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from clickstream.errors import ClickstreamError
from clickstream.inspect import letters
from clickstream.parts.threads import Threads
from clickstream.sinks.backlog import Backlog
from clickstream.sinks.inputs import plain
from clickstream.sinks.postgres import connection
from clickstream.sinks.postgres.connection import Address
from clickstream.sinks.postgres.plan import Plan, plan
from clickstream.sinks.postgres.rows import NUL, SURROGATE, YEAR
from clickstream.sinks.postgres.target import PostgresOptions
from clickstream.sinks.reading import NO_TEXT
from clickstream.sinks.sink import Sink
from clickstream.tables.engine.decoding.coerce import HALF
from clickstream.topics import Declared, ensure
from tests.integration.postgressupport import Place, check_of
from tests.integration.sinksupport import HITS, hits, running
from tests.integration.support import run
from tests.postgres import execute, given_or_own
from tests.support import free_port, wait_until


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The DSN of a real PostgreSQL."""
    with given_or_own() as dsn:
        yield dsn


@pytest.fixture
def place(kafka: str, postgres: str) -> Place:
    return Place.at(kafka, postgres)


# --- rows


def test_rows_replace_and_delete_each_other_and_the_next_start_goes_on(place: Place) -> None:
    place.send(hits(("a", 1), ("b", 2), ("c", 3), ("b", None), ("a", 4)))
    sink = place.fill(place.source())
    assert place.rows("id, n") == [("a", 4), ("c", 3)]
    assert (sink.totals()["upserted"], sink.totals()["deleted"]) == (4, 1)

    place.send(hits(("b", 5), ("c", None)))
    sink = place.fill(place.source())

    assert place.rows("id, n") == [("a", 4), ("b", 5)]
    assert sink.totals()["written"] == 2
    kinds = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = '{}' ORDER BY 1"
    assert dict(execute(place.dsn, kinds.format(place.table))) == {
        "_offset": "bigint",
        "_partition": "integer",
        "id": "text",
        "n": "integer",
    }


def test_ten_thousand_records_over_a_hundred_keys_in_few_batches(place: Place) -> None:
    chance = random.Random(5)
    sent = [(f"k{chance.randrange(100)}", None if chance.random() < 0.2 else number) for number in range(10_000)]
    place.send(hits(*sent))

    sink = place.fill(place.source())

    live = dict(sent)
    assert dict(place.rows("id, n")) == {key: n for key, n in live.items() if n is not None}
    assert sink.totals()["written"] == 10_000


def test_a_key_that_comes_goes_and_comes_again(place: Place) -> None:
    place.send(hits(("one batch", 1), ("one batch", None), ("one batch", 2)))
    for records_ in (("three", 1), ("three", None), ("three", 3)):
        place.send(hits(records_))
        place.fill(place.source())
    place.send([(None, None), (None, {"id": "x", "n": 1}), (b"no json", None)])

    sink = place.fill(place.source())

    assert place.rows("id, n") == [("one batch", 2), ("three", 3)]
    assert sink.totals()["dead_lettered"] == 3
    assert len(place.letters()) == 3


def test_streams_are_appended_with_where_they_come_from(place: Place) -> None:
    place.send([(b"k", {"id": "a", "n": 1}), (b"k", {"id": "a", "n": 1})], partition=2)
    place.fill(place.source(key=None))
    place.fill(place.source(key=None))

    assert place.rows('id, n, "_partition", "_offset"', "4") == [("a", 1, 2, 0), ("a", 1, 2, 1)]


def test_a_topic_of_which_nothing_is_known(place: Place) -> None:
    place.send(
        [(b"k", b"text"), (b"k", None), (b"\xff", b"x"), (None, b"x\0y"), (b"k", b"\xff")], partition=0, timestamp=-1001
    )

    sink = place.fill(plain(place.topic))

    assert place.rows('key, value, "timestamp"::text', '"_offset"') == [
        ("k", "text", "1969-12-31 23:59:58.999+00"),
        ("k", None, "1969-12-31 23:59:58.999+00"),
        ("/w==", "x", "1969-12-31 23:59:58.999+00"),
        (None, "x\ufffdy", "1969-12-31 23:59:58.999+00"),
    ]
    assert sink.changed_values() == {("value", NUL): 1, (f"{place.topic}.key", NO_TEXT): 1}
    assert sink.totals()["dead_lettered"] == 1


def test_values_as_jsonb(place: Place) -> None:
    odd = b'{"a": "x\\u0000y \\ud800 \\ud83d\\ude00 \\\\u0000", "b": {"n\\u0000": 1}}'
    values = [odd, b"no json", b"1e400000", b'{"n": NaN}', b"[1.10]"]
    place.send([(b"k", value) for value in values], partition=0)

    sink = place.fill(plain(place.topic), place.target(jsonb=True))

    assert place.rows("value", '"_offset"') == [
        ({"a": "x\ufffdy \ufffd \U0001f600 \\u0000", "b": {"n\ufffd": 1}},),
        ([1.1],),
    ]
    assert dict(sink.written.cleaned) == {("value", NUL): 1, ("value", SURROGATE): 1}
    assert sorted((one.kind, one.value) for one in place.letters()) == [
        ("22003", b"1e400000"),
        ("22P02", b"no json"),
        ("22P02", b'{"n": NaN}'),
    ]
    assert "column value" in place.letters()[0].reason


@pytest.fixture(params=["UTC", "America/New_York"])
def zone(request: pytest.FixtureRequest) -> Iterator[None]:
    """The machine and its PostgreSQL sessions are elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        patch.setenv("PGTZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_every_value_is_what_it_was(place: Place) -> None:
    columns = "id STRING NOT NULL, i INT, b BIGINT, d DOUBLE, o BOOLEAN, t TIMESTAMP(3), z TIMESTAMP_LTZ(3), y DATE"
    odd = {
        "low": (-(2**31), -(2**63), -1.7976931348623157e308, False, "1969-12-31 23:59:59.999", "1969-12-31"),
        "high": (2**31 - 1, 2**63 - 1, 5e-324, True, "9999-12-31 23:59:59.999", "9999-12-31"),
        "gap": (0, 0, 0.1 + 0.2, True, "2024-03-10 02:30:00.000", "2024-03-10"),  # an hour that New York lacks
        "first": (1, 1, -0.0, True, "0001-01-01 00:00:00.000", "0001-01-01"),
        "nulls": (None,) * 6,
    }
    sent: list[tuple[Any, Any]] = [
        ({"id": key}, {"id": key, "i": i, "b": b, "d": d, "o": o, "t": t, "z": t and f"{t}Z", "y": y})
        for key, (i, b, d, o, t, y) in odd.items()
    ]
    sent += [
        ({"id": "nan"}, b'{"id":"nan","d":"NaN","i":2147483648}'),
        ({"id": "inf"}, b'{"id":"inf","d":"-Infinity","b":9223372036854775808}'),
        ({"id": "big"}, b'{"id":"big","d":1e999,"t":"+10000-01-01 00:00:00.000","y":"+10000-01-01"}'),
        ({"id": "bc"}, b'{"id":"bc","z":"-0001-01-01 00:00:00.000Z","y":"-0001-01-01"}'),
    ]
    place.send(sent)

    sink = place.fill(place.source(columns))

    shown = {row[0]: row[1:] for row in place.rows("id, i, b, d, o, t::text, z::text, y::text")}
    for key, (i, b, d, o, t, y) in odd.items():
        text = t and t.rstrip("0").rstrip(".") + "+00"
        assert shown[key] == (i, b, d, o, text, text, y), key
    assert math.copysign(1.0, shown["first"][2]) == -1.0
    assert math.isnan(shown["nan"][2])
    assert (shown["inf"][2], shown["big"][2]) == (-math.inf, math.inf)
    assert shown["big"][4] is None
    assert dict(sink.written.cleaned) == {("t", YEAR): 1, ("z", YEAR): 1, ("y", YEAR): 2}
    assert dict(sink.nulled) == {(place.topic, "i"): 1, (place.topic, "b"): 1}


def test_texts_that_no_table_takes_as_they_are(place: Place) -> None:
    texts = {
        "nul": b'"a\\u0000b"',
        "half": b'"\\ud800"',
        "quotes": b'"\\"\\"\\r\\n\\\\.\\n,\\t\\\\N"',
        "empty": b'""',
        "end": b'"\\\\."',
        "emoji": b'"\\ud83d\\ude00"',
        "long": b'"' + b"x" * 900_000 + b'"',
    }
    place.send([({"id": key}, b'{"id":"%s","s":%s}' % (key.encode(), text)) for key, text in texts.items()])
    place.send([({"id": "n\0ul"}, {"id": "n\0ul", "s": "key"})])

    sink = place.fill(place.source("id STRING NOT NULL, s STRING"), keep_originals=True)

    assert dict(place.rows("id, s")) == {
        "nul": "a\ufffdb",
        "half": "?",
        "quotes": '""\r\n\\.\n,\t\\N',
        "empty": "",
        "end": "\\.",
        "emoji": "\U0001f600",
        "long": "x" * 900_000,
        "n\ufffdul": "key",
    }
    assert dict(sink.written.cleaned) == {("s", NUL): 1, ("id", NUL): 1}
    assert dict(sink.changed) == {(f"{place.topic}.s", HALF): 1}
    assert sorted((one.key, one.kind, one.reason.rpartition("changes: ")[2]) for one in place.letters()) == [
        (b'{"id":"half"}', "changed", f"column s: {HALF}"),
        (b'{"id":"n\\u0000ul"}', "changed", f"column id: {NUL}"),
        (b'{"id":"nul"}', "changed", f"column s: {NUL}"),
    ]
    assert sink.totals()["dead_lettered"] == 0


def test_a_key_that_no_index_takes_is_a_dead_letter(place: Place) -> None:
    text = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4_000))
    place.send(hits(("a", 1), (text, 2), ("b", 3), ("x" * 2_000, 4)))

    place.fill(place.source())

    assert [n for (n,) in place.rows("n", "n")] == [1, 3, 4]
    [letter] = place.letters()
    assert (letter.kind, "column id: the key has 4,000 bytes" in letter.reason) == ("54000", True)


def test_odd_names(place: Place) -> None:
    columns = '`id` STRING NOT NULL, `user` INT, `Order` INT, `order` INT, `a"b` INT, `ü` INT, `%s` INT, `{x}` INT'
    place.send([({"id": "a"}, {"id": "a", "user": 1, "Order": 2, "order": 3, 'a"b': 4, "ü": 5, "%s": 6, "{x}": 7})])

    place.fill(place.source(columns))

    assert place.rows()[0][:8] == ("a", 1, 2, 3, 4, 5, 6, 7)
    assert check_of(place, place.source(columns)).differs == 0


def test_early_rows_say_that_they_are(place: Place) -> None:
    place.send(hits(("a", 1), ("b", 1)), headers=[("final", b"0")])
    place.fill(place.source(), early=True)
    assert place.rows("id, n, is_final") == [("a", 1, False), ("b", 1, False)]

    place.send(hits(("a", 2)))
    place.fill(place.source(), early=True)
    assert place.rows("id, n, is_final") == [("a", 2, True), ("b", 1, False)]


# --- what the server refuses


def test_of_ten_thousand_rows_the_one_that_is_refused_is_set_aside(place: Place) -> None:
    place.fill(place.source())  # makes the table
    place.sql("ALTER TABLE {t} ADD CONSTRAINT not_this CHECK (n <> 6789)")
    place.send(hits(*((f"k{number}", number) for number in range(10_000))))

    sink = place.fill(place.source(), batch_rows=10_000)

    assert place.rows("count(*), count(DISTINCT n)") == [(9_999, 9_999)]
    assert (sink.totals()["written"], sink.totals()["dead_lettered"]) == (9_999, 1)
    [letter] = place.letters()
    assert (letter.kind, letter.part) == ("23514", "sink-postgres")
    assert "not_this" in letter.reason


def test_a_right_that_is_missing_or_revoked_stops_it_with_words(place: Place) -> None:
    role = f"r_{place.table}"
    place.sql(f"CREATE ROLE {role} LOGIN")
    place.sql("CREATE SCHEMA {s}")
    place.sql(f"GRANT USAGE ON SCHEMA {{s}} TO {role}")
    theirs = replace(place, address=conninfo.make_conninfo(place.dsn, user=role))
    with pytest.raises(ClickstreamError, match=rf"GRANT CREATE ON SCHEMA {place.schema} TO {role};"):
        theirs.prepare(place.source())

    place.sql(f"GRANT CREATE ON SCHEMA {{s}} TO {role}")
    theirs.prepare(place.source())
    place.sql(f"ALTER TABLE {{t}} OWNER TO postgres; GRANT SELECT, INSERT ON {{t}} TO {role}")
    with pytest.raises(ClickstreamError, match=rf"GRANT UPDATE, DELETE ON {place.schema}.{place.table} TO {role};"):
        theirs.prepare(place.source())


@pytest.mark.parametrize(
    ("change", "words"),
    [("ALTER TABLE {t} DROP n", r"42703.*\bn\b"), ("REVOKE INSERT ON {t} FROM {role}", "GRANT INSERT|42501")],
)
def test_a_table_that_is_changed_while_it_runs_stops_it_and_no_row_is_to_blame(
    place: Place, change: str, words: str
) -> None:
    role = f"r_{place.table}"
    place.sql(f"CREATE ROLE {role} LOGIN; CREATE SCHEMA {{s}} AUTHORIZATION {role}")
    theirs = replace(place, address=conninfo.make_conninfo(place.dsn, user=role))
    place.send(hits(("a", 1)))
    with running(theirs.sink(place.source())) as threads:
        wait_until(lambda: place.read() == 1 or threads.problem, 60, "a row")
        place.sql(change.replace("{role}", role))
        place.send(hits(("b", 2)))
        wait_until(lambda: threads.problem is not None, 60, "it stops")
    assert isinstance(threads.problem, ClickstreamError)
    assert re.search(words, str(threads.problem))
    assert place.letters() == []


def test_a_letter_that_is_sent_again_after_the_table_is_repaired_is_written(place: Place) -> None:
    place.fill(place.source())
    place.sql("ALTER TABLE {t} ADD CONSTRAINT not_this CHECK (n <> 2)")
    place.send(hits(("a", 1), ("b", 2), ("c", 3)))
    place.fill(place.source())
    assert place.numbers() == {"a": 1, "c": 3}
    place.sql("ALTER TABLE {t} DROP CONSTRAINT not_this")

    assert letters.retry(place.cluster, f"{place.topic}-dead", 0, 0, threading.Event()) == place.topic
    place.fill(place.source())

    assert place.numbers() == {"a": 1, "b": 2, "c": 3}
    assert check_of(place, place.source()).differs == 0


def test_of_several_hosts_the_one_that_takes_writes_is_found(place: Place) -> None:
    given = conninfo.conninfo_to_dict(place.dsn)
    hosts = {"host": f"127.0.0.1,{given.get('host', '127.0.0.1')}", "port": f"{free_port()},{given.get('port', 5432)}"}

    replace(place, address=conninfo.make_conninfo(place.dsn, **hosts)).prepare(place.source())

    assert place.rows() == []


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


# --- the target goes away


def _has_written(sink: Sink, count: int) -> bool:
    return sink.totals()["written"] >= count


def test_sessions_that_are_ended_lose_and_double_nothing(place: Place) -> None:
    place.send(hits(*((f"k{number}", number) for number in range(3_000))))
    sink = place.sink(place.source(), exit_at_end=True, batch_rows=100)
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'clickstream-sink%%'"
    with running(sink) as threads:
        for at in (200, 1_000, 2_000):
            wait_until(partial(_has_written, sink, at), timeout=60, what="rows")
            execute(place.dsn, ended)
        wait_until(lambda: sink._at_end() and sink.totals()["written"] >= 3_000, timeout=120, what="all rows")
    assert threads.problem is None
    assert place.rows("count(*), count(DISTINCT n)") == [(3_000, 3_000)]
    assert sink.totals()["dead_lettered"] == 0


# --- plan and check


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
