import logging
import socket
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka import clients, statistics
from clickstream.kafka.clients import Cluster, ErrorLog, client_for
from clickstream.kafka.errors import error_of, explain
from clickstream.kafka.statistics import LostBrokers, Report
from tests.support import PATIENCE
from tests.unit.fakes import Clock
from tests.unit.kafka.brokers import CLUSTER, FakeAdmin
from tests.unit.mockkafka import MockKafka

ADDRESS = "kafka.example:9092"
RECORDS = 400


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The settings of every client that is built; none is."""
    found: list[dict[str, Any]] = []
    for kind in ("LimitedProducer", "LifelineConsumer", "AdminClient"):
        monkeypatch.setattr(clients, kind, lambda settings, *_others: found.append(settings))
    return found


# --- which client


def test_a_client_that_was_brought_is_asked(built: list[dict[str, Any]]) -> None:
    brought = FakeAdmin({}).client
    assert client_for(CLUSTER, brought) is brought
    assert not built
    assert client_for(CLUSTER, None) is not brought
    assert len(built) == 1


def test_the_clients_for_questions_that_come_after_one_another_say_once_that_kafka_is_away(
    built: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "Admin", lambda make: (make(), make()))
    CLUSTER.admin()
    first, second = built
    assert first["error_cb"] is second["error_cb"]


# --- settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enable.idempotence", True),
        ("acks", "all"),
        ("partitioner", "murmur2_random"),
        ("compression.type", "lz4"),
        ("delivery.report.only.error", True),
    ],
)
def test_producers_deliver_what_the_guarantees_need(built: list[dict[str, Any]], name: str, value: object) -> None:
    Cluster(ADDRESS).producer()
    assert built[0][name] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enable.auto.commit", False),
        ("enable.auto.offset.store", False),
        ("auto.offset.reset", "error"),
        ("enable.partition.eof", True),
        ("fetch.queue.backoff.ms", 5),
        ("group.id", "g"),
    ],
)
def test_consumers_neither_commit_nor_jump(built: list[dict[str, Any]], name: str, value: object) -> None:
    Cluster(ADDRESS).consumer("g")
    assert built[0][name] == value


def test_no_client_takes_away_what_the_guarantees_need(built: list[dict[str, Any]]) -> None:
    """A provider's file for all its clients says such things."""
    common = {"enable.auto.commit": "true", "delivery.report.only.error": "false", "group.id": "theirs"}
    for_consumers = {"auto.offset.reset": "earliest", "enable.partition.eof": "false"}
    cluster = Cluster(ADDRESS, common=common, for_consumers=for_consumers)
    cluster.consumer("ours")
    cluster.producer()
    assert [built[0][name] for name in ("enable.auto.commit", "group.id", *for_consumers)] == [
        False,
        "ours",
        "error",
        True,
    ]
    assert built[1]["delivery.report.only.error"] is True


def test_all_clients_go_to_the_clusters_address(built: list[dict[str, Any]]) -> None:
    cluster = Cluster(ADDRESS, common={"bootstrap.servers": "elsewhere:1"})
    cluster.producer()
    cluster.consumer("g")
    cluster.admin()
    assert [settings["bootstrap.servers"] for settings in built] == [ADDRESS] * 3


def test_each_kind_of_client_gets_only_what_it_knows(built: list[dict[str, Any]]) -> None:
    common = {"security.protocol": "ssl", "linger.ms": "7", "fetch.wait.max.ms": "8"}
    cluster = Cluster(ADDRESS, common=common)
    cluster.producer()
    cluster.consumer("g")
    cluster.admin()
    assert [sorted(common.keys() & settings.keys()) for settings in built] == [
        ["linger.ms", "security.protocol"],
        ["fetch.wait.max.ms", "security.protocol"],
        ["security.protocol"],
    ]
    assert built[0]["linger.ms"] == "7", "over our own default"


def test_the_more_special_wins(built: list[dict[str, Any]]) -> None:
    cluster = Cluster(
        ADDRESS,
        common={"client.id": "common", "linger.ms": "1", "socket.timeout.ms": "1"},
        for_producers={"client.id": "producers", "linger.ms": "2"},
        for_consumers={"client.id": "consumers"},
    )
    cluster.producer({"linger.ms": 3})
    cluster.consumer("g", {"fetch.wait.max.ms": 4})
    assert [(one["client.id"], one["socket.timeout.ms"]) for one in built] == [("producers", "1"), ("consumers", "1")]
    assert built[0]["linger.ms"] == 3
    assert built[1]["fetch.wait.max.ms"] == 4


@pytest.mark.parametrize("build", [Cluster.producer, Cluster.admin, lambda cluster: cluster.consumer("g")])
def test_a_property_that_the_client_refuses_is_a_configuration_error(build: Any) -> None:
    with pytest.raises(ConfigError, match=r'^The Kafka client refuses its configuration: .*"security\.protocol"'):
        build(Cluster(ADDRESS, common={"security.protocol": "carrier-pigeon"}))


