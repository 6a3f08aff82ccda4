"""Every command with exactly the rights that docs/operations.md names, and with each of them taken away."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from confluent_kafka.cimpl import NewTopic

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import create
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.produce import Sender
from tests.integration.guarded import USERS, GuardedBroker, Right, login
from tests.integration.permissions import COMMANDS, STATUS, topic
from tests.integration.support import Done, run
from tests.support import missing

# A refusal is told within seconds; the machine may be slow.
ENDS_WITHIN_S = 120.0
AT_ONCE = 3
EVENTS = 30
NAMES = ("a", "b", "c")


@dataclass(frozen=True)
class Case:
    """A command without one of its rights, by their number; None: it has all, NONE: it has none."""

    command: str
    without: int | None

    def __str__(self) -> str:
        if self.without is None:
            return f"{self.command} with its rights"
        return f"{self.command} without {self.taken('it')}" if self.without != NONE else f"{self.command} without any"

    def rights(self, place: str) -> list[Right]:
        command = COMMANDS[self.command]
        return [*command.needs(place), *command.uses(place)]

    def taken(self, place: str) -> Right:
        assert self.without is not None
        return self.rights(place)[self.without]

    def left(self, place: str) -> list[Right]:
        """To write or read includes to see: that is left, so that it is the operation itself that is refused."""
        if self.without == NONE:
            return []
        rights = [*self.rights(place), *topic(STATUS, "Write")]
        if self.without is None:
            return rights
        taken = self.taken(place)
        seen = [Right(taken.kind, taken.name, "Describe")] if taken.operation in ("Read", "Write") else []
        return [*(right for right in rights if right != taken), *seen]


NONE = -1


def without_each(which: str) -> list[Case]:
    """Every command without each of the rights that it `needs` or `uses`."""
    cases = []
    for name, command in COMMANDS.items():
        needs, uses = len(command.needs("x")), len(command.uses("x"))
        cases += [Case(name, number) for number in (range(needs) if which == "needs" else range(needs, needs + uses))]
    return cases


ALLOWED = [Case(name, None) for name in COMMANDS]
REFUSED = without_each("needs")


def shown_by_another(case: Case) -> bool:
    """Both counters read and create in one place, and a command that writes several topics does so alike."""
    taken = case.taken("it")
    if case.command == "run-counter --emit each":
        return taken.kind != "transactional id"
    return case.command in ("generate", "replay") and taken.name != "it-dead"


WITHOUT_USES = without_each("uses")
(WITHOUT_SETTINGS,) = (case for case in WITHOUT_USES if case.command == "topics describe")
WITHOUT_ANY = [Case(name, NONE) for name in ("run-producer", "run-counter", "tables run")]


class World:
    """The broker, with topics and a user of its own for each case."""

    def __init__(self, broker: GuardedBroker, directory: Path) -> None:
        self.broker = broker
        self._directory = directory
        self._numbers = count()
        self._places: dict[Case, tuple[str, str]] = {}
        self._running: dict[Case, Future[Done]] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE)

    def prepare(self, cases: list[Case]) -> None:
        """Their topics, with records, and their rights."""
        admin = self.broker.cluster.admin()
        sender = Sender(self.broker.cluster.producer())
        for case in cases:
            number = next(self._numbers)
            self._places[case] = f"place{number}", USERS[number]
        names = {right.name for case in cases for right in case.rights(self.place(case)) if right.kind == "topic"}
        made = [NewTopic(name, 1, 1) for name in sorted(names - {STATUS}) if not name.endswith("-new")]
        for future in (admin.create_topics(made) if made else {}).values():
            future.result()
        for case in cases:
            place = self.place(case)
            if f"{place}-in" in names:
                for event in self.events():
                    sender.send(f"{place}-in", event)
            if case.command in ("run-counter", "run-counter --emit each", "tables run"):
                sender.send(f"{place}-in", b"malformed")
            if case.command.startswith("run-counter"):
                # Another group's tally: the last one of ours is looked for behind it.
                sender.send(f"{place}-out", b"{}", b"another")
        sender.must_have_delivered("Events")
        for case in cases:
            self.broker.allow(self._places[case][1], case.left(self.place(case)))

    def events(self) -> Iterator[bytes]:
        now = round(time.time() * 1000)
        for number in range(EVENTS):
            yield json.dumps({"eventName": NAMES[number % len(NAMES)], "at": now + number}).encode()

    def place(self, case: Case) -> str:
        return self._places[case][0]

    def start(self, cases: list[Case]) -> None:
        self._running |= {case: self._pool.submit(self.run, case) for case in cases}

    def run(self, case: Case) -> Done:
        place, user = self._places[case]
        account = {f"KAFKA_{name.upper().replace('.', '_')}": text for name, text in login(user).items()}
        words = COMMANDS[case.command].words(place, self._directory)
        return run(*words, timeout=ENDS_WITHIN_S, KAFKA_BOOTSTRAP_SERVERS=self.broker.address, **account)

    def outcome(self, case: Case) -> Done:
        """How it ended, which was started with the others."""
        return self._running[case].result()

    def allow(self, case: Case) -> None:
        self.broker.allow(self._places[case][1], case.rights(self.place(case)))

    def tally(self, case: Case) -> dict[str, int]:
        """The last tally that the case's counter has published."""
        found: list[dict[str, int]] = []
        group = f"{self.place(case)}-group".encode()

        def take(message: object) -> None:
            if message.key() == group:  # type: ignore[attr-defined]
                found.append(json.loads(message.value()))  # type: ignore[attr-defined]

        read_to_end(self.broker.cluster, f"{self.place(case)}-out", take)
        found[-1].pop("receiveAt")
        return found[-1]

    def end(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, broker_java: str
) -> Iterator[World]:
    try:
        broker = GuardedBroker(tmp_path_factory.mktemp("guarded"), broker_java)
    except ClickstreamError as error:
        missing(f"no Kafka of our own: {error}")
    try:
        broker.start()
        assert create(broker.cluster, NewTopic(STATUS, 1, 1))
        world = World(broker, tmp_path_factory.mktemp("files"))
        all_of_them = request.config.getoption("--slow")
        refused = [case for case in REFUSED if all_of_them or not shown_by_another(case)]
        cases = [*ALLOWED, *refused, *WITHOUT_ANY, WITHOUT_SETTINGS]
        world.prepare(cases)
        world.start(cases)
        yield world
        world.end()
    finally:
        broker.end()


