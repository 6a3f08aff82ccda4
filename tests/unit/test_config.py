import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clickstream import config
from clickstream.config import SETTINGS, Config, load, topic_name
from clickstream.errors import ConfigError
from clickstream.kafka.given import texts
from clickstream.variables import OPTIONS, is_of_kubernetes, variable_of

INFINITE = float("inf")


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the settings file that is shipped with the package."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "clickstream.toml").write_text("")
    monkeypatch.setattr(config, "config_dir", lambda: folder)

    def write(text: str) -> None:
        (folder / "clickstream.toml").write_text(text)

    return write


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Writes a settings file of the user's."""

    def write(text: str | bytes) -> Path:
        path = tmp_path / "mine.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def one(name: str, value: Any) -> Any:
    """What a setting's value becomes."""
    return SETTINGS[name].cast(value)


def refusal(path: Path | None = None, **environ: str) -> str:
    with pytest.raises(ConfigError) as error:
        load(path, environ)
    assert error.value.exit_code == 2
    return str(error.value)


# --- where values come from


def test_without_anything_values_are_the_defaults() -> None:
    found = load(None, {})
    assert {name: found[name] for name in SETTINGS} == {name: entry.default for name, entry in SETTINGS.items()}
    assert {found.values[name].source for name in SETTINGS} == {"default"}
    assert found.clients == {"kafka": {}, "producer": {}, "consumer": {}}


def test_the_shipped_file_shows_every_setting_with_its_default() -> None:
    text = (config.config_dir() / "clickstream.toml").read_text()
    shown = "\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines())
    tables = tomllib.loads("\n".join(line for line in shown.splitlines() if not line.startswith("#")))
    clients = {name: tables.pop(name) for name in ("kafka", "producer", "consumer")}
    assert clients
    found = dict(config._flatten(tables))
    assert {name: SETTINGS[name].cast(value) for name, value in found.items()} == {
        name: entry.default for name, entry in SETTINGS.items()
    }


def test_each_source_wins_over_the_one_before(
    shipped: Callable[[str], None], file: Callable[[str | bytes], Path]
) -> None:
    def rate(path: Path | None, environ: dict[str, str]) -> tuple[float, str]:
        found = load(path, environ).values["run-producer.rate"]
        return found.value, found.source.rpartition("/")[2]

    environ = {"CLICKSTREAM_RUN_PRODUCER_RATE": "4"}
    assert rate(None, {}) == (1000.0, "default")
    shipped("[run-producer]\nrate = 2")
    assert rate(None, {}) == (2.0, "clickstream.toml")
    mine = file("[run-producer]\nrate = 3")
    assert rate(mine, {}) == (3.0, "mine.toml")
    assert rate(mine, environ) == (4.0, "environment variable CLICKSTREAM_RUN_PRODUCER_RATE")


def test_a_file_changes_only_what_it_names(shipped: Callable[[str], None], file: Callable[[str | bytes], Path]) -> None:
    shipped('[run-producer]\nrate = 2\nthreads = 3\ntopic = "a"')
    found = load(file("[run-producer]\nrate = 5"), {})
    assert [found[f"run-producer.{name}"] for name in ("rate", "threads", "topic")] == [5.0, 3, "a"]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_a_variable(name: str) -> None:
    entry = SETTINGS[name]
    text = "max" if entry.default == INFINITE else str(entry.default)
    found = load(None, {entry.environment: text})
    assert found[name] == entry.default
    assert type(found[name]) is type(entry.default)
    assert found.values[name].source == f"environment variable {entry.environment}"


def test_the_name_of_a_variable() -> None:
    assert SETTINGS["run-counter.from-topic"].environment == "CLICKSTREAM_RUN_COUNTER_FROM_TOPIC"
    assert len({entry.environment for entry in SETTINGS.values()}) == len(SETTINGS)


@pytest.mark.parametrize(
    "text",
    ["[run-producer]\nrate = 5", "run-producer.rate = 5", "run-producer = {rate = 5}", '"run-producer".rate = 5'],
)
def test_every_way_of_writing_tables_is_the_same(file: Callable[[str | bytes], Path], text: str) -> None:
    assert load(file(text), {})["run-producer.rate"] == 5.0


