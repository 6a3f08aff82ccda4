"""What the commands that send records have in common: they wait for Kafka, however long it is away."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from confluent_kafka import Producer

from clickstream.cli.options import App
from tests.unit.cli.conftest import Run
from tests.unit.fakes import FakeProducer

LINE = '127.0.0.1 - - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.0" 200 2326\n'


class World:
    """In place of a cluster."""

    def __init__(self) -> None:
        self.made = FakeProducer()
        self.patient: list[bool] = []

    def producer(self, *, patient: bool = False) -> Producer:
        self.patient.append(patient)
        return self.made.client


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World()

    @contextmanager
    def connect(_app: App) -> Iterator[World]:
        yield found

    monkeypatch.setattr(App, "connect", connect)
    for module in ("producer", "generate", "replay", "topics.produce"):
        monkeypatch.setattr(f"clickstream.cli.{module}.ensure", lambda *_arguments: None)
    monkeypatch.setattr("clickstream.cli.part.watched", lambda *_arguments, **_options: nullcontext())
    return found


@pytest.mark.parametrize(
    "command",
    [
        ("run-producer", "--count", "1"),
        ("generate", "web", "--count", "1"),
        ("generate", "vip", "--count", "1"),
        ("replay", "FILE"),
        ("topics", "produce", "lines", "FILE"),
    ],
)
def test_records_wait_for_kafka_however_long(run: Run, world: World, tmp_path: Path, command: tuple[str, ...]) -> None:
    file = tmp_path / "access.log"
    file.write_text(LINE)
    outcome = run(*(str(file) if word == "FILE" else word for word in command), "--quiet")
    assert outcome.code == 0, outcome.err
    assert world.made.delivered
    assert world.patient == [True]
