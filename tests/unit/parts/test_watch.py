"""What parts say of themselves in the status topic."""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.statistics import LostBrokers
from clickstream.parts import watch
from clickstream.parts.endpoint import Endpoint
from clickstream.parts.part import run_noting_failure
from clickstream.parts.watch import watched
from clickstream.records import Requests, RunningSql, Status, decode
from tests.support import PATIENCE, wait_until
from tests.unit.mockkafka import MockKafka
from tests.unit.parts.doubles import Named, Working

NOT_IDEMPOTENT = {"enable.idempotence": "false"}


@pytest.fixture
def kafka(kafka: MockKafka, monkeypatch: pytest.MonkeyPatch) -> MockKafka:
    kafka.create("status", 1)
    monkeypatch.setattr(watch, "ensure", lambda _cluster, topics, _stop=None: topics)
    # Without idempotence the client need not ask for an id first, which takes half a second.
    kafka.cluster = Cluster(kafka.cluster.address, for_producers=NOT_IDEMPOTENT)
    return kafka


def written(kafka: MockKafka) -> list[tuple[str, bytes | None]]:
    found: list[Message] = []
    read_to_end(kafka.cluster, "status", found.append)
    return [((one.key() or b"").decode(), one.value()) for one in found]


def reports(kafka: MockKafka) -> list[tuple[str, Status | None]]:
    """Without what parts say of their SQL."""
    found = [(key, value) for key, value in written(kafka) if not key.endswith("/plan")]
    return [(key, decode(value, Status) if value is not None else None) for key, value in found]


def test_a_part_says_what_it_is_and_how_it_does(kafka: MockKafka, part: Working) -> None:
    part.lag = 7.0
    with watched(kafka.cluster, [part], status_topic="status", metrics=Endpoint()):
        (key, status), *_ = wait_until(lambda: reports(kafka))
    assert status is not None
    assert key == status.id == f"counter-{socket.gethostname()}-{os.getpid()}"
    assert (status.kind, status.host, status.state) == ("counter", socket.gethostname(), "running")
    assert status.topics == ["clicks", "tallies"]
    assert status.gauges == {"lag": 7.0}
    assert status.rates.keys() == status.totals.keys() == {"counted", "dead_letters"}


def test_all_parts_of_a_process_are_told_apart(kafka: MockKafka) -> None:
    with watched(kafka.cluster, [Named("a"), Named("b")], status_topic="status", metrics=Endpoint()):
        wait_until(lambda: len(written(kafka)) >= 4, 60)
        found = dict(written(kafka))
    ids = [f"counter-{socket.gethostname()}-{os.getpid()}-{name}" for name in "ab"]
    assert found.keys() == {*ids, *(f"{one}/plan" for one in ids)}
    status: Status = decode(found[ids[0]], Status)
    assert (status.name, status.group, status.last_success) == ("a", "group-of-a", "1970-01-01T00:01:00UTC")
    assert status.positions == Named("a").positions()
    sql: RunningSql = decode(found[f"{ids[1]}/plan"], RunningSql)
    assert sql == RunningSql(ids[1], "b", "SELECT 1", {"edges": []})
    assert {value for _, value in written(kafka)[-4:]} == {None}  # all of it is taken back


def test_the_last_warning_of_the_process_is_reported(
    kafka: MockKafka, part: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "STATUS_EVERY_S", 0.05)
    loggers = logging.getLogger("clickstream"), logging.getLogger("librdkafka")
    with watched(kafka.cluster, [part], status_topic="status", metrics=Endpoint()):
        loggers[0].info("All is well.")
        assert part.asked.acquire(timeout=60 * PATIENCE)
        loggers[0].getChild("tables").warning("A record of %s is bad.", "clicks")
        loggers[1].error("not ours")
        found = wait_until(lambda: [one for _, one in reports(kafka) if one and one.error], 60)
    assert found[-1].error == "A record of clicks is bad."
    assert found[-1].error_at is not None
    assert not loggers[0].handlers