# --- what is wrong with them


def test_an_unknown_setting_names_its_file_and_the_nearest(file: Callable[[str | bytes], Path]) -> None:
    path = file("[run-producer]\nrates = 5")
    assert refusal(path) == f"Unknown setting run-producer.rates in {path}. Did you mean run-producer.rate?"


def test_an_unknown_setting_that_is_like_no_other(file: Callable[[str | bytes], Path]) -> None:
    path = file("colour = 5")
    assert refusal(path) == f"Unknown setting colour in {path}."


def test_an_unknown_variable_names_the_nearest() -> None:
    assert refusal(CLICKSTREAM_RUN_PRODUCER_RAET="5") == (
        "Unknown environment variable CLICKSTREAM_RUN_PRODUCER_RAET. Did you mean CLICKSTREAM_RUN_PRODUCER_RATE?"
    )
    assert refusal(CLICKSTREAM_COLOUR="5") == "Unknown environment variable CLICKSTREAM_COLOUR."


@pytest.mark.parametrize(
    "name", ["CLICKSTREAM_CACHE_DIR", "CLICKSTREAM_REQUIRE_ALL", "CLICKSTREAM_TEST_BOOTSTRAP", "clickstream_x", "PATH"]
)
def test_variables_that_are_no_settings_are_ignored(name: str) -> None:
    load(None, {name: "x"})


def test_a_malformed_value_names_the_setting_and_its_source(file: Callable[[str | bytes], Path]) -> None:
    path = file('[run-producer]\nrate = "fast"')
    assert refusal(path) == f"Setting run-producer.rate in {path} is 'fast': a number above 0, or max, is expected."
    assert refusal(CLICKSTREAM_RUN_PRODUCER_THREADS="0") == (
        "Setting run-producer.threads in environment variable CLICKSTREAM_RUN_PRODUCER_THREADS is '0': "
        "a whole number from 1 to 64 is expected."
    )


def test_a_table_where_a_value_belongs_is_refused(file: Callable[[str | bytes], Path]) -> None:
    assert "Unknown setting run-producer.rate.max" in refusal(file("[run-producer.rate]\nmax = 5"))


@pytest.mark.parametrize("text", ["[run-producer", "a = ", b"a = '\xff'"])
def test_a_file_that_is_no_toml_is_named(file: Callable[[str | bytes], Path], text: str | bytes) -> None:
    path = file(text)
    assert refusal(path).startswith(f"{path} is not valid TOML: ")


def test_a_file_may_begin_with_a_byte_order_mark(file: Callable[[str | bytes], Path]) -> None:
    assert load(file("\ufeff[run-producer]\nrate = 3"), {})["run-producer.rate"] == 3.0


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml") == f"Cannot read {tmp_path}/none.toml: No such file or directory."
    assert refusal(tmp_path) == f"Cannot read {tmp_path}: Is a directory."


# --- kinds of values


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("run-producer.rate", "5", 5.0),
        ("run-producer.rate", 5, 5.0),
        ("run-producer.rate", "0.5", 0.5),
        ("run-producer.rate", "max", INFINITE),
        ("run-producer.rate", INFINITE, INFINITE),
        ("run-producer.threads", "64", 64),
        ("metrics-port", 0, 0),
        ("metrics-port", "65535", 65535),
        ("run-counter.interval", "0.1", 0.1),
        ("java", "wheel", "wheel"),
        ("run-counter.field", "user id", "user id"),
        ("run-counter.field", "größe", "größe"),
        ("state-dir", "~/x", "~/x"),
    ],
)
def test_a_value(name: str, value: Any, found: Any) -> None:
    assert one(name, value) == found
    assert type(one(name, value)) is type(found)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("run-producer.rate", [0, -1, "0", "nan", "inf", "-inf", "", "fast", True, [], None, 1e12]),
        ("run-counter.interval", [0, -1, "max", INFINITE, "nan", False, {}]),
        ("run-producer.threads", [0, 65, 1.0, "1.5", "", "one", True, None, [2]]),
        ("metrics-port", [-1, 65536, "-1"]),
        ("java", ["Wheel", "", 17, None, ["wheel"]]),
        ("state-dir", [5, None, True]),
        ("run-counter.field", ["", 'a"b', "a\\b", "a\nb", "\udcff", 5]),
        ("run-producer.topic", ["", "a b", "ä", "a/b", "x" * 250, ".", "..", 5, None]),
    ],
)
def test_no_value(name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=r"is expected|a topic name has"):
            one(name, value)


