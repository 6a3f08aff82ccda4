import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import platformdirs
import pytest
from pytest_mock import MockerFixture

from clickstream import cli, config
from clickstream.cli import options
from clickstream.cli.options import App, cluster_options, metrics_options, setting, stop_after, stop_event
from clickstream.config import SETTINGS
from clickstream.errors import ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.given import texts
from clickstream.parts.endpoint import Endpoint
from clickstream.stop import Stop
from clickstream.variables import OPTIONS
from tests.support import PATIENCE
from tests.unit.cli.conftest import Outcome, Run


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file that is shipped with the package, empty."""
    path = tmp_path / "shipped" / "clickstream.toml"
    path.parent.mkdir()
    path.write_text("")
    monkeypatch.setattr(config, "config_dir", lambda: path.parent)
    return path


class Probe:
    """`clickstream probe`, with the options that commands share: what it was given."""

    def __init__(self, run: Run, add: Callable[[click.Command], None]) -> None:
        self._run = run
        self.app: App
        self.address: str | None = None
        self.clusters: list[Cluster] = []

        @click.command()
        @setting("run-producer.rate", "--rate")
        @metrics_options
        @cluster_options
        def command(app: App) -> None:
            self.app = app

        add(command)

    def fails(self, *arguments: str) -> Outcome:
        return self._run("probe", *arguments)

    def __call__(self, *arguments: str) -> "Probe":
        outcome = self._run("probe", *arguments)
        assert (outcome.code, outcome.err) == (0, "")
        return self

    @property
    def rate(self) -> float:
        """The setting of which this command has an option."""
        return float(self.app.config["run-producer.rate"])

    @property
    def rate_from(self) -> str:
        """Where it was given."""
        return self.app.config.values["run-producer.rate"].source

    def properties(self) -> dict[str, str]:
        """Those for all clients."""
        return texts(self.app.config.clients["kafka"])

    def cluster(self, *arguments: str) -> Cluster:
        with self(*arguments).app.connect() as cluster:
            return cluster


@pytest.fixture
def probe(run: Run, add: Callable[[click.Command], None], shipped: Path) -> Probe:
    return Probe(run, add)


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every cluster answers; the addresses that were tried."""
    found: list[str] = []
    monkeypatch.setattr(Cluster, "check", lambda cluster: found.append(cluster.address))
    return found


# --- settings


