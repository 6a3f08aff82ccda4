"""Options by environment, and what `config show` tells of all places."""

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from pytest_mock import MockerFixture

from clickstream.config import SETTINGS
from clickstream.errors import ConfigError
from clickstream.variables import OPTIONS
from tests.unit.cli.conftest import Probe, Run, every_command


def commands_that_run_long() -> dict[str, click.Command]:
    """Those that are parts, and `flink run`."""
    found = every_command()
    long = {name.partition(".")[0] for name in OPTIONS}
    parts = {name for name, one in found.items() if "metrics_port" in [param.name for param in one.params]}
    assert long == parts | {"flink-run", "ui", "collect"}  # the last two serve their metrics themselves
    return {name: one for name, one in found.items() if name in long}


def test_every_option_of_a_long_running_command_can_be_set_by_environment() -> None:
    settings = {name.replace("-", "_").replace(".", "__") for name in SETTINGS}
    by_other_names = {"--config", "--kafka-config", "--verbose", "--bootstrap-server", "-X", "--help"}
    by_other_names |= {"--url", "--url-file"}  # they hold secrets: CLICKSTREAM_SINK_RABBITMQ and the like
    for_one_start = {"--reset", "--yes"}
    options = {
        f"{command}.{longest.removeprefix('--')}"
        for command, one in commands_that_run_long().items()
        for param in one.params
        if isinstance(param, click.Option) and param.name not in settings
        if (longest := max(param.opts, key=len)) not in by_other_names | for_one_start
    }
    assert options == set(OPTIONS)


def test_an_option_takes_its_value_from_the_environment_unless_it_is_given(
    run: Run, monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture
) -> None:
    made = mocker.patch("clickstream.cli.counter.CounterOptions", side_effect=ConfigError("enough"))
    monkeypatch.setenv("CLICKSTREAM_RUN_COUNTER_GROUP", "theirs")
    monkeypatch.setenv("CLICKSTREAM_RUN_COUNTER_EXIT_AT_END", "true")
    run("run-counter")
    run("run-counter", "--group", "mine")
    assert [(one.kwargs["group"], one.kwargs["exit_at_end"]) for one in made.call_args_list] == [
        ("theirs", True),
        ("mine", True),
    ]


def test_an_option_that_is_repeated_is_taken_apart(
    run: Run, monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture
) -> None:
    made = mocker.patch("clickstream.cli.producer.chosen_weights", side_effect=ConfigError("enough"))
    monkeypatch.setenv("CLICKSTREAM_RUN_PRODUCER_EVENT", "purchase=3 productview=1")
    run("run-producer")
    made.assert_called_once_with((("purchase", 3.0), ("productview", 1.0)))


@pytest.mark.parametrize(
    ("command", "variable", "text"),
    [
        (["run-producer"], "CLICKSTREAM_RUN_PRODUCER_COUNT", "many"),
        (["run-counter"], "CLICKSTREAM_RUN_COUNTER_EMIT", "never"),
        (["generate", "web"], "CLICKSTREAM_GENERATE_WEB_SESSIONS", "long"),
        (["tables", "run", "x.sql"], "CLICKSTREAM_TABLES_RUN_MEMORY", "much"),
    ],
)
def test_a_bad_option_names_its_variable(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str], variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    outcome = run(*command)
    assert outcome.code == 2
    assert f" in environment variable {variable} is '{text}': " in outcome.err


def test_files_are_named_by_the_environment(
    probe: Probe, java: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[run-producer]\nrate = 3")
    monkeypatch.setenv("CLICKSTREAM_CONFIG", str(mine))
    monkeypatch.setenv("CLICKSTREAM_KAFKA_CONFIG", java("client.id=java"))
    assert (probe().rate, probe.properties()) == (3.0, {"client.id": "java"})


# --- config show


def test_every_value_is_shown_with_its_place(
    run: Run, java: Callable[[str], str], shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("CLICKSTREAM_RUN_COUNTER_GROUP", "mine")
    shipped.write_text("[run-producer]\nrate = 3\n[producer]\nlinger.ms = 5")
    path = java("\nmetadata.broker.list=host:1\n")
    given = ["-X", "client.id=me", "--kafka-config", path, "--state-dir", str(tmp_path)]
    lines = [" ".join(line.split()) for line in run("config", "show", *given).out.splitlines()]
    assert {
        f"run-producer.rate 3.0 {shipped}",
        "run-counter.interval 1.0 default",
        "run-counter.group mine environment variable CLICKSTREAM_RUN_COUNTER_GROUP",
        f"state-dir {tmp_path} --state-dir",
        f"[kafka] bootstrap.servers host:1 {path} line 2",
        "[kafka] client.id me -X",
        "[kafka] sasl.password [hidden] environment variable KAFKA_SASL_PASSWORD",
        f"[producer] linger.ms 5 [producer] of {shipped}",
    } <= set(lines)


def test_secrets_among_settings_and_options_are_hidden(
    run: Run, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("CLICKSTREAM_SINK_POSTGRES_DSN", "postgresql://u:hunter2@h/db")
    monkeypatch.setenv("CLICKSTREAM_SCHEMA_REGISTRY", "https://u:hunter2@h")
    monkeypatch.setenv("CLICKSTREAM_FLINK_RUN_SET", "ID=1 PW=hunter2")
    shipped.write_text("[tables-run]\nset = ['PW=hunter2', 'KEY=correct hunter2']")
    shown = run("config", "show").out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "hunter2" not in shown
    assert f"tables-run.set PW=[hidden] KEY=[hidden] {shipped}" in lines
    variable = "environment variable CLICKSTREAM_SINK_POSTGRES_DSN"
    assert f"sink-postgres.dsn postgresql://[hidden]@h/db {variable}" in lines


def test_a_malformed_variable_of_a_file_is_not_repeated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_TABLES_RUN_SET", "PW=correct hunter2")
    done = run("tables", "run", "clickstream")
    assert done.code == 2
    assert "Setting tables-run.set in environment variable CLICKSTREAM_TABLES_RUN_SET is 'PW=[hidden]'" in done.err
    assert "hunter2" not in done.err