def test_properties_that_contradict_each_other_are_told_with_their_places() -> None:
    common = {"acks": "1", "enable.idempotence": "true", "client.id": "x"}
    sources = {"acks": "-X", "enable.idempotence": "my.properties line 3", "client.id": "-X"}
    with pytest.raises(ConfigError) as error:
        Cluster(ADDRESS, common=common, sources=sources).producer()
    assert str(error.value).endswith("(given: acks: -X, enable.idempotence: my.properties line 3).")


def test_the_place_of_a_property_is_told_by_whichever_name_the_client_calls_it() -> None:
    name = "max.in.flight.requests.per.connection"
    with pytest.raises(ConfigError) as error:
        Cluster(ADDRESS, common={name: "10"}, sources={name: "-X", "acks": "a file"}).producer()
    assert str(error.value).endswith("(given: max.in.flight: -X).")


# org.apache.kafka.common.utils.UtilsTest: the hash that decides the partition of a Java client.
JAVA_MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


def test_a_key_goes_to_the_partition_that_java_clients_choose(kafka: MockKafka) -> None:
    kafka.create("t", 97)
    producer = kafka.cluster.producer(
        {"linger.ms": 0, "enable.idempotence": False, "delivery.report.only.error": False}
    )
    found: dict[object, int | None] = {}
    for key in JAVA_MURMUR2:
        producer.produce("t", b"", key, on_delivery=lambda _error, one: found.update({one.key(): one.partition()}))
    producer.flush(10 * PATIENCE)
    assert found == {key: (number & 0x7FFFFFFF) % 97 for key, number in JAVA_MURMUR2.items()}