@pytest.mark.parametrize("name", ["a", "x" * 249, "Clicks-2_v.1", "...", "-"])
def test_a_topic_name(name: str) -> None:
    assert topic_name(name) == name


# --- properties of the client


def properties(path: Path | None = None, **environ: str) -> dict[str, dict[str, str]]:
    return {section: texts(found) for section, found in load(path, environ).clients.items()}


def test_client_properties_are_taken_as_they_are(file: Callable[[str | bytes], Path]) -> None:
    text = """
    [kafka]
    bootstrap.servers = "a:1,b:2"
    "security.protocol" = "ssl"
    enable.ssl.certificate.verification = false
    [producer]
    linger.ms = 5
    [consumer]
    fetch.max.bytes = 1000
    """
    assert properties(file(text)) == {
        "kafka": {
            "bootstrap.servers": "a:1,b:2",
            "security.protocol": "ssl",
            "enable.ssl.certificate.verification": "false",
        },
        "producer": {"linger.ms": "5"},
        "consumer": {"fetch.max.bytes": "1000"},
    }


def test_client_properties_follow_the_same_order(
    shipped: Callable[[str], None], file: Callable[[str | bytes], Path]
) -> None:
    shipped('[kafka]\nclient.id = "shipped"\nsasl.username = "shipped"\nbootstrap.servers = "shipped"')
    mine = file('[kafka]\nclient.id = "mine"\nsasl.username = "mine"')
    assert properties(mine, KAFKA_CLIENT_ID="environment")["kafka"] == {
        "client.id": "environment",
        "sasl.username": "mine",
        "bootstrap.servers": "shipped",
    }


def test_a_later_source_wins_over_what_an_earlier_one_says_of_one_kind_of_client(
    shipped: Callable[[str], None], file: Callable[[str | bytes], Path]
) -> None:
    shipped("[producer]\nlinger.ms = 1\nacks = 1\n[consumer]\nfetch.wait.max.ms = 1")
    mine = file("[kafka]\nlinger.ms = 2\nfetch.wait.max.ms = 2\n[consumer]\nfetch.wait.max.ms = 3")
    assert properties(mine) == {
        "kafka": {"linger.ms": "2", "fetch.wait.max.ms": "2"},
        "producer": {"acks": "1"},
        "consumer": {"fetch.wait.max.ms": "3"},
    }
    assert properties(mine, KAFKA_FETCH_WAIT_MAX_MS="4")["consumer"] == {}


def test_unknown_kafka_variables_are_ignored() -> None:
    """Kubernetes injects some."""
    found = properties(KAFKA_PORT="tcp://10.0.0.1:9092", KAFKA_SERVICE_HOST="10.0.0.1", KAFKA_SASL_PASSWORD="s3cret")
    assert found["kafka"] == {"sasl.password": "s3cret"}


@pytest.mark.parametrize("section", ["kafka", "producer", "consumer"])
def test_an_unknown_property_names_its_section_and_file(file: Callable[[str | bytes], Path], section: str) -> None:
    path = file(f"[{section}]\nsasl.usrname = 'x'")
    assert refusal(path) == (
        f"Unknown Kafka property sasl.usrname in [{section}] of {path}. Did you mean sasl.username?"
    )


@pytest.mark.parametrize("value", ['["s3cret"]', "2020-01-01"])
def test_a_property_of_another_kind_is_refused_without_showing_it(
    file: Callable[[str | bytes], Path], value: str
) -> None:
    path = file(f"[kafka]\nsasl.password = {value}")
    message = refusal(path)
    assert message == f"Kafka property sasl.password in [kafka] of {path} must be a text, a number, true or false."


def test_a_section_that_is_no_table_is_refused(file: Callable[[str | bytes], Path]) -> None:
    assert "kafka must be a table" in refusal(file("kafka = 'localhost:9092'"))


