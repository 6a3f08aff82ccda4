"""`clickstream sink postgres` before it connects to anything."""

import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from clickstream.cli import clickstream
from clickstream.errors import ConfigError


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGPORT", "PGUSER", "CLICKSTREAM_SINK_POSTGRES"):
        monkeypatch.delenv(name, raising=False)


def sink(*arguments: str, **environment: str) -> Any:
    """What the command ends with; nothing listens at its Kafka's address."""
    return CliRunner().invoke(clickstream, ["sink", *arguments, "-b", "127.0.0.1:1"], env=environment)


@pytest.mark.parametrize("command", [["postgres"], ["plan", "postgres"], ["check", "postgres"]])
def test_without_a_dsn_it_says_where_to_give_one(command: list[str]) -> None:
    error = sink(*command, "clicks").exception

    assert isinstance(error, ConfigError)
    assert "Give a DSN in CLICKSTREAM_SINK_POSTGRES, --dsn-file or --dsn, or set PGHOST." in str(error)


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("clickstream.sinks.postgres", "psycopg"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)

    found = sink("postgres", "clicks", "--dsn", "host=db")
    about = CliRunner().invoke(clickstream, ["sink", "postgres", "--help"])

    assert isinstance(found.exception, ConfigError)
    assert "pip install 'clickstream[postgres]'" in str(found.exception)
    assert about.exit_code == 0


def test_a_password_on_the_command_line_is_warned_of_and_elsewhere_is_not(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("host=db password=topsecret _=")

    typed = sink("postgres", "clicks", "--dsn", "host=db password=topsecret _=")
    others = [
        sink("postgres", "clicks", "--dsn-file", str(file)),
        sink("postgres", "clicks", CLICKSTREAM_SINK_POSTGRES="host=db password=topsecret _="),
        sink("postgres", "clicks", CLICKSTREAM_SINK_POSTGRES_DSN="host=db password=topsecret _="),
    ]

    assert "others here can see the password in --dsn" in typed.output
    for one in (typed, *others):
        assert isinstance(one.exception, ConfigError)
        assert "This is no DSN of PostgreSQL" in str(one.exception)
        assert "topsecret" not in one.output + str(one.exception)
    assert not any("Warning" in one.output for one in others)


def test_a_name_that_would_be_cut_is_refused_before_anything_starts() -> None:
    found = sink("postgres", "clicks", "--columns", f"`{'x' * 64}` INT", "--dsn", "host=db")

    assert isinstance(found.exception, ConfigError)
    assert "PostgreSQL takes 63" in str(found.exception)
