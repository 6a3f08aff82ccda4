import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import platformdirs
import pytest

from clickstream.cli import options
from clickstream.config import SETTINGS
from clickstream.errors import ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.parts.endpoint import Endpoint
from tests.unit.cli.conftest import Probe, Run, every_command


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


@pytest.mark.parametrize(
    ("arguments", "setting"), [(["--state-dir", "~nosuchuser/x"], "--state-dir is '~nosuchuser/x'"), ([], "state-dir")]
)
def test_a_home_directory_that_there_is_not_is_an_error_of_the_configuration(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], setting: str
) -> None:
    without_a_home(monkeypatch)
    outcome = run("broker", "status", *arguments)
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert setting in outcome.err


def test_a_spool_in_a_home_directory_that_there_is_not_is_one_too(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLICKSTREAM_COLLECT_SPOOL_DIR", "~nosuchuser/x")
    outcome = run("clean", "--state-dir", str(tmp_path))
    assert outcome.code == 2
    assert "collect.spool-dir in environment variable CLICKSTREAM_COLLECT_SPOOL_DIR" in outcome.err


def test_a_cluster_of_ones_own_needs_no_home_directory(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    without_a_home(monkeypatch)
    assert probe("-b", "kafka:9092").app.address == "kafka:9092"


def test_without_a_home_the_settings_are_shown_and_a_cache_is_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_a_home(monkeypatch)
    assert run("config", "show").code == 0
    outcome = run("clean", "--state-dir", str(tmp_path))
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert "set CLICKSTREAM_CACHE_DIR" in outcome.err


def without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container's user that no file knows."""
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "CLICKSTREAM_STATE_DIR", "CLICKSTREAM_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54_321)


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


def test_bytes_that_are_no_utf_8_are_wrong_wherever_they_come_from(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = os.fsdecode(b"\xe9")
    assert probe.fails("-X", f"client.id={text}").err == "Error: Kafka property client.id in -X is no valid UTF-8.\n"
    assert probe.fails("-b", f"{text}:1").err == "Error: Kafka property bootstrap.servers in -b is no valid UTF-8.\n"
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", text)
    outcome = probe.fails()
    place = "environment variable KAFKA_SASL_PASSWORD"
    assert outcome.err == f"Error: Kafka property sasl.password in {place} is no valid UTF-8.\n"
    assert outcome.code == 2


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


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["-b", ""], "-b"),
        (["-b", " ,"], "-b"),
        (["-X", "bootstrap.servers="], "-X"),
        (["-X", "metadata.broker.list="], "-X"),
        (["--kafka-config", "{java}"], "{java} line 1"),
        (["--config", "{toml}"], "[kafka] of {toml}"),
    ],
)
def test_an_address_that_is_empty_is_not_taken_for_none(
    probe: Probe, java: Callable[[str], str], tmp_path: Path, brokers: list[Broker], arguments: list[str], where: str
) -> None:
    """As `-b "$KAFKA"` is where the variable is not set: the embedded Kafka would take what is meant for another."""
    toml = tmp_path / "mine.toml"
    toml.write_text('[kafka]\nbootstrap.servers = ""')
    files = {"java": java("bootstrap.servers=\n"), "toml": str(toml)}
    with pytest.raises(ConfigError) as error:
        probe.cluster(*(one.format_map(files) for one in arguments))
    assert f"bootstrap.servers in {where.format_map(files)} is " in str(error.value)
    assert "the address is empty" in str(error.value)
    assert brokers == []


def test_an_empty_variable_is_not_set(probe: Probe, brokers: list[Broker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "")
    assert probe.cluster().embedded


def test_a_later_place_may_give_the_address_that_is_empty_in_an_earlier_one(
    probe: Probe, java: Callable[[str], str], reachable: list[str]
) -> None:
    path = java("bootstrap.servers=\n")
    assert probe.cluster("--kafka-config", path, "-b", "host:1").address == "host:1"


def test_with_an_address_nothing_is_started(probe: Probe, brokers: list[Broker], reachable: list[str]) -> None:
    probe.cluster("-b", "host:1")
    assert brokers == []
