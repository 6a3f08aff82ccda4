"""`clickstream tables`."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from clickstream.cli import clickstream
from clickstream.config import config_dir
from clickstream.errors import ConfigError

GOOD = str(config_dir() / "tables" / "products.sql")


def test_check_of_a_good_file() -> None:
    result = CliRunner().invoke(clickstream, ["tables", "check", GOOD])

    assert result.exit_code == 0
    assert "no problems" in result.output
    assert "no effect here: properties.group.id" in result.output


def test_check_of_a_bad_file_shows_all_problems(tmp_path: Path) -> None:
    bad = tmp_path / "bad.sql"
    bad.write_text("SET 'a' = 'b';\nSELECT 1;\n")

    result = CliRunner().invoke(clickstream, ["tables", "check", GOOD, str(bad)])

    assert result.exit_code == 1
    assert "bad.sql:1:5: Unknown setting a.\n    1 | SET 'a' = 'b';\n      |     ^^^" in result.stderr
    assert "bad.sql:2:1: SELECT is not supported here." in result.stderr
    assert "2 problems." in result.stderr


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(clickstream, ["tables", "check", str(tmp_path / "none.sql")])

    assert isinstance(result.exception, ConfigError)
    assert "none.sql" in str(result.exception)


def test_variables_can_be_given(tmp_path: Path) -> None:
    file = tmp_path / "file.sql"
    file.write_text("SET 'parallelism.default' = '${CORES}';")

    assert CliRunner().invoke(clickstream, ["tables", "check", str(file)]).exit_code == 1
    assert CliRunner().invoke(clickstream, ["tables", "check", str(file), "--set", "CORES=2"]).exit_code == 0
    assert CliRunner().invoke(clickstream, ["tables", "check", str(file), "--set", "CORES"]).exit_code == 2


@pytest.mark.parametrize("form", ["text", "mermaid"])
def test_explain(form: str) -> None:
    result = CliRunner().invoke(clickstream, ["tables", "explain", GOOD, "--format", form])

    assert result.exit_code == 0
    assert "events-per-name" in result.output


def test_explain_as_json() -> None:
    result = CliRunner().invoke(clickstream, ["tables", "explain", GOOD, "--format", "json"])

    assert json.loads(result.output)["inserts"][0]["topic"] == "events-per-name"


def test_without_sqlglot_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("sqlglot", "clickstream.tables"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlglot", None)

    result = CliRunner().invoke(clickstream, ["tables", "check", GOOD])

    assert isinstance(result.exception, ConfigError)
    assert "pip install 'clickstream[tables]'" in str(result.exception)
