"""`clickstream druid`, on a Druid of a few answers."""

import json
from collections.abc import Callable

import pytest

from clickstream.druid import check
from clickstream.kafka.clients import Cluster
from tests.unit.cli.conftest import Outcome, Run
from tests.unit.druid.fakes import answering, status, task
from tests.unit.flink.fakes import serving


@pytest.fixture(autouse=True)
def _kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """One partition, which holds offsets 10 to 99."""
    monkeypatch.setattr(Cluster, "check", lambda _: None)
    monkeypatch.setattr(check, "beginnings", lambda *_: {0: 10})
    monkeypatch.setattr(check, "ends", lambda *_, **__: {0: 100})


@pytest.fixture
def ask(run: Run) -> Callable[..., Outcome]:
    def ask(starting: int, current: int, *more: str, kafka: str = "kafka:9092") -> Outcome:
        told = status(activeTasks=[task({"0": starting}, {"0": current})])
        with serving(answering(told)) as server:
            return run("druid", "check", "clicks", "--url", f"http://{server.address}", "-b", kafka, *more)

    return ask


def test_all_is_well(ask: Callable[..., Outcome]) -> None:
    outcome = ask(40, 60)

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        "clicks: RUNNING, reads clicks-topic",
        "PARTITION  PUBLISHED  READ  BEGIN  END  LAG",
        "        0         40    60     10  100   40",
        "A reset would go on from the beginning of the topic: 90 records to read, 30 of them twice in Druid then; "
        "0 lost.",
    ]


def test_something_is_wrong(ask: Callable[..., Outcome]) -> None:
    outcome = ask(2, 5)

    assert outcome.code == 1
    assert outcome.err == (
        "Wrong: clicks-topic partition 0: Druid is at 5, the log begins at 10: 5 records were deleted before it read "
        "them.\n"
    )


def test_a_supervisor_without_tasks(run: Run) -> None:
    with serving(answering(status())) as server:
        outcome = run("druid", "check", "clicks", "--url", f"http://{server.address}", "-b", "kafka:9092")

    assert (outcome.code, outcome.err) == (1, "Wrong: Druid has no task that tells how far it is.\n")
    assert "90 records to read; how many of them Druid has, it does not tell." in outcome.out


def test_as_json(ask: Callable[..., Outcome]) -> None:
    outcome = ask(2, 5, "--json")

    assert outcome.code == 1
    found = json.loads(outcome.out)
    assert found["partitions"][0]["problem"] in found["problems"][0]
    del found["partitions"][0]["problem"], found["problems"]
    assert found == {
        "supervisor": "clicks",
        "topic": "clicks-topic",
        "state": "RUNNING",
        "healthy": True,
        "suspended": False,
        "partitions": [{"partition": 0, "published": 2, "read": 5, "begin": 10, "end": 100, "lag": 95}],
        "reset": {"earliest": True, "read": 90, "doubled": 0, "lost": 8},
    }


def test_another_kafka_than_the_supervisors_is_told(ask: Callable[..., Outcome]) -> None:
    outcome = ask(40, 60, kafka="other:9092")

    assert outcome.code == 0
    assert outcome.err == "The supervisor reads from kafka:9092; compared with Kafka at other:9092.\n"


def test_an_address_without_a_scheme_is_wrong_usage(run: Run) -> None:
    outcome = run("druid", "check", "clicks", "--url", "localhost:8888", "-b", "kafka:9092")

    assert outcome.code == 2
    assert "http://HOST:PORT" in outcome.err