def is_told(done: Done, *words: str) -> None:
    """The last line says what is wrong, with exit code 1, and no traceback."""
    assert done.code == 1, done.said
    assert "Traceback" not in done.said
    assert "nanobind" not in done.said
    last = done.said.splitlines()[-1]
    assert last.startswith("Error: ")
    assert [word for word in words if word not in last] == [], done.said
    assert "another member" not in done.said.lower()
    assert "frozen" not in done.said


@pytest.mark.parametrize("case", ALLOWED, ids=str)
def test_a_command_needs_no_more_than_its_rights(world: World, case: Case) -> None:
    done = world.outcome(case)
    assert done.code == 0, done.said
    assert "authorization" not in done.said.lower()
    if case.command.startswith("run-counter"):
        assert world.tally(case) == dict.fromkeys(NAMES, EVENTS // len(NAMES))


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=str(case), marks=pytest.mark.slow if shown_by_another(case) else ()) for case in REFUSED],
)
def test_a_missing_right_is_told_by_the_name_of_what_it_is_for(world: World, case: Case) -> None:
    is_told(world.outcome(case), case.taken(world.place(case)).name, "administrator")


@pytest.mark.parametrize("case", WITHOUT_ANY, ids=str)
def test_without_any_right_a_topic_is_named(world: World, case: Case) -> None:
    is_told(world.outcome(case), f"{world.place(case)}-", "administrator")


def test_without_the_right_to_the_settings_the_rest_is_shown(world: World) -> None:
    done = world.outcome(WITHOUT_SETTINGS)
    assert done.code == 0, done.said
    name = f"{world.place(WITHOUT_SETTINGS)}-in"
    lines = done.printed.splitlines()
    assert lines[0].startswith(f"{name}, id ")
    assert lines[-2].split()[-1] == str(EVENTS), "the end of its partition"
    assert lines[-1] == f"configuration: not allowed (DescribeConfigs on topic {name})"
    assert "Error" not in done.said


@pytest.mark.slow
@pytest.mark.parametrize("case", [one for one in REFUSED if one.command.startswith("run-counter")], ids=str)
def test_nothing_is_lost_by_a_missing_right(world: World, case: Case) -> None:
    assert world.outcome(case).code == 1
    world.allow(case)
    done = world.run(case)
    assert done.code == 0, done.said
    assert world.tally(case) == dict.fromkeys(NAMES, EVENTS // len(NAMES))


@pytest.mark.slow
@pytest.mark.parametrize("case", [one for one in WITHOUT_USES if one is not WITHOUT_SETTINGS], ids=str)
def test_a_right_that_is_only_of_use_is_not_needed(world: World, case: Case) -> None:
    world.prepare([case])
    done = world.run(case)
    assert done.code == 0, done.said
