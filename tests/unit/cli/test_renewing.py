"""Commands whose part is recreated when its client has lost all brokers: with what it may use again, and what not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from clickstream.cli import transform as transforming
from clickstream.cli.options import App
from clickstream.cli.sink import running
from clickstream.kafka.produce import Sender
from clickstream.kafka.statistics import LostBrokers
from clickstream.parts import renewed
from clickstream.sinks import sink as sinks
from clickstream.sinks.inputs import plain
from clickstream.stop import Stop
from clickstream.transform import transform as transforms
from tests.unit.cli.conftest import Outcome, Run
from tests.unit.sinks.memory import MemoryTarget


class Lost:
    """A part whose first run loses all brokers."""

    kind, topics, name, group = "fake", [], "n", None  # type: ignore[var-annotated]

    def __init__(self, is_first: bool) -> None:
        self._is_first = is_first

    def run(self, _stop: object) -> None:
        if self._is_first:
            raise LostBrokers("There are none.")

    def totals(self) -> dict[str, int]:
        names = "processed results dead_lettered upserted appended deleted early_ignored kept"
        return dict.fromkeys(names.split(), 1)

    def changed_values(self) -> dict[Any, int]:
        return {}

    def left_out(self) -> list[Any]:
        return []

    def last_success(self) -> None:
        return None


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def connect(_app: App) -> Iterator[Any]:
        yield SimpleNamespace(producer=lambda _settings: object())

    monkeypatch.setattr(App, "connect", connect)
    monkeypatch.setattr(renewed, "cluster_id", lambda _cluster, stop: "id")
    monkeypatch.setattr("clickstream.cli.part.watched", lambda *_args, **_options: nullcontext())
    for module in (transforming, running):
        monkeypatch.setattr(module, "progress", lambda *_args, **_options: nullcontext())
        for name in ("require", "ensure"):
            monkeypatch.setattr(module, name, lambda *_args: None)


@pytest.mark.parametrize("started_over", [True, False])
def test_a_transform_has_the_function_called_by_another_and_starts_over_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, started_over: bool
) -> None:
    made: list[tuple[Any, bool]] = []

    class Transform(Lost):
        def __init__(self, _cluster: Any, caller: Any, options: Any) -> None:
            super().__init__(is_first=not made)
            self.starts_over = options.start_over and not started_over
            made.append((caller, options.start_over))

    monkeypatch.setattr(transforms, "Transform", Transform)
    done = run("transform", "--from", "a", "--to", "b", "--function", "m:f", "--reset", "--quiet")
    assert done == Outcome(0, "", "2 records processed: 2 results written, 2 records dead-lettered.\n")
    (first, _), (second, _) = made
    assert first is not second
    assert [over for _, over in made] == [True, not started_over]


def test_a_sink_has_another_target_and_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    targets: list[MemoryTarget] = []
    made: list[tuple[Any, Sender]] = []

    class Sink(Lost):
        def __init__(self, _cluster: Any, target: Any, _inputs: Any, _letters: Any, sender: Sender, _how: Any) -> None:
            super().__init__(is_first=not made)
            made.append((target, sender))

    def target(_cluster: object) -> Any:
        targets.append(MemoryTarget())
        return targets[-1]

    def run_part(
        _app: object, _cluster: object, part: Any, stop: Stop, *, summary: Callable[[], str], **_: Any
    ) -> None:
        part.run(stop)
        assert "4 rows written" in summary()

    monkeypatch.setattr(sinks, "Sink", Sink)
    monkeypatch.setattr(running, "run_part", run_part)
    app: Any = SimpleNamespace(connect=lambda: App.connect(app), config={"dead-letter-topic": "d"})
    how: Any = SimpleNamespace(start_over=False, quiet=True)
    running.run_sink(app, target, [plain("t")], sinks.Options("n"), how, Stop())
    assert [one for one, _ in made] == targets
    assert len(targets) == 2
    assert made[0][1] is not made[1][1]
