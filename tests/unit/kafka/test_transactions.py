import itertools
import threading
from collections.abc import Mapping
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.kafka import given
from clickstream.kafka import transactions as module
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.patience import Stopped
from clickstream.kafka.transactions import ATTEMPTS, GRACE_S, Fenced, Record, RefusedRecord, Transactions
from tests.unit.fakes import Clock
from tests.unit.mockkafka import ADD_PARTITIONS_TO_TXN, END_TXN, INIT_PRODUCER_ID, PRODUCE, MockKafka

HEADERS: list[tuple[str, str | bytes | None]] = [("epoch", b"0")]
RECORDS: list[Record] = [Record("out", b"g", b"1", HEADERS), Record("out", b"g", b"2")]


def written(kafka: MockKafka, topic: str = "out") -> list[Message]:
    found: list[Message] = []
    read_to_end(kafka.cluster, topic, found.append)
    return found


# --- transactions, with the real client


@pytest.fixture
def kafka(kafka: MockKafka) -> MockKafka:
    kafka.create("out", 1)
    return kafka


@pytest.fixture
def transactions(kafka: MockKafka) -> Transactions:
    return Transactions(kafka.cluster, "g")


def test_records_are_written_as_they_are(kafka: MockKafka, transactions: Transactions) -> None:
    transactions.commit(RECORDS)
    assert [(one.key(), one.value(), one.headers()) for one in written(kafka)] == [
        (b"g", b"1", [("epoch", b"0")]),
        (b"g", b"2", None),
    ]


@pytest.mark.parametrize("section", ["kafka", "producer"])
@pytest.mark.parametrize("ms", ["0", "20000", "60000"])
@pytest.mark.parametrize("name", ["message.timeout.ms", "delivery.timeout.ms"])
def test_what_the_user_says_for_all_producers_does_not_keep_it_from_writing(
    kafka: MockKafka, section: str, name: str, ms: str
) -> None:
    sections = given.nothing()
    properties = {name: ms, "socket.timeout.ms": "60000", "request.timeout.ms": "60000"}
    given.add(sections, section, {name: given.Property(text, "-X") for name, text in properties.items()})
    common, for_producers = given.texts(sections["kafka"]), given.texts(sections["producer"])
    cluster = Cluster(kafka.cluster.address, common=common, for_producers=for_producers)
    Transactions(cluster, "g").commit(RECORDS)
    assert [one.value() for one in written(kafka)] == [b"1", b"2"]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE),
        (ADD_PARTITIONS_TO_TXN, KafkaError.TOPIC_AUTHORIZATION_FAILED),
        (PRODUCE, KafkaError.UNKNOWN_PRODUCER_ID),
        (END_TXN, KafkaError.CONCURRENT_TRANSACTIONS),
        (ADD_PARTITIONS_TO_TXN, KafkaError.COORDINATOR_LOAD_IN_PROGRESS),
    ],
)
def test_what_fails_once_is_written_again(
    kafka: MockKafka, transactions: Transactions, request_: int, error: int
) -> None:
    kafka.fail_next(request_, error)
    transactions.commit(RECORDS)
    assert [one.value() for one in written(kafka)] == [b"1", b"2"]


