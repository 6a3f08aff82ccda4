"""Names of properties: those that the client knows, those of variables, and those that were typed wrongly."""

import ctypes
from pathlib import Path

import confluent_kafka
import pytest

from clickstream.errors import ConfigError
from clickstream.kafka import properties
from tests.unit.kafka.refusals import refusal

# --- names


@pytest.mark.parametrize("name", sorted(properties.KNOWN))
def test_the_installed_client_knows_every_name(name: str) -> None:
    assert "No such configuration property" not in refusal({name: "\x01"})


def test_the_installed_client_refuses_another_name() -> None:
    assert 'No such configuration property: "sasl.user"' in refusal({"sasl.user": "x"})


def test_the_names_are_all_that_the_installed_client_lists(tmp_path: Path) -> None:
    bundled = list(Path(confluent_kafka.__file__).parent.parent.glob("confluent_kafka.libs/librdkafka*.so*"))
    if not bundled:
        pytest.skip("this build of confluent-kafka has no librdkafka of its own to ask")
    library, libc = ctypes.CDLL(str(bundled[0])), ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    file = ctypes.c_void_p(libc.fopen(str(tmp_path / "table").encode(), b"w"))
    library.rd_kafka_conf_properties_show(file)
    libc.fclose(file)
    rows = [
        [cell.strip() for cell in line.split("|")]
        for line in (tmp_path / "table").read_text().splitlines()
        if line.count("|") >= 5 and "see dedicated API" not in line
    ]
    listed = {(name, kind) for name, kind, *_ in rows if kind in ("P", "C", "*")}

    def kind(name: str) -> str:
        return "P" if name in properties.PRODUCER_ONLY else "C" if name in properties.CONSUMER_ONLY else "*"

    mock = {"test.mock.num.brokers", "test.mock.broker.rtt"}
    assert {(name, kind(name)) for name in properties.KNOWN - mock} == listed


def test_check_passes_known_names() -> None:
    properties.check({"linger.ms": "5", "ssl.key.pem": "", "test.mock.num.brokers": "1"}, "-X")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("linger.mss", "Did you mean linger.ms?"),
        ("colour", "CONFIGURATION.md"),
        ("sasl.jaas.config", "--kafka-config"),
        ("ssl.truststore.location", "--kafka-config"),
        ("error_cb", "CONFIGURATION.md"),
    ],
)
def test_check_names_what_is_unknown_where_it_came_from_and_the_way_out(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        properties.check({"linger.ms": "5", name: "hunter2"}, "[kafka] of my.toml")
    assert f"Unknown Kafka property {name} in [kafka] of my.toml. " in str(error.value)
    assert hint in str(error.value)
    assert "hunter2" not in str(error.value)


# --- the environment


@pytest.mark.parametrize(
    ("variable", "value", "found"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092", {"bootstrap.servers": "kafka:9092"}),
        ("KAFKA_SASL_USERNAME", "me", {"sasl.username": "me"}),
        ("KAFKA_ENABLE_SSL_CERTIFICATE_VERIFICATION", "false", {"enable.ssl.certificate.verification": "false"}),
        pytest.param("KAFKA_SASL_PASSWORD", "", {}, id="empty is not set"),
        pytest.param("KAFKA_PORT", "tcp://10.0.0.1:9092", {}, id="kubernetes service"),
        pytest.param("KAFKA_SERVICE_HOST", "10.0.0.1", {}, id="kubernetes service host"),
        pytest.param("KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1", {}, id="kubernetes service port"),
        pytest.param("KAFKA_DEBUG", "y", {}, id="switch of Kafka's scripts"),
        pytest.param("KAFKA_LOG_LEVEL", "INFO", {}, id="switch of images"),
        pytest.param("KAFKA_HEAP_OPTS", "-Xmx1g", {}, id="the broker's"),
        pytest.param("KAFKA_ERROR_CB", "x", {}, id="a callback is no text"),
        pytest.param("kafka_acks", "all", {}, id="upper case only"),
        pytest.param("BOOTSTRAP_SERVERS", "kafka:9092", {}, id="without the prefix"),
    ],
)
def test_from_environment(variable: str, value: str, found: dict[str, str]) -> None:
    assert properties.from_environment({"PATH": "/bin", variable: value}) == found


def test_no_two_names_share_a_variable() -> None:
    names = {name for name in properties.KNOWN if name not in ("debug", "log_level")}
    variables = {"KAFKA_" + name.upper().replace(".", "_"): "x" for name in names}
    assert properties.from_environment(variables).keys() == names


# --- values


@pytest.mark.parametrize(
    ("text", "number"),
    [("16", 16), ("0x10", 16), ("0X1f", 31), ("020", 16), ("0", 0), ("-1", -1), (" +7 ", 7), ("12s", 12), ("09", 0)],
)
def test_a_number_is_read_as_the_client_reads_it(text: str, number: int) -> None:
    assert properties.whole_number(text) == number
    assert f"value {number} is outside allowed range" in refusal({"message.max.bytes": text})


def test_what_begins_with_no_number_is_none() -> None:
    with pytest.raises(ValueError, match="whole number"):
        properties.whole_number("soon")


# --- what was typed wrongly


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sasl.password:hunter2", "sasl.password has no value; write -X sasl.password=VALUE."),
        ("sasl.password hunter2", "sasl.password has no value; write -X sasl.password=VALUE."),
        ("sasl.password: hunter.2", "sasl.password has no value; write -X sasl.password=VALUE."),
        ("linger.ms", "linger.ms has no value; write -X linger.ms=VALUE."),
        ("hunter2", "write -X KEY=VALUE; what was given is not shown, it may be a secret."),
        ("password:hunter2", "write -X KEY=VALUE; what was given is not shown, it may be a secret."),
    ],
)
def test_a_value_without_its_sign_is_not_shown(text: str, said: str) -> None:
    assert properties.without_value(text) == said


@pytest.mark.parametrize("name", ["sasl.password:hunter2", "sasl.password hunter2", "hunter2+/", "sasl.password "])
def test_a_name_that_may_hold_a_secret_is_not_shown(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^Unknown Kafka property in -X\. ") as error:
        properties.check([name], "-X")
    assert "hunter2" not in str(error.value)
