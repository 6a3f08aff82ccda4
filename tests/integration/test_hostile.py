"""What a topic, a group or a file holds, shown by every command on a terminal, does nothing to that terminal."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.records import Status, encode
from tests.hostile import HOSTILE, SHOWN, assert_harmless, plain
from tests.integration.support import make_topic
from tests.integration.terminal import Screen, on_terminal
from tests.support import wait_until

# No name in a group, a file or on a command line can have it.
TEXT = HOSTILE.replace("\x00", "")
SHOWN_TEXT = SHOWN.replace("\\u0000", "")
SQL = """
CREATE TABLE `{text}` (`eventName` STRING, `c{text}` STRING METADATA FROM 'topic' VIRTUAL) WITH (
  'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE TABLE `{text}s` (`n{text}` STRING, number INT, PRIMARY KEY (`n{text}`) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka', 'topic' = '{topic}-rows', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'key.format' = 'json', 'value.format' = 'json');
SET 'table.exec.sink.require-on-conflict' = 'false';
INSERT INTO `{text}s` SELECT {name}, {number} FROM `{text}`;
"""


class World:
    """A topic with hostile records, and the commands that look at it."""

    def __init__(self, kafka: str, topic: str, directory: Path) -> None:
        self.topic = topic
        self.directory = directory
        self._kafka = kafka
        for name in (topic, f"{topic}-status"):
            make_topic(kafka, name, 1)
        sender = Sender(Cluster(kafka).producer({"linger.ms": 0}))
        event = json.dumps({"eventName": HOSTILE, HOSTILE: HOSTILE}, ensure_ascii=False).encode()
        for value in (event, HOSTILE.encode()):
            sender.send(topic, value, HOSTILE.encode(), headers=[(TEXT, HOSTILE.encode())])
        part = Status("id", HOSTILE, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: 5.0}, [HOSTILE], error=HOSTILE)
        sender.send(f"{topic}-status", encode(part), HOSTILE.encode())
        sender.must_have_delivered("hostile records")

    def see(self, *arguments: str, code: int = 0, shown: str = SHOWN) -> Screen:
        """A command on a terminal; fails unless it ends so, shows that, and leaves the terminal alone."""
        screen = on_terminal(
            *(*arguments, "-b", self._kafka),
            columns=1_000,
            CLICKSTREAM_RUN_PRODUCER_TOPIC=self.topic,
            CLICKSTREAM_RUN_COUNTER_FROM_TOPIC=self.topic,
            CLICKSTREAM_RUN_COUNTER_TO_TOPIC=f"{self.topic}-tally",
            CLICKSTREAM_STATUS_TOPIC=f"{self.topic}-status",
            CLICKSTREAM_DEAD_LETTER_TOPIC=f"{self.topic}-dead",
            CLICKSTREAM_DEMO_GROUP=f"{self.topic}-demo",
        )
        assert_harmless(screen.shown)
        assert screen.code == code, screen.shown
        assert "".join(shown.split()) in "".join(plain(screen.shown).split()), screen.shown
        return screen

    def file(self, name: str = "`eventName`", number: str = "1") -> str:
        path = self.directory / "file.sql"
        path.write_text(SQL.format(text=TEXT, topic=self.topic, name=name, number=number), "utf-8")
        return str(path)

    def run_tables(self, path: str, *, code: int = 0, shown: str = SHOWN_TEXT) -> Screen:
        state = ("--state-dir", str(self.directory / "state"))
        return self.see("tables", "run", path, "--exit-at-end", *state, code=code, shown=shown)


@pytest.fixture
def world(kafka: str, topic_name: str, tmp_path: Path) -> World:
    return World(kafka, topic_name, tmp_path)


@pytest.fixture
def group(kafka: str, world: World) -> Iterator[str]:
    """A group of a hostile name with a member of one."""
    name = f"{world.topic}{TEXT}"
    settings = {"bootstrap.servers": kafka, "group.id": name, "client.id": TEXT, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([world.topic])
    wait_until(lambda: consumer.poll(0.1), 60, "a record")
    consumer.commit(asynchronous=False)
    yield name
    consumer.close()


def test_records(world: World) -> None:
    world.see("topics", "tail", world.topic)
    world.see("topics", "export", world.topic, "-o", "-")
    world.see("topics", "export", world.topic, "-o", "-", "--format", "csv")


def test_groups(world: World, group: str) -> None:
    world.see("groups", "list", shown=f"{world.topic}{SHOWN_TEXT}")
    world.see("groups", "describe", group, shown=SHOWN_TEXT)
    world.see("groups", "describe", f"{group}x", code=1, shown=f"Did you mean {world.topic}{SHOWN_TEXT}?")


def test_parts(world: World) -> None:
    world.see("status")


def test_settings(world: World) -> None:
    world.see("config", "show", "-X", f"client.id={TEXT}", shown=SHOWN_TEXT)


def test_a_counter_and_its_dead_letters(world: World) -> None:
    world.see("run-counter", "--exit-at-end", shown="1 dead letters")
    world.see("topics", "tail", f"{world.topic}-dead")
    world.see("topics", "tail", f"{world.topic}-tally")


def test_the_demo(world: World) -> None:
    world.see("demo", "--only", "heart", "--duration", "2", "--rate", "10")


def test_tables(world: World) -> None:
    path = world.file()
    world.run_tables(path)
    for table in (TEXT, f"{TEXT}s"):
        world.see("tables", "show", path, table)
    world.see("topics", "tail", f"{world.topic}-rows", shown="[bold red]i[/bold red]:smile:")
    world.see("topics", "tail", f"{world.topic}-dead")
    world.see("tables", "show", path, f"{TEXT}x", code=2, shown=f"Did you mean {SHOWN_TEXT}")


@pytest.mark.parametrize(
    ("name", "number", "shown"),
    [
        ("`eventName`", "CAST(`eventName` AS INT)", SHOWN_TEXT[:40]),
        ("NULLIF('a', 'a')", "1", f"n{SHOWN_TEXT} of {SHOWN_TEXT}s must not be NULL"),
    ],
    ids=["cast", "null"],
)
def test_values_in_errors(world: World, name: str, number: str, shown: str) -> None:
    world.run_tables(world.file(name, number), code=1, shown=shown)