def test_what_fails_in_the_middle_of_a_large_transaction_is_written_again(
    kafka: MockKafka, transactions: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client then refuses the next record for its own state, and does not say why."""
    kafka.fail_next(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    records: list[Record] = [Record("out", b"g", b"%d" % number) for number in range(3_000)]
    asked = 0

    def slowly(*record: Any) -> None:
        nonlocal asked
        asked += 1
        if asked % 100 == 0:
            transactions._producer.poll(0.01)
        Transactions._produce(transactions, *record)

    monkeypatch.setattr(transactions, "_produce", slowly)
    transactions.commit(records)
    assert asked > 3_000, "it did not fail"
    assert [one.value() for one in written(kafka)][-3_000:] == [record.value for record in records]


def test_the_answer_of_an_earlier_call_does_not_end_an_abort(
    kafka: MockKafka, transactions: Transactions, mocker: MockerFixture
) -> None:
    """The client keeps the answer to a call that timed out, and gives it to the next one, whichever that is."""
    kafka.fail_next(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    client = transactions._producer
    late = KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, txn_requires_abort=True))
    asked = itertools.count()

    def abort(timeout: float) -> None:
        if next(asked) == 0:
            raise late
        client.abort_transaction(timeout)

    transactions._producer = mocker.Mock(wraps=client, abort_transaction=abort)
    transactions.commit(RECORDS)
    assert next(asked) >= 2, "it was not asked again"
    assert [one.value() for one in written(kafka)] == [b"1", b"2"]


def test_what_fails_again_and_again_is_an_error_and_leaves_no_transaction_open(
    kafka: MockKafka, transactions: Transactions
) -> None:
    kafka.fail_next(PRODUCE, *[KafkaError.MSG_SIZE_TOO_LARGE] * ATTEMPTS)
    with pytest.raises(ClickstreamError, match=r"Publishing at .* too large.* Raise max\.message\.bytes") as stop:
        transactions.commit(RECORDS)
    assert not isinstance(stop.value, Fenced)
    transactions.commit(RECORDS)
    assert [one.value() for one in written(kafka)] == [b"1", b"2"]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (ADD_PARTITIONS_TO_TXN, KafkaError.PRODUCER_FENCED),
        (ADD_PARTITIONS_TO_TXN, KafkaError.INVALID_PRODUCER_EPOCH),
        (PRODUCE, KafkaError.INVALID_PRODUCER_EPOCH),
        (END_TXN, KafkaError.PRODUCER_FENCED),
        (END_TXN, KafkaError.INVALID_TXN_STATE),
    ],
)
def test_a_newer_publisher_ends_this_one(
    kafka: MockKafka, transactions: Transactions, request_: int, error: int
) -> None:
    kafka.fail_next(request_, error)
    with pytest.raises(Fenced):
        transactions.commit(RECORDS)


def test_after_any_fatal_error_a_new_publisher_may_go_on(kafka: MockKafka, transactions: Transactions) -> None:
    kafka.break_for_good(transactions._producer, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)
    with pytest.raises(Fenced):
        transactions.commit(RECORDS)


@pytest.mark.parametrize("request_", [INIT_PRODUCER_ID, END_TXN])
def test_what_is_forbidden_is_said_and_is_no_other_publisher(kafka: MockKafka, request_: int) -> None:
    with pytest.raises(ClickstreamError, match=r"authorization failed.* ACL on that transactional id") as stop:  # noqa: PT012
        if request_ == INIT_PRODUCER_ID:
            kafka.fail_next(request_, KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        transactions = Transactions(kafka.cluster, "g")
        kafka.fail_next(request_, KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        transactions.commit(RECORDS)
    assert not isinstance(stop.value, Fenced)


# --- transactions, step by step

RETRIABLE = KafkaError(KafkaError._TIMED_OUT, "later", False, True)
ABORTABLE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "too large", False, False, True)
NEITHER = KafkaError(KafkaError.INVALID_REQUEST, "no")


class Steps:
    """A transactional producer that says what it is asked, and fails as it is told: step -> errors, one each."""

    def __init__(self, **errors: list[KafkaError]) -> None:
        self.errors = errors
        self.asked: list[str] = []

    @property
    def cluster(self) -> Cluster:
        return cast(Cluster, self)

    address = "host:9092"

    def producer(self, _settings: Mapping[str, Any]) -> Producer:
        return cast(Producer, self)

    def _step(self, name: str) -> None:
        self.asked.append(name)
        if self.errors.get(name):
            raise KafkaException(self.errors[name].pop(0))

    def init_transactions(self, _timeout: float) -> None:
        self._step("init")

    def begin_transaction(self) -> None:
        self._step("begin")

    def produce(self, _topic: str, value: bytes, _key: bytes, **_rest: object) -> None:
        self._step("produce")

    def commit_transaction(self, _timeout: float) -> None:
        self._step("commit")

    def abort_transaction(self, _timeout: float) -> None:
        self._step("abort")

    def poll(self, _timeout: float) -> None:
        self._step("poll")


def steps(**errors: list[KafkaError]) -> list[str]:
    """What a commit of one record asks of a producer that fails so."""
    producer = Steps(**errors)
    transactions = Transactions(producer.cluster, "g")
    producer.asked.clear()
    transactions.commit(RECORDS[:1])
    return producer.asked


ONCE = ["begin", "produce", "commit"]


def test_a_transaction() -> None:
    assert steps() == ONCE


def test_a_step_that_may_work_later_is_asked_again_and_nothing_is_written_twice() -> None:
    assert steps(commit=[RETRIABLE, RETRIABLE]) == ["begin", "produce", "commit", "poll", "commit", "poll", "commit"]


def test_an_abortable_failure_is_aborted_and_made_again() -> None:
    assert steps(commit=[ABORTABLE]) == [*ONCE, "abort", *ONCE]
    assert steps(produce=[ABORTABLE]) == ["begin", "produce", "abort", *ONCE]


def test_an_abort_that_may_work_later_is_asked_again() -> None:
    assert steps(commit=[ABORTABLE], abort=[RETRIABLE]) == [*ONCE, "abort", "poll", "abort", *ONCE]


def test_any_other_failure_is_aborted_and_said() -> None:
    producer = Steps(commit=[NEITHER])
    transactions = Transactions(producer.cluster, "g")
    with pytest.raises(ClickstreamError, match="Publishing at host:9092 failed: no"):
        transactions.commit(RECORDS[:1])
    assert producer.asked == ["init", *ONCE, "abort"]


def test_an_abort_that_fails_is_said() -> None:
    with pytest.raises(ClickstreamError, match="failed: no"):
        steps(commit=[ABORTABLE], abort=[NEITHER])


@pytest.mark.parametrize("code", [KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError._FATAL])
def test_when_it_is_over_nothing_more_is_asked(code: int) -> None:
    producer = Steps(produce=[KafkaError(code)])
    transactions = Transactions(producer.cluster, "g")
    with pytest.raises(Fenced):
        transactions.commit(RECORDS[:1])
    assert producer.asked == ["init", "begin", "produce"]


def test_a_broker_that_stays_away_is_waited_for_until_a_stop() -> None:
    producer = Steps(commit=[RETRIABLE] * 1_000)
    Transactions(producer.cluster, "g", threading.Event()).commit(RECORDS[:1])
    assert producer.asked.count("commit") == 1_001


def test_after_a_stop_a_step_that_is_under_way_is_given_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    stop = threading.Event()
    producer = Steps(commit=[RETRIABLE] * 1_000_000)
    transactions = Transactions(producer.cluster, "g", stop)
    stop.set()
    begun = clock.now

    def later(_timeout: float) -> None:
        clock.now += 1

    producer.poll = later  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        transactions.commit(RECORDS[:1])
    assert clock.now == pytest.approx(begun + GRACE_S, abs=2)


def test_records_that_time_out_in_an_outage_are_written_again_as_often_as_it_takes() -> None:
    timed_out = KafkaError(KafkaError._MSG_TIMED_OUT, "timed out", False, False, True)
    asked = steps(commit=[timed_out] * 20)
    assert asked == [*[*ONCE, "abort"] * 20, *ONCE]


def test_a_full_local_queue_is_waited_for(mocker: MockerFixture) -> None:
    producer = mocker.Mock()
    producer.produce.side_effect = [BufferError, BufferError, None]
    transactions = Transactions(mocker.Mock(producer=lambda _settings: producer), "g")
    transactions.commit(RECORDS[:1])
    assert producer.produce.call_count == 3
    producer.commit_transaction.assert_called_once()


def test_closing_does_not_wait_for_a_broker_that_may_be_away(mocker: MockerFixture) -> None:
    producer = mocker.Mock()
    Transactions(mocker.Mock(producer=lambda _settings: producer), "g").close()
    assert [call[0] for call in producer.method_calls] == ["init_transactions", "purge", "flush"]
    producer.flush.assert_called_once_with(0)


@pytest.mark.parametrize(
    ("error", "attempts", "kind", "words"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, ATTEMPTS, "too-large", r"Raise max\.message\.bytes"),
        (KafkaError.INVALID_TIMESTAMP, 1, "invalid-timestamp", r"message\.timestamp\.after\.max\.ms"),
        (KafkaError.INVALID_RECORD, 1, "invalid-record", "compacted topic takes no record without a key"),
    ],
)
def test_a_record_that_is_refused_is_told_from_other_failures(
    kafka: MockKafka, transactions: Transactions, error: int, attempts: int, kind: str, words: str
) -> None:
    kafka.fail_next(PRODUCE, *[error] * attempts)
    with pytest.raises(RefusedRecord, match=f"topic out refuses a record: .*{words}") as refused:
        transactions.commit(RECORDS)
    assert refused.value.kind == kind
    transactions.commit(RECORDS)
    assert [one.value() for one in written(kafka)][-2:] == [b"1", b"2"]


def test_the_group_is_the_transactional_id(mocker: MockerFixture) -> None:
    cluster = mocker.Mock()
    Transactions(cluster, "my-group")
    assert cluster.producer.call_args.args[0]["transactional.id"] == "my-group"
