"""What Druid 33 answers about a supervisor."""

from typing import Any

from tests.unit.flink.fakes import Answer, Respond

SPEC = {
    "type": "kafka",
    "spec": {
        "ioConfig": {
            "topic": "clicks-topic",
            "consumerProperties": {"bootstrap.servers": "kafka:9092"},
            "useEarliestOffset": True,
        }
    },
}


def task(starting: dict[str, int], current: dict[str, int]) -> dict[str, Any]:
    return {"id": "index_kafka_clicks", "startingOffsets": starting, "currentOffsets": current, "type": "ACTIVE"}


def status(**changes: Any) -> dict[str, Any]:
    plain = {
        "suspended": False,
        "healthy": True,
        "state": "RUNNING",
        "detailedState": "RUNNING",
        "activeTasks": [],
        "publishingTasks": [],
        "recentErrors": [],
    }
    return {"id": "clicks", "payload": {**plain, **changes}}


def answering(told: dict[str, Any], spec: dict[str, Any] | None = None) -> Respond:
    def respond(_method: str, path: str, _body: Any) -> Answer:
        match path.split("/")[4:]:
            case ["supervisor"]:
                return 200, ["clicks"]
            case ["supervisor", "clicks"]:
                return 200, SPEC if spec is None else spec
            case ["supervisor", "clicks", "status"]:
                return 200, told
        return 404, b"Cannot find any supervisor"

    return respond