def test_statuses_that_time_out_are_no_trouble_of_the_part(
    kafka: MockKafka, part: Working, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "STATUS_EVERY_S", 0.05)
    monkeypatch.setitem(watch._SETTINGS, "message.timeout.ms", 100)
    with (
        caplog.at_level(logging.DEBUG, "clickstream"),
        watched(kafka.cluster, [part], status_topic="status", metrics=Endpoint()),
    ):
        wait_until(lambda: reports(kafka), 60)
        with kafka.down():
            wait_until(lambda: "was not delivered" in caplog.text, 60)
        before = len(reports(kafka))
        found = wait_until(lambda: [one for _, one in reports(kafka)[before:] if one], 60)
    assert {record.levelno for record in caplog.records if "was not delivered" in record.message} == {logging.DEBUG}
    assert "was not delivered" not in (found[-1].error or ""), "that Kafka does not answer is"


def test_a_warning_that_names_topics_is_about_their_parts_only() -> None:
    first, second = Working(), Working()
    second.topics = ["clicks", "visits.per-minute"]
    errors = watch.LastError([first, second])

    def about() -> list[str | None]:
        return [said[0] if (said := errors.about(part)) else None for part in (first, second)]

    def warn(text: str) -> None:
        errors.emit(logging.LogRecord("clickstream", logging.WARNING, "", 1, text, None, None))

    warn("Topic visits.per-minute does not exist yet; waiting for it.")
    assert about() == [None, "Topic visits.per-minute does not exist yet; waiting for it."]
    warn("Nobody reads clicks.")
    assert about() == ["Nobody reads clicks."] * 2
    warn("The disk is nearly full.")
    assert about() == ["The disk is nearly full."] * 2


def test_a_plan_that_no_broker_would_take_is_not_sent(
    kafka: MockKafka, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "MAX_SQL_BYTES", 10)
    with watched(kafka.cluster, [Named("a")], status_topic="status", metrics=Endpoint()):
        wait_until(lambda: reports(kafka), 60)
    assert not [key for key, _ in written(kafka) if key.endswith("/plan")]
    assert not caplog.records


def test_new_requests_are_told_and_taken_back(kafka: MockKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    class Explaining(Working):
        new: list[dict[str, Any]] | None = None

        def requests(self) -> list[dict[str, Any]] | None:
            found, self.new = self.new, None
            return found

    monkeypatch.setattr(watch, "STATUS_EVERY_S", 0.01)
    monkeypatch.setattr(watch, "MAX_REQUESTS_BYTES", 200)
    part = Explaining()
    with watched(kafka.cluster, [part], status_topic="status", metrics=Endpoint()):
        part.new = [{"number": number} for number in range(100)]
        told = wait_until(lambda: [one for one in written(kafka) if one[0].endswith("/requests")], 60)
    (key, value), *more = told
    requests: Requests = decode(value, Requests)
    assert requests.requests[-1] == {"number": 99}  # the latest ones that fit
    assert 0 < len(requests.requests) < 100
    assert more == []
    assert (key, None) in written(kafka)


def test_it_says_so_again_and_again(kafka: MockKafka, part: Working, monkeypatch: pytest.MonkeyPatch) -> None:
    assert watch.STATUS_EVERY_S == 2.0
    monkeypatch.setattr(watch, "STATUS_EVERY_S", 0.01)
    with watched(kafka.cluster, [part], status_topic="status", metrics=Endpoint()):
        for _ in range(3):
            assert part.asked.acquire(timeout=10 * PATIENCE)
    assert len([status for _, status in reports(kafka) if status]) >= 2


def test_it_goes_on_when_its_client_has_lost_all_brokers(
    kafka: MockKafka, part: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = threading.Event()

    def lose(_report: str) -> None:
        if not lost.is_set():
            lost.set()
            raise LostBrokers("there are none")

    monkeypatch.setattr(watch, "STATUS_EVERY_S", 0.02)
    monkeypatch.setattr(watch, "_SETTINGS", {**watch._SETTINGS, "statistics.interval.ms": 20, "stats_cb": lose})
    with watched(kafka.cluster, [part], status_topic="status", metrics=Endpoint()):
        assert lost.wait(30 * PATIENCE)
        while part.asked.acquire(blocking=False):
            pass
        for _ in range(3):
            assert part.asked.acquire(timeout=30 * PATIENCE)
    assert reports(kafka)[-1] == (watch.id_of(part), None)


def test_a_part_that_ends_leaves_a_tombstone(kafka: MockKafka, part: Working) -> None:
    with watched(kafka.cluster, [part], status_topic="status", metrics=Endpoint()):
        assert part.asked.acquire(timeout=10 * PATIENCE)
    *_, (key, status) = reports(kafka)
    assert (key, status) == (f"counter-{socket.gethostname()}-{os.getpid()}", None)


def last_reports(kafka: MockKafka) -> dict[str, Status | None]:
    """By the name of the part."""
    return {key.rpartition("-")[2]: value for key, value in reports(kafka)}


def end_by(kafka: MockKafka, parts: list[Working], problem: BaseException) -> None:
    """Have parts watched until they have reported; then `problem` ends them."""
    with watched(kafka.cluster, parts, status_topic="status", metrics=Endpoint()):
        wait_until(lambda: len({key for key, _ in reports(kafka)}) == len(parts), 60)
        raise problem


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (ClickstreamError("The disk is full.\nFree some space."), "The disk is full. Free some space."),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (KeyError("hunter2"), "unexpected KeyError: the output of the command says more"),
    ],
)
def test_a_part_that_fails_leaves_the_reason_and_the_time(kafka: MockKafka, problem: Exception, why: str) -> None:
    with pytest.raises(type(problem)):
        end_by(kafka, [Named("a")], problem)
    status = last_reports(kafka)["a"]
    assert status is not None
    assert (status.state, status.error) == ("failed", why)
    assert status.error_at is not None
    assert set(status.rates.values()) == {0.0}
    assert written(kafka)[-1] == (f"{status.id}/plan", None)  # it runs no SQL any more


