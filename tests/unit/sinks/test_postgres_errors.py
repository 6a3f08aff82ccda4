"""What PostgreSQL's errors mean for a sink."""

import psycopg
import pytest
from psycopg import errors

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.sinks.inputs import described
from clickstream.sinks.postgres import columns
from clickstream.sinks.postgres.connection import Address
from clickstream.sinks.postgres.errors import not_connected, translated
from clickstream.sinks.target import Away, Refused


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        *((state, Away) for state in ("08006", "53100", "53200", "53300", "57014", "57P01", "57P03", "40001", "40P01")),
        *((state, Away) for state in ("55P03", "55000", "25006", "25P03")),
        *((state, Refused) for state in ("22003", "22001", "22P02", "22P05", "23502", "23514")),
        *((state, Refused) for state in ("21000", "54000", "44000", "P0001")),
        *((state, ClickstreamError) for state in ("42501", "42P01", "42703", "42804", "28000", "3D000", "3F000")),
        *((state, ClickstreamError) for state in ("XX000", "58030", "0A000", "25001")),
    ],
)  # fmt: skip
def test_a_class_of_sqlstates_has_one_meaning(state: str, kind: type[Exception]) -> None:
    found = translated(errors.lookup(state)("words"), "shop at db:5432")

    assert type(found) is kind
    assert state in str(found)


def test_a_connection_that_is_lost_is_away_and_a_mistake_of_ours_is_not() -> None:
    assert type(translated(psycopg.OperationalError("the connection is closed"), "w")) is Away
    assert type(translated(psycopg.ProgrammingError("placeholders"), "w")) is ClickstreamError


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('connection failed: connection to server at "1.2.3.4", port 1 failed: Connection refused', Away),
        ("failed to resolve host 'db': Name or service not known", Away),
        ("connection failed: FATAL:  the database system is starting up", Away),
        ("connection failed: session is read-only", Away),
        ('connection failed: FATAL:  password authentication failed for user "me"', ClickstreamError),
        ('connection failed: FATAL:  database "shop" does not exist', ClickstreamError),
        ('connection failed: FATAL:  role "me" does not exist', ClickstreamError),
        ('connection failed: FATAL:  no pg_hba.conf entry for host "1.2.3.4"', ClickstreamError),
        ("connection failed: fe_sendauth: no password supplied", ClickstreamError),
    ],
)
def test_what_keeps_it_from_connecting(text: str, kind: type[Exception]) -> None:
    assert type(not_connected(psycopg.OperationalError(text), "w")) is kind


def test_a_dsn_is_shown_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    assert Address("postgresql://me:topsecret@db.example:5433/shop").where == "shop at db.example:5433"
    assert Address("host=a,b port=1,2 dbname=shop password=topsecret").where == "shop at a:1,b:2"
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("PGUSER", "me")
    assert Address("").where == "me at elsewhere:5432"
    with pytest.raises(ConfigError) as wrong:
        Address("postgresql://me:topsecret@[x")
    assert "topsecret" not in str(wrong.value)
    assert wrong.value.__suppress_context__


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("ü" * 32, "has 64 bytes, PostgreSQL takes 63"),
        ("x" * 64, "has 64 bytes"),
        ("_offset", "a column _offset of its own"),
        ("is_final", "a column is_final of its own"),
    ],
)
def test_names_that_it_does_not_take_are_refused_before_anything_starts(column: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        columns.check([described("t", f"`{column}` INT", None)], early=True)


def test_names_of_63_bytes_are_taken() -> None:
    columns.check([described("t", f"`{'ü' * 31}x` INT, is_final INT", None)], early=False)
