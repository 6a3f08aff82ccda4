"""The sink into PostgreSQL, on a real server that refuses a row or a right, or ends its sessions."""

import re
import threading
from dataclasses import replace
from functools import partial

import pytest
from psycopg import conninfo

from clickstream.errors import ClickstreamError
from clickstream.inspect import letters
from clickstream.sinks.sink import Sink
from tests.integration.postgressupport import Place, check_of
from tests.integration.sinksupport import hits, running
from tests.postgres import execute
from tests.support import free_port, wait_until


@pytest.fixture
def place(kafka: str, postgres: str) -> Place:
    return Place.at(kafka, postgres)


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