@pytest.mark.parametrize(
    "build",
    [
        lambda cluster: cluster.producer({"transactional.id": "t"}),
        lambda cluster: cluster.producer(patient=True),
        # Its records fail when their time is over, those that come later, too.
        lambda cluster: cluster.producer({"message.timeout.ms": 5_000}),
    ],
)
def test_what_would_wait_for_ever_for_brokers_that_never_come_back_ends(
    built: list[dict[str, Any]], build: Callable[[Cluster], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(statistics, "time", clock)
    build(Cluster(ADDRESS))
    report = '{"name": "clickstream#1", "type": "any", "brokers": {}}'
    built[0]["stats_cb"](report)
    clock.now += statistics.LOST_AFTER_S
    with pytest.raises(LostBrokers):
        built[0]["stats_cb"](report)


@pytest.mark.timeout(60 * PATIENCE)
def test_a_consumer_that_has_lost_its_brokers_hands_over_what_it_has_and_can_be_closed(
    kafka: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As librdkafka's destroy waits for every record that a call which raised had taken from the queue."""
    kafka.create("t", 1)
    producer = kafka.cluster.producer()
    for _ in range(RECORDS):
        producer.produce("t", b"x")
    producer.flush(10 * PATIENCE)
    monkeypatch.setattr(statistics, "LOST_AFTER_S", 0.0)
    monkeypatch.setattr(Report, "has_brokers", lambda _report: False)
    consumer = kafka.cluster.consumer("g", {"statistics.interval.ms": 1, "enable.partition.eof": False})
    consumer.assign([TopicPartition("t", 0, 0)])
    received = consumer.consume(RECORDS // 4, 10 * PATIENCE)

    def read_on() -> None:
        while True:
            received.extend(consumer.consume(RECORDS // 4, 1.0 * PATIENCE))

    with pytest.raises(LostBrokers):
        read_on()
    assert len(received) == RECORDS
    consumer.close()


@pytest.mark.parametrize(("given", "time_out"), [({}, 0), ({"message.timeout.ms": "5000"}, "5000")])
def test_records_wait_however_long_unless_the_user_has_said_for_how_long(
    built: list[dict[str, Any]], given: dict[str, str], time_out: object
) -> None:
    Cluster(ADDRESS, for_producers=given).producer(patient=True)
    assert built[0]["message.timeout.ms"] == time_out


TRANSACTIONAL = {"transactional.id": "x", "transaction.timeout.ms": 30_000}
TIMES: list[str | None] = [None, "0", "20000", "30000", "30101", "0x493e0"]  # the last one: 300,000


@pytest.mark.parametrize("message_ms", TIMES)
@pytest.mark.parametrize("socket_ms", [time for time in TIMES if time != "0"])
@pytest.mark.parametrize("request_ms", [None, "60000"])
def test_the_client_takes_any_time_outs_for_a_transactional_producer(
    message_ms: str | None, socket_ms: str | None, request_ms: str | None
) -> None:
    named = {"message.timeout.ms": message_ms, "socket.timeout.ms": socket_ms, "request.timeout.ms": request_ms}
    common = {name: ms for name, ms in named.items() if ms is not None}
    Cluster(ADDRESS, common=common).producer(TRANSACTIONAL)


@pytest.mark.parametrize(
    ("given", "taken"),
    [("0", 30_000), ("30001", 30_000), ("0x493e0", 30_000), ("30000", "30000"), ("020000", "020000")],
)
def test_only_a_longer_time_out_than_a_transactions_is_cut_to_it(
    built: list[dict[str, Any]], given: str, taken: object
) -> None:
    common = {"message.timeout.ms": given, "request.timeout.ms": "60000", "linger.ms": "7"}
    Cluster(ADDRESS, common=common).producer(TRANSACTIONAL)
    Cluster(ADDRESS, common=common).producer()
    assert [settings["message.timeout.ms"] for settings in built] == [taken, given]
    assert [settings["request.timeout.ms"] for settings in built] == ["60000"] * 2
    assert [settings["linger.ms"] for settings in built] == ["7"] * 2


# --- errors


def test_the_kafka_error_inside_an_exception() -> None:
    error = KafkaError(KafkaError._TRANSPORT)
    assert error_of(error) is error
    assert error_of(KafkaException(error)) is error
    assert error_of(KafkaException("text")) is None
    assert error_of(OSError("text")) is None


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (
            KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "Not allowed.")),
            "Listing at kafka.example:9092 failed: Not allowed. "
            "Ask the cluster's administrator for an ACL on that topic.",
        ),
        (
            KafkaError(KafkaError._AUTHENTICATION, "Bad password"),
            "Listing at kafka.example:9092 failed: Bad password. "
            "Check sasl.mechanism, sasl.username and sasl.password.",
        ),
        (KafkaError(KafkaError.INVALID_REQUEST, "What?"), "Listing at kafka.example:9092 failed: What?."),
        (OSError("no route"), "Listing at kafka.example:9092 failed: no route."),
    ],
)
def test_an_error_becomes_a_sentence_with_a_remedy(problem: Exception, text: str) -> None:
    explained = explain(problem, "Listing", ADDRESS)
    assert (str(explained), explained.exit_code) == (text, 1)


DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
REFUSED = KafkaError(KafkaError._TRANSPORT, "Connection refused")


def test_the_log_says_once_that_the_broker_is_away_and_why(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(clients, "time", clock)
    errors = ErrorLog(ADDRESS)
    for _ in range(3):
        errors(REFUSED)
        errors(DOWN)
    clock.now += ErrorLog.REPEAT_AFTER_S + 0.1
    errors(DOWN)
    assert [record.getMessage() for record in caplog.records] == [
        "Kafka at kafka.example:9092 does not answer (Connection refused); waiting for it."
    ] * 2
    assert errors.last is REFUSED


def test_an_error_that_passes_is_not_said(caplog: pytest.LogCaptureFixture) -> None:
    ErrorLog(ADDRESS)(REFUSED)
    assert caplog.records == []


def test_a_quiet_log_keeps_the_reason_only(caplog: pytest.LogCaptureFixture) -> None:
    errors = ErrorLog(ADDRESS, quiet=True)
    errors(DOWN)
    assert (errors.last, caplog.records) == (DOWN, [])


# --- is it there?


def test_a_broker_that_answers_is_reachable(kafka: MockKafka) -> None:
    kafka.cluster.check()


def test_an_address_where_nothing_listens_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "REACHABLE_WITHIN_S", 0.2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            ClickstreamError, match=f"Connecting to Kafka at {address} failed: .*refused.*Check the add"
        ):
            Cluster(address).check()


def test_a_host_that_does_not_exist_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "REACHABLE_WITHIN_S", 60.0)
    too_long_for_a_name = "x" * 64  # so that no name server is asked
    with pytest.raises(ClickstreamError, match=r"x:9092 failed: .*Check the host name\."):
        Cluster(f"{too_long_for_a_name}:9092").check()


class Admin:
    """Answers at the third attempt."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.error_cb = settings["error_cb"]
        self.attempts = 0

    def list_topics(self, timeout: float) -> None:
        self.attempts += 1
        if self.attempts < 3:
            self.error_cb(REFUSED)
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def poll(self, _timeout: float) -> None:
        pass


def test_a_broker_that_is_coming_up_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "AdminClient", Admin)
    Cluster(ADDRESS).check()


def test_what_is_reported_is_why_and_not_that_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "AdminClient", Admin)
    monkeypatch.setattr(clients, "REACHABLE_WITHIN_S", -1.0)
    with pytest.raises(ClickstreamError, match="Connection refused"):
        Cluster(ADDRESS).check()


def test_what_the_client_logs_goes_to_a_logger_of_its_own(built: list[dict[str, Any]]) -> None:
    Cluster(ADDRESS).admin()
    assert built[0]["logger"] is logging.getLogger("librdkafka")
