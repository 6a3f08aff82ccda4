from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka import admin as admin_module
from clickstream.kafka import patience
from clickstream.kafka.admin import create, delete
from clickstream.kafka.clients import Cluster
from clickstream.topics import Declared, declared, ensure, require

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A topics file with this text."""

    def write(text: str) -> Path:
        path = tmp_path / "topics.toml"
        path.write_bytes(text.encode("latin-1"))
        return path

    return write


def test_the_shipped_topics_are_well_formed() -> None:
    assert declared()["event-topic"] == Declared("event-topic", 3, -1)


def test_when_a_part_said_something_is_by_kafkas_clock() -> None:
    assert declared()["clickstream-status"].config["message.timestamp.type"] == "LogAppendTime"


def test_a_file_may_begin_with_a_byte_order_mark(write: Write) -> None:
    assert declared(write("\xef\xbb\xbf[a]\n")) == {"a": Declared("a")}


def test_what_is_left_out_is_the_brokers_default(write: Write) -> None:
    assert declared(write("[a]\n[b]\npartitions = 2\n")) == {"a": Declared("a", -1, -1, {}), "b": Declared("b", 2)}


@pytest.mark.parametrize(
    "text",
    [
        '[t]\nconfig = { "retention.ms" = 60000, "preallocate" = true, "cleanup.policy" = "compact,delete" }',
        '[t.config]\n"retention.ms" = "60000"\npreallocate = "true"\n"cleanup.policy" = ["compact", "delete"]',
        '[t.config]\nretention.ms = 60000\npreallocate = true\ncleanup.policy = "compact,delete"',
    ],
)
def test_settings_become_the_text_that_the_broker_takes(write: Write, text: str) -> None:
    config = {"retention.ms": "60000", "preallocate": "true", "cleanup.policy": "compact,delete"}
    assert declared(write(text)) == {"t": Declared("t", config=config)}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[t", "is not valid TOML"),
        ("# \xff", "is not valid TOML"),
        ("t = 3", "a topic is a table"),
        ("[t]\npartition = 3", r"\[t\]: unknown partition; a topic is a table with partitions"),
        ("[t]\npartitions = 0", r"\[t\]: partitions is 0; a whole number from 1"),
        ("[t]\npartitions = -2", "partitions is -2"),
        ("[t]\npartitions = true", "partitions is True"),
        ("[t]\npartitions = 3.0", r"partitions is 3\.0"),
        ('[t]\npartitions = "3"', "partitions is '3'"),
        ("[t]\npartitions = 1000000000000", "partitions is 1000000000000"),
        ("[t]\nreplication-factor = 0", "replication-factor is 0"),
        ("[t]\nconfig = 3", r"\[t\]: config must be a table"),
        ("[t.config]\na = [1]", r"\[t\]: a is \[1\]; a text"),
        ("[t.config]\na = 2020-01-01", r"\[t\]: a is datetime"),
        ('["two words"]', r"\[two words\]: a topic name has"),
    ],
)
def test_malformed_files_are_refused_with_their_place(write: Write, text: str, complaint: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError, match=complaint) as raised:
        declared(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"Cannot read {tmp_path / 'none'}: No such file"):
        declared(tmp_path / "none")


@pytest.fixture(autouse=True)
def _nobody_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "RESTARTS_WITHIN_S", 0.0)


class Admin:
    """A cluster with the topics in `there`; creating a topic fails with the code in `refusing`."""

    def __init__(self, *there: str, refusing: dict[str, int] | None = None) -> None:
        self.there = list(there)
        self.refusing = refusing or {}
        self.created: list[Any] = []
        self.listed = 0
        self.leaderless = 0  # for so many listings

    def describe_topics(self, asked: Any, **_: Any) -> "dict[str, Future[Any]]":
        """Says of those in `refusing` that, of others that they do not exist."""
        (name,) = asked.topic_names
        future: Future[Any] = Future()
        code = self.refusing.get(name, KafkaError.UNKNOWN_TOPIC_OR_PART)
        future.set_exception(KafkaException(KafkaError(code)))
        return {name: future}

    def create_topics(self, new: list[Any], **_: Any) -> "dict[str, Future[None]]":
        future: Future[None] = Future()
        [topic] = new
        code = self.refusing.get(topic.topic)
        if code is not None:
            future.set_exception(KafkaException(KafkaError(code)))
        else:
            self.created.append(topic)
            self.there.append(topic.topic)
            future.set_result(None)
        return {topic.topic: future}

    def list_topics(self, **_: Any) -> Any:
        self.listed += 1
        leader = -1 if self.created and self.listed <= self.leaderless else 1
        partition = type("Partition", (), {"leader": leader})
        topic = type("Topic", (), {"error": None, "partitions": {0: partition}})
        return type("Metadata", (), {"topics": dict.fromkeys(self.there, topic)})


@pytest.fixture
def cluster_of(mocker: MockerFixture) -> Callable[[Admin], Cluster]:
    def make(admin: Admin) -> Cluster:
        mocker.patch.object(Cluster, "admin", return_value=admin)
        return Cluster("kafka:9092")

    return make


ClusterOf = Callable[[Admin], Cluster]


def test_only_what_is_missing_is_created(cluster_of: ClusterOf) -> None:
    admin = Admin("event-topic")
    assert ensure(cluster_of(admin), ["event-topic", "my-output"]) == ["my-output"]
    assert [topic.topic for topic in admin.created] == ["my-output"]


def test_a_declared_topic_is_created_as_declared(cluster_of: ClusterOf) -> None:
    admin = Admin()
    ensure(cluster_of(admin), ["clickstream-status", Declared("mine", 5, 2, {"retention.ms": "7"})])
    made = [(new.topic, new.num_partitions, new.replication_factor, new.config) for new in admin.created]
    status = declared()["clickstream-status"]
    assert made == [
        ("clickstream-status", status.partitions, status.replication, status.config),
        ("mine", 5, 2, {"retention.ms": "7"}),
    ]


def test_an_undeclared_topic_gets_the_brokers_defaults(cluster_of: ClusterOf) -> None:
    admin = Admin()
    ensure(cluster_of(admin), ["my-output"])
    assert (admin.created[0].num_partitions, admin.created[0].replication_factor) == (-1, -1)


def test_a_topic_that_someone_else_creates_meanwhile_is_no_error(cluster_of: ClusterOf) -> None:
    admin = Admin(refusing={"t": KafkaError.TOPIC_ALREADY_EXISTS})
    assert create(cluster_of(admin), Declared("t").request()) is False


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "Ask the cluster's administrator"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, "Ask the cluster's administrator"),
        (KafkaError.INVALID_REPLICATION_FACTOR, "fewer brokers than replicas"),
        (KafkaError._TIMED_OUT, "Check the address"),
    ],
)
def test_a_refusal_names_the_topic_the_address_and_the_remedy(cluster_of: ClusterOf, code: int, remedy: str) -> None:
    cluster = cluster_of(Admin(refusing={"my-output": code}))
    failed = "^Creating topic my-output(, which is missing or hidden from this user,)? at kafka:9092 failed: "
    with pytest.raises(ClickstreamError, match=f"{failed}.*{remedy}"):
        ensure(cluster, ["my-output"])


def test_a_created_topic_is_waited_for_until_it_has_a_leader(cluster_of: ClusterOf) -> None:
    admin = Admin()
    admin.leaderless = 4
    ensure(cluster_of(admin), ["t"])
    assert admin.listed == 5


def test_a_topic_that_never_gets_a_leader_is_an_error(cluster_of: ClusterOf, mocker: MockerFixture) -> None:
    admin = Admin()
    admin.leaderless = 1_000_000
    mocker.patch.object(admin_module, "REQUEST_TIMEOUT_S", 0.05)
    with pytest.raises(ClickstreamError, match="Topic t was created but has no leader"):
        ensure(cluster_of(admin), ["t"])


def test_listing_that_fails_is_explained(cluster_of: ClusterOf, mocker: MockerFixture) -> None:
    admin = Admin()
    mocker.patch.object(admin, "list_topics", side_effect=KafkaException(KafkaError(KafkaError._TRANSPORT)))
    with pytest.raises(ClickstreamError, match="that the broker runs"):
        ensure(cluster_of(admin), ["t"])


def test_waiting_that_fails_is_explained(cluster_of: ClusterOf, mocker: MockerFixture) -> None:
    admin = Admin()
    answers = [admin.list_topics(), KafkaException(KafkaError(KafkaError._TRANSPORT))]
    mocker.patch.object(admin, "list_topics", side_effect=answers)
    with pytest.raises(ClickstreamError, match="Listing topics at kafka:9092 failed"):
        ensure(cluster_of(admin), ["t"])


def test_a_missing_input_is_named(cluster_of: ClusterOf) -> None:
    admin = Admin()
    with pytest.raises(ClickstreamError, match=r"event-topic does not exist at kafka:9092.*topics create event-topic"):
        require(cluster_of(admin), "event-topic")
    assert admin.created == []


def test_a_hidden_input_is_not_said_to_be_missing(cluster_of: ClusterOf) -> None:
    admin = Admin(refusing={"event-topic": KafkaError.TOPIC_AUTHORIZATION_FAILED})
    with pytest.raises(
        ClickstreamError, match=r"^Looking up topic event-topic at kafka:9092 failed: .* an ACL on that"
    ):
        require(cluster_of(admin), "event-topic")


def test_a_missing_declared_input_is_created_on_the_embedded_broker(mocker: MockerFixture) -> None:
    admin = Admin()
    mocker.patch.object(Cluster, "admin", return_value=admin)
    assert require(Cluster("localhost:9092", embedded=True), "event-topic") == 1
    assert [topic.topic for topic in admin.created] == ["event-topic"]


def test_deleting_names_the_topic_that_cannot_be_deleted(mocker: MockerFixture) -> None:
    future: Future[None] = Future()
    future.set_exception(KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))
    mocker.patch.object(Cluster, "admin", return_value=mocker.Mock(delete_topics=lambda names, **_: {names[0]: future}))
    with pytest.raises(ClickstreamError, match="Deleting topic t at kafka:9092 failed"):
        delete(Cluster("kafka:9092"), ["t"])
