"""What Druid tells of a supervisor, over HTTP."""

from typing import Any

import pytest

from clickstream.druid.api import Api
from clickstream.druid.supervisor import Place, look_up
from clickstream.errors import ClickstreamError, ConfigError
from tests.support import free_port
from tests.unit.druid.fakes import answering, status, task
from tests.unit.flink.fakes import serving


def places(**tasks: Any) -> dict[int, Place]:
    with serving(answering(status(**tasks))) as server:
        return look_up(Api(f"http://{server.address}"), "clicks").places


def test_what_it_reads_and_how_it_is() -> None:
    with serving(answering(status(activeTasks=[task({"0": 5}, {"0": 9})]))) as server:
        found = look_up(Api(f"http://{server.address}/"), "clicks")

    assert (found.topic, found.bootstrap, found.from_earliest) == ("clicks-topic", "kafka:9092", True)
    assert (found.state, found.healthy, found.suspended, found.error) == ("RUNNING", True, False, "")
    assert found.places == {0: Place(5, 9)}
    assert [path for _, path, _ in server.asked] == [
        "/druid/indexer/v1/supervisor/clicks",
        "/druid/indexer/v1/supervisor/clicks/status",
    ]


def test_a_task_that_was_not_asked_yet_is_where_it_began() -> None:
    assert places(activeTasks=[task({"0": 5}, {})]) == {0: Place(5, 5)}


def test_a_task_that_publishes_has_published_nothing_yet() -> None:
    publishing = task({"0": 5, "1": 3}, {"0": 9, "1": 4})
    assert places(publishingTasks=[publishing]) == {0: Place(5, 9), 1: Place(3, 4)}
    assert places(publishingTasks=[publishing], activeTasks=[task({"0": 9}, {"0": 12})]) == {
        0: Place(5, 12),
        1: Place(3, 4),
    }


def test_how_far_a_task_that_publishes_had_read_may_not_be_told() -> None:
    assert places(publishingTasks=[task({"0": 5}, {})]) == {0: Place(5, None)}


def test_of_replicas_the_one_that_is_further_counts() -> None:
    assert places(activeTasks=[task({"0": 5}, {"0": 9}), task({"0": 5}, {"0": 7})]) == {0: Place(5, 9)}


def test_without_tasks_an_error_tells_the_stored_offset() -> None:
    said = (
        "Previous sequenceNumber [1632] is no longer available for partition [0]. You can clear the previous "
        "sequenceNumber and start reading from a valid message by using the supervisor's reset API."
    )
    assert places(recentErrors=[{"message": said}]) == {0: Place(1632, 1632)}


@pytest.mark.parametrize(
    ("name", "answers", "words"),
    [
        ("other", answering(status()), "has no supervisor other. There are: clicks."),
        ("clicks", answering(status(), {"type": "kinesis"}), "of type kinesis: only those that read Kafka"),
        (
            "clicks",
            answering(status(), {"type": "kafka", "spec": {"ioConfig": {"topicPattern": "c.*"}}}),
            "reads topics by a pattern",
        ),
        ("clicks", lambda *_: (200, b"<html>"), "is no router or overlord of Druid"),
        ("clicks", lambda *_: (200, {"a": 1}), "is no router or overlord of Druid"),
        ("clicks", lambda *_: (503, b"no leader"), "answers 503: no leader"),
    ],
)
def test_what_cannot_be_checked_is_said(name: str, answers: Any, words: str) -> None:
    with serving(answers) as server, pytest.raises(ClickstreamError) as error:
        look_up(Api(f"http://{server.address}"), name)
    assert words in str(error.value)


def test_nobody_answers() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ClickstreamError, match=f"No Druid answers at {url}: Connection refused"):
        look_up(Api(url), "clicks")


@pytest.mark.parametrize("url", ["localhost:8888", "ftp://a", "http://", "http://me:secret@druid:8888", "http://a:x"])
def test_what_is_no_url_is_wrong_usage_and_no_secret_is_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="http://HOST:PORT") as error:
        Api(url)
    assert "secret" not in str(error.value)