def test_the_option_wins_over_the_environment_the_file_and_the_shipped_file(
    probe: Probe, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[run-producer]\nrate = 3")

    def found(*arguments: str) -> tuple[float, str, bool]:
        probe(*arguments)
        return probe.rate, probe.rate_from, probe.app.config.is_typed("run-producer.rate")

    assert found() == (1000.0, "default", False)
    shipped.write_text("[run-producer]\nrate = 2")
    assert found() == (2.0, str(shipped), False)
    assert found("--config", str(mine)) == (3.0, str(mine), False)
    monkeypatch.setenv("CLICKSTREAM_RUN_PRODUCER_RATE", "4")
    assert found("--config", str(mine)) == (4.0, "environment variable CLICKSTREAM_RUN_PRODUCER_RATE", False)
    assert found("--config", str(mine), "--rate", "5") == (5.0, "--rate", True)
    assert found("--rate", "5", "--config", str(mine)) == (5.0, "--rate", True)


def test_a_setting_that_is_typed_wrongly_is_wrong_usage(probe: Probe) -> None:
    outcome = probe.fails("--rate", "fast")
    assert outcome.code == 2
    assert "'--rate': 'fast': a number above 0, or max, is expected" in outcome.err


def test_every_option_of_a_setting_ends_in_the_one_configuration() -> None:
    """No command gets a setting as a parameter, which could differ from what others read."""
    settings = {name.replace("-", "_").replace(".", "__") for name in SETTINGS}
    exposed = {
        f"{command} {param.name}"
        for command, one in every_command().items()
        for param in one.params
        if param.name in settings and param.expose_value
    }
    assert not exposed


def test_where_metrics_are_served(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe().app.metrics == Endpoint("127.0.0.1", 0)
    monkeypatch.setenv("CLICKSTREAM_METRICS_PORT", "9100")
    assert probe("--metrics-host", "0.0.0.0").app.metrics == Endpoint("0.0.0.0", 9100)
    assert probe("--metrics-port", "0").app.metrics == Endpoint("127.0.0.1", 0)


def test_the_value_is_of_the_settings_type(probe: Probe) -> None:
    assert probe("--rate", "max").rate == float("inf")


def test_help_shows_the_settings_help_and_default(probe: Probe) -> None:
    text = " ".join(probe.fails("--help").out.split())
    assert "--rate R Events per second over all threads, or max. [default: 1000.0]" in text


@pytest.mark.parametrize("option", ["--config", "--kafka-config"])
def test_a_file_that_is_not_there_is_named(probe: Probe, tmp_path: Path, option: str) -> None:
    outcome = probe.fails(option, str(tmp_path / "none"))
    assert outcome.code == 2
    assert f"{tmp_path}/none" in outcome.err


def test_the_state_directory(probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert probe().app.state_dir == platformdirs.user_data_path("clickstream")
    assert probe("--state-dir", "~/x").app.state_dir == tmp_path / "x"
    assert probe("--state-dir", "y").app.state_dir == tmp_path / "y"


def test_verbose_shows_the_clients_log_too(probe: Probe) -> None:
    probe()
    assert not logging.getLogger("librdkafka").isEnabledFor(logging.ERROR)
    probe("-v")
    assert logging.getLogger("librdkafka").isEnabledFor(logging.DEBUG)
    assert logging.getLogger().isEnabledFor(logging.DEBUG)


# --- properties of the client


def test_a_property_from_the_command_line(probe: Probe) -> None:
    probe("-X", "sasl.password=a=b", "-X", "client.id=one", "-X", "client.id=two")
    assert probe.properties() == {"sasl.password": "a=b", "client.id": "two"}


def test_an_unknown_property_names_its_source_and_the_nearest(probe: Probe) -> None:
    outcome = probe.fails("-X", "sasl.usrname=x")
    assert outcome.code == 2
    assert outcome.err == "Error: Unknown Kafka property sasl.usrname in -X. Did you mean sasl.username?\n"


def test_a_property_without_a_value_is_wrong_usage(probe: Probe) -> None:
    outcome = probe.fails("-X", "client.id")
    assert outcome.code == 2
    assert "write -X client.id=VALUE" in outcome.err


@pytest.fixture
def java(tmp_path: Path) -> Callable[[str], str]:
    """Writes a client.properties file as providers hand them out."""

    def write(text: str) -> str:
        path = tmp_path / "client.properties"
        path.write_text(text)
        return str(path)

    return write


def test_a_java_clients_file_is_translated(
    probe: Probe, java: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = java(
        "bootstrap.servers=cloud:9092\n"
        "security.protocol=SASL_SSL\n"
        "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
        'username="me" password="s3cret";\n'
        "schema.registry.url=https://registry\n"
    )
    assert probe("--kafka-config", path).properties() == {
        "bootstrap.servers": "cloud:9092",
        "security.protocol": "SASL_SSL",
        "sasl.username": "me",
        "sasl.password": "s3cret",
    }
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: schema.registry.url ignored (for a schema registry)."
    ]


def test_the_more_special_option_wins(
    probe: Probe, java: Callable[[str], str], shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped.write_text('[kafka]\nbootstrap.servers = "file"\nclient.id = "file"\nsasl.username = "file"')
    monkeypatch.setenv("KAFKA_CLIENT_ID", "environment")
    path = java("bootstrap.servers=java\nclient.id=java")

    def found(*arguments: str) -> list[str]:
        properties = probe(*arguments).properties()
        return [properties[name] for name in ("bootstrap.servers", "client.id", "sasl.username")]

    assert found() == ["file", "environment", "file"]
    assert found("--kafka-config", path) == ["java", "java", "file"]
    assert found("--kafka-config", path, "-X", "bootstrap.servers=x") == ["x", "java", "file"]
    assert found("--kafka-config", path, "-X", "bootstrap.servers=x", "-b", "b") == ["b", "java", "file"]


def test_a_secret_that_was_typed_wrongly_is_not_printed_back(probe: Probe) -> None:
    for typed in ("sasl.password:hunter2", "sasl.password hunter2", "sasl.password:hunter=2"):
        outcome = probe.fails("-X", typed)
        assert outcome.code == 2
        assert "hunter" not in outcome.err
        assert "sasl.password" in outcome.err


@pytest.mark.parametrize(
    ("given", "where"),
    [
        (["-X", "linger.ms=soon"], "linger.ms in -X is 'soon'"),
        (["--kafka-config", "linger.ms=soon"], "linger.ms in {java} line 1 is 'soon'"),
        (["KAFKA_LINGER_MS", "soon"], "linger.ms in environment variable KAFKA_LINGER_MS is 'soon'"),
        (["--config", "[producer]\nlinger.ms='soon'"], "linger.ms in [producer] of {toml} is 'soon'"),
    ],
)
def test_a_bad_value_is_told_under_the_name_and_the_place(
    probe: Probe,
    java: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    brokers: "list[Broker]",
    given: list[str],
    where: str,
) -> None:
    kind, text = given
    toml = tmp_path / "mine.toml"
    if kind == "--kafka-config":
        given = [kind, java(text)]
    elif kind == "--config":
        toml.write_text(text)
        given = [kind, str(toml)]
    elif kind.startswith("KAFKA"):
        monkeypatch.setenv(kind, text)
        given = []
    with pytest.raises(ConfigError) as error:
        probe.cluster(*given)
    assert f"Kafka property {where.format(java=tmp_path / 'client.properties', toml=toml)}: " in str(error.value)
    assert brokers == [], "nothing is started"


# --- options by environment


def every_command() -> dict[str, click.Command]:
    """By their path, joined by dashes."""
    found: dict[str, click.Command] = {}

    def walk(group: click.Group, before: str) -> None:
        context = click.Context(group)
        for name in group.list_commands(context):
            one = group.get_command(context, name)
            assert one is not None
            if isinstance(one, click.Group):
                walk(one, f"{before}{name}-")
            else:
                found[f"{before}{name}"] = one

    walk(cli.clickstream, "")
    return found


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


# --- the way to Kafka


def test_a_given_address_is_used_if_it_answers(probe: Probe, reachable: list[str]) -> None:
    cluster = probe.cluster("-b", "host:1", "-X", "client.id=me")
    assert (cluster.address, cluster.embedded, cluster.data_dir) == ("host:1", False, None)
    assert cluster.common["client.id"] == "me"
    assert reachable == ["host:1"]


@pytest.mark.parametrize("variable", ["KAFKA_BOOTSTRAP_SERVERS", "KAFKA_METADATA_BROKER_LIST"])
def test_the_address_can_come_from_the_environment(
    probe: Probe, reachable: list[str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "host:2")
    assert probe.cluster().address == "host:2"


def test_the_command_line_wins_over_what_a_file_says_of_one_kind_of_client(
    probe: Probe, reachable: list[str], shipped: Path
) -> None:
    shipped.write_text("[producer]\nsocket.timeout.ms = 10\nacks = 1\n[consumer]\nsocket.timeout.ms = 20")
    cluster = probe.cluster("-b", "host:1", "-X", "socket.timeout.ms=30")
    assert cluster.common["socket.timeout.ms"] == "30"
    assert (cluster.for_producers, cluster.for_consumers) == ({"acks": "1"}, {})


class Broker:
    """In place of the embedded Kafka."""

    def __init__(self, state_dir: Path, **options: Any) -> None:
        self.state_dir = state_dir
        self.options = options
        self.held = 0

    @contextmanager
    def acquire(self) -> Iterator[SimpleNamespace]:
        self.held += 1
        try:
            yield SimpleNamespace(address="127.0.0.1:9092")
        finally:
            self.held -= 1

    def status(self) -> SimpleNamespace:
        return SimpleNamespace(data_dir=self.state_dir / "data")


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> list[Broker]:
    made: list[Broker] = []

    def make(state_dir: Path, **settings: Any) -> Broker:
        made.append(Broker(state_dir, **settings))
        return made[-1]

    monkeypatch.setattr(options, "EmbeddedBroker", make)
    return made


def test_without_an_address_it_is_the_embedded_kafka_held_while_it_is_used(
    probe: Probe, brokers: list[Broker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKSTREAM_BROKER_PORT", "19092")
    with probe("--state-dir", str(tmp_path), "-X", "client.id=me").app.connect() as cluster:
        (broker,) = brokers
        assert broker.held == 1
        assert (cluster.address, cluster.embedded, cluster.data_dir) == ("127.0.0.1:9092", True, tmp_path / "data")
        assert cluster.common["client.id"] == "me"
    assert broker.held == 0
    assert broker.state_dir == tmp_path
    settings = {"java": "auto", "port": 19092, "heap": "512m", "linger": 60.0, "disk": 10_000_000_000}
    assert broker.options == settings


def test_with_an_address_nothing_is_started(probe: Probe, brokers: list[Broker], reachable: list[str]) -> None:
    probe.cluster("-b", "host:1")
    assert brokers == []


# --- the end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_for_the_end(number: signal.Signals) -> None:
    stop = stop_event()
    assert not stop.is_set()
    signal.raise_signal(number)
    assert stop.wait(60 * PATIENCE)


@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGINT, 20), (signal.SIGTERM, 8), (signal.SIGHUP, 8)])
def test_a_signal_says_how_long_draining_may_take(number: signal.Signals, seconds: float) -> None:
    stop = stop_event()
    signal.raise_signal(number)
    assert stop.wait(60 * PATIENCE)
    assert seconds - 5 < stop.drain_time_left() <= seconds


def test_the_stop_of_a_part_is_the_one_that_is_set() -> None:
    stop = Stop()
    assert stop_event(stop) is stop
    signal.raise_signal(signal.SIGTERM)
    assert stop.wait(60 * PATIENCE)


AMID_A_WAIT = """
import signal
from clickstream.cli.options import stop_event

stop = stop_event()
with stop._cond:  # as `stop.wait` holds it for a moment
    signal.raise_signal(signal.SIGINT)
assert stop.wait()
"""


def test_a_signal_that_comes_amid_a_wait_asks_too() -> None:
    done = subprocess.run([sys.executable, "-c", AMID_A_WAIT], timeout=60 * PATIENCE)
    assert done.returncode == 0


def test_a_sighup_that_was_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop_event()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_a_second_ctrl_c_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    stop_event()
    signal.raise_signal(signal.SIGINT)
    assert ends == []
    signal.raise_signal(signal.SIGINT)
    assert ends == [130]


def test_a_second_sigterm_lets_it_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    stop_event()
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    assert ends == []


def test_time_ends_it() -> None:
    stop = threading.Event()
    with stop_after(0.01, stop):
        assert stop.wait(10 * PATIENCE)


@pytest.mark.parametrize("seconds", [None, 1e12])
def test_no_time_does_not(seconds: float | None) -> None:
    stop = threading.Event()
    before = set(threading.enumerate())
    with stop_after(seconds, stop):
        assert not set(threading.enumerate()) - before
    assert not stop.is_set()


def test_time_is_not_waited_for_when_it_ends_before() -> None:
    stop = threading.Event()
    before = set(threading.enumerate())
    with stop_after(60.0, stop):
        (timer,) = set(threading.enumerate()) - before
    timer.join(10 * PATIENCE)
    assert not timer.is_alive()
    assert not stop.is_set()