def test_configs_do_not_share_their_properties() -> None:
    first = Config({})
    first.give({"client.id": "x"}, "-X")
    assert Config({}).clients["kafka"] == {}


@pytest.mark.parametrize("section", ["producer", "consumer"])
def test_an_address_for_one_kind_of_client_is_refused(tmp_path: Path, section: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'[{section}]\n"bootstrap.servers" = "elsewhere:9092"\n')

    with pytest.raises(ConfigError, match=rf"\[{section}\].*\[kafka\]"):
        load(path, {})


# --- Kubernetes

SERVICES = ("clickstream", "clickstream-ui", "clickstream-collect", "clickstream-broker", "clickstream-metrics")


def of_a_service(name: str) -> dict[str, str]:
    """What Kubernetes sets in every pod for a service with a port that has a name, as its documentation shows it."""
    prefix = name.upper().replace("-", "_")
    return {
        f"{prefix}_SERVICE_HOST": "10.0.0.11",
        f"{prefix}_SERVICE_PORT": "9092",
        f"{prefix}_SERVICE_PORT_KAFKA": "9092",
        f"{prefix}_PORT": "tcp://10.0.0.11:9092",
        f"{prefix}_PORT_9092_TCP": "tcp://10.0.0.11:9092",
        f"{prefix}_PORT_9092_TCP_PROTO": "tcp",
        f"{prefix}_PORT_9092_TCP_PORT": "9092",
        f"{prefix}_PORT_9092_TCP_ADDR": "10.0.0.11",
        f"{prefix}_PORT_53_UDP": "udp://10.0.0.11:53",
    }


@pytest.mark.parametrize("service", SERVICES)
def test_what_kubernetes_says_of_services_is_ignored(service: str) -> None:
    assert load(None, of_a_service(service)) == load(None, {})


def test_a_setting_with_the_name_of_a_services_variable_can_still_be_set() -> None:
    found = load(None, {**of_a_service("clickstream-broker"), "CLICKSTREAM_METRICS_PORT": "9100"})
    assert (found["broker.port"], found["metrics-port"]) == (9092, 9100)


def test_no_setting_is_lost_for_its_name() -> None:
    names = [*(entry.environment for entry in SETTINGS.values()), *map(variable_of, OPTIONS)]
    assert [name for name in names if is_of_kubernetes(name, "5")] == []
    assert len(set(names)) == len(names)


# --- options of long-running commands


def test_an_option_is_set_by_the_environment_or_a_file(file: Callable[[str | bytes], Path]) -> None:
    path = file('[run-counter]\ngroup = "mine"\nexit-at-end = true\n[run-producer]\ncount = 5\nevent = ["a=1", "b=2"]')
    found = load(path, {"CLICKSTREAM_RUN_COUNTER_GROUP": "other"}).options
    assert {name: value.value for name, value in found.items()} == {
        "run-counter.group": "other",
        "run-counter.exit-at-end": "true",
        "run-producer.count": "5",
        "run-producer.event": ("a=1", "b=2"),
    }
    assert found["run-counter.group"].source == "environment variable CLICKSTREAM_RUN_COUNTER_GROUP"
    assert found["run-producer.count"].source == str(path)


def test_an_option_of_another_kind_is_refused(file: Callable[[str | bytes], Path]) -> None:
    path = file("[generate-web]\nstart = 2026-01-01")
    assert refusal(path) == (
        f"Setting generate-web.start in {path} must be a text, a number, true, false or a list of texts."
    )


def test_an_unknown_option_names_the_nearest() -> None:
    assert refusal(CLICKSTREAM_RUN_COUNTER_GRUOP="x").endswith("Did you mean CLICKSTREAM_RUN_COUNTER_GROUP?")


@pytest.mark.parametrize("command", ["RUN_COUNTER", "TABLES_RUN"])
def test_what_is_for_one_start_is_not_for_the_environment(command: str) -> None:
    """A pod would forget its counts at every restart."""
    assert refusal(None, **{f"CLICKSTREAM_{command}_RESET": "1"}) == (
        f"Unknown environment variable CLICKSTREAM_{command}_RESET. --reset is for one start, and an environment "
        "lasts: use the option."
    )