def test_a_secret_is_not_in_the_reason(kafka: MockKafka, monkeypatch: pytest.MonkeyPatch, part: Working) -> None:
    monkeypatch.setattr(watch, "MAX_ERROR_CHARACTERS", 30)
    cluster = Cluster(kafka.cluster.address, common={"sasl.password": "hunter2"}, for_producers=NOT_IDEMPOTENT)
    with pytest.raises(ClickstreamError), watched(cluster, [part], status_topic="status", metrics=Endpoint()):
        raise ClickstreamError("http://me:pw@host refused: hunter2.")
    status = reports(kafka)[-1][1]
    assert status is not None
    assert status.error == "http://[hidden]@host refused: "


def test_of_several_parts_the_one_that_failed_says_so_at_once_and_in_the_end(
    kafka: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "STATUS_EVERY_S", 0.05)

    class Failing(Named):
        def run(self, stop: threading.Event) -> None:
            raise ClickstreamError("The state is damaged.")

    good, bad = Named("good"), Failing("bad")
    with watched(kafka.cluster, [good, bad], status_topic="status", metrics=Endpoint()):
        with pytest.raises(ClickstreamError, match="damaged"):
            run_noting_failure(bad, threading.Event())
        wait_until(lambda: any(one and one.state == "failed" for _, one in reports(kafka)), 60)
        assert last_reports(kafka)["good"] is not None
    last = last_reports(kafka)
    assert last["good"] is None
    assert last["bad"] is not None
    assert (last["bad"].state, last["bad"].error) == ("failed", "The state is damaged.")


def test_without_a_part_of_its_own_a_failure_is_that_of_all(kafka: MockKafka) -> None:
    with pytest.raises(ClickstreamError):
        end_by(kafka, [Named("a"), Named("b")], ClickstreamError("3 records were not delivered."))
    errors = {name: one and (one.state, one.error) for name, one in last_reports(kafka).items()}
    assert errors == dict.fromkeys("ab", ("failed", "3 records were not delivered."))


@pytest.mark.parametrize("end", [KeyboardInterrupt(), BrokenPipeError()])
def test_who_is_asked_to_leave_has_not_failed(kafka: MockKafka, part: Working, end: BaseException) -> None:
    with pytest.raises(type(end)):
        end_by(kafka, [part], end)
    assert reports(kafka)[-1][1] is None


def test_a_status_topic_that_cannot_be_is_said_once_and_stops_nothing(
    kafka: MockKafka, part: Working, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_cluster: object, _topics: object, _stop: object = None) -> None:
        raise ClickstreamError("no ACL")

    monkeypatch.setattr(watch, "ensure", refuse)
    with watched(kafka.cluster, [part], status_topic="status", metrics=Endpoint()):
        part.counted += 1
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "No status reports: no ACL")
    ]
    assert reports(kafka) == []


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    wait_until(lambda: not {one for one in set(threading.enumerate()) - before if one.name == "status"})
