import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import click
import pytest

from clickstream.avro.wire import framed
from clickstream.cli import counter as module
from clickstream.cli.options import App
from clickstream.errors import ClickstreamError
from clickstream.kafka.statistics import LostBrokers
from clickstream.parts import renewed
from clickstream.tally.options import CounterOptions, ReadingStopped
from tests.unit.cli.conftest import Outcome, Run


def part(run: Callable[..., object], totals: dict[str, int]) -> SimpleNamespace:
    """A counter, as far as the command looks at it."""
    told: dict[str, Any] = {"kind": "counter", "topics": [], "name": None, "group": None}
    asked = {"totals": lambda: totals, "last_success": lambda: None, "changed_values": dict, "left_out": list}
    return SimpleNamespace(run=run, **told, **asked)


class World:
    """What `run-counter` asks for, in order."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.problems: list[Exception] = []  # of the runs to come
        self.terminal = False
        self.answer = True

    def counter(self, kind: str, options: CounterOptions) -> SimpleNamespace:
        self.asked.append((kind, options))
        totals = {"counted": 1234, "dead_letters": 5, "tallies": 6}
        return part(lambda _stop: self.run(kind), totals)

    def each_counter(self, _cluster: str, options: CounterOptions, again: bool) -> SimpleNamespace:
        return self.counter("each again" if again else "each", options)

    def run(self, kind: str) -> None:
        self.asked.append(("run", kind))
        if self.problems:
            raise self.problems.pop(0)

    @property
    def options(self) -> CounterOptions:
        (found,) = [what for name, what in self.asked if name in ("interval", "each")]
        assert isinstance(found, CounterOptions)
        return found


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World()

    @contextmanager
    def connect(_app: App) -> Iterator[str]:
        found.asked.append(("connect", None))
        yield "cluster"

    def start_over(_cluster: object, options: CounterOptions) -> int:
        found.asked.append(("reset", options.group))
        return 4

    def confirm(text: str, *, abort: bool, err: bool) -> None:
        found.asked.append(("confirm", text))
        if not found.answer:
            raise click.Abort

    monkeypatch.setattr(App, "connect", connect)
    monkeypatch.setattr(module, "require", lambda _cluster, topic, _stop=None: found.asked.append(("require", topic)))
    monkeypatch.setattr(module, "reset", start_over)
    monkeypatch.setattr(module, "Counter", lambda _cluster, options: found.counter("interval", options))
    monkeypatch.setattr(module, "EachCounter", found.each_counter)
    monkeypatch.setattr(renewed, "cluster_id", lambda _cluster, stop: "id")
    monkeypatch.setattr("clickstream.cli.part.watched", lambda *_args, **_options: nullcontext())
    monkeypatch.setattr(module, "progress", lambda *_args, **_options: nullcontext())
    monkeypatch.setattr(module, "on_terminal", lambda: found.terminal)
    monkeypatch.setattr(click, "confirm", confirm)
    return found


def test_the_defaults(run: Run, world: World) -> None:
    assert run("run-counter") == Outcome(0, "", "Counted 1,234 records, 5 dead letters.\n")
    assert world.options == CounterOptions(
        from_topic="event-topic",
        to_topic="unique-event-topic",
        field="eventName",
        group="clickstream-counter.event-topic.eventName",
        dead_letter_topic="clickstream-dead-letter",
        interval=1.0,
        exit_at_end=False,
    )
    assert [name for name, _ in world.asked] == ["connect", "require", "interval", "run"]


def test_what_is_counted_names_the_group(run: Run, world: World) -> None:
    run("run-counter", "--from-topic", "clickstream", "--field", "status", "--to-topic", "status-counts")
    assert world.options.group == "clickstream-counter.clickstream.status"


def test_all_options(run: Run, world: World) -> None:
    run(
        "run-counter",
        "--group",
        "g",
        "--interval",
        "0.1",
        "--exit-at-end",
        "--dead-letter-topic",
        "d",
        "--emit",
        "each",
    )
    found = world.options
    assert (found.group, found.interval, found.exit_at_end, found.dead_letter_topic) == ("g", 0.1, True, "d")
    assert world.asked[-1] == ("run", "each")


@pytest.mark.parametrize(("emit", "second"), [("interval", "interval"), ("each", "each again")])
def test_when_its_client_has_lost_all_brokers_another_counter_goes_on(
    run: Run, world: World, emit: str, second: str
) -> None:
    world.problems = [LostBrokers("There are none.")]
    done = run("run-counter", "--emit", emit)
    assert (done.code, done.err.splitlines()[-1]) == (0, "Counted 2,468 records, 10 dead letters.")
    assert [kind for kind, _ in world.asked[-4:]] == [emit, "run", second, "run"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from-topic", "a", "--to-topic", "a"], "--from-topic a is also --to-topic"),
        (["--from-topic", "a", "--dead-letter-topic", "a"], "--from-topic a is also --dead-letter-topic"),
        (["--to-topic", "a", "--dead-letter-topic", "a"], "must be three topics"),
        (["--field", "user id"], "Choose another --group"),
        (["--reset"], "--reset forgets counts; without a terminal to ask, it needs --yes."),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    run: Run, world: World, arguments: list[str], words: str
) -> None:
    outcome = run("run-counter", *arguments)
    assert outcome.code == 2
    assert words in outcome.err
    assert world.asked == []


def test_a_wait_for_the_registry_ends_with_the_command(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []

    def counter(_cluster: object, options: CounterOptions) -> SimpleNamespace:
        def count(stop: threading.Event) -> None:
            stop.set()
            assert options.as_json is not None
            with pytest.raises(ReadingStopped):
                options.as_json(framed(1, b"x"))
            waited.append(options)

        return part(count, {"counted": 0, "dead_letters": 0})

    monkeypatch.setattr(module, "Counter", counter)
    assert run("run-counter", "--format", "avro", "--schema-registry", "http://127.0.0.1:1").code == 0
    assert waited


def test_a_missing_topic_ends_with_1(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_cluster: object, topic: str, _stop: object = None) -> None:
        raise ClickstreamError(f"Topic {topic} does not exist.")

    monkeypatch.setattr(module, "require", missing)
    outcome = run("run-counter", "--from-topic", "nowhere")
    assert outcome.code == 1
    assert "Topic nowhere does not exist." in outcome.err


def test_starting_over_with_yes_does_not_ask(run: Run, world: World) -> None:
    outcome = run("run-counter", "--reset", "--yes", "--group", "g")
    assert outcome.code == 0
    assert outcome.err.startswith("Group g starts over (epoch 4).\n")
    assert [name for name, _ in world.asked] == ["connect", "require", "reset", "interval", "run"]


def test_starting_over_asks_on_a_terminal(run: Run, world: World) -> None:
    world.terminal = True
    assert run("run-counter", "--reset", "--group", "g").code == 0
    assert ("confirm", "Forget the counts of group g and start over?") in world.asked
    assert ("reset", "g") in world.asked


def test_who_says_no_keeps_the_counts(run: Run, world: World) -> None:
    world.terminal, world.answer = True, False
    assert run("run-counter", "--reset").code == 130
    assert "reset" not in dict(world.asked)
