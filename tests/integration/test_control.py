"""Steering running generators through the control topic, on a real Kafka."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.parts.commanding import command
from clickstream.records import Command, Status, WebClick, decode, encode
from clickstream.topics import ensure
from tests.integration.support import Done, Part, is_an_error_for_people, records, run, running
from tests.support import wait_until

WITHIN_S = 90.0


@dataclass
class Steered:
    """A running generator, and what it says of itself."""

    kafka: str
    topic: str
    part: Part

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CLICKSTREAM_STATUS_TOPIC": f"{self.topic}-status",
            "CLICKSTREAM_CONTROL_TOPIC": f"{self.topic}-control",
        }

    def statuses(self) -> list[Status]:
        said = records(self.kafka, f"{self.topic}-status")
        return [decode(record.value(), Status) for record in said if record.value()]

    def reports_more(self, number: int = 2) -> Status:
        """The status after so many more reports."""
        before = len(self.statuses())
        wait_until(lambda: len(self.statuses()) >= before + number, WITHIN_S, "it reports", 0.2)
        return self.statuses()[-1]

    def id(self) -> str:
        """Once it has reported, and heeds commands if it does."""
        return self.reports_more(1).id

    def sent(self) -> int:
        return len(records(self.kafka, self.topic))

    def control(self, action: str, *more: str, part: str = "generate-web") -> Done:
        return run("control", action, "-b", self.kafka, part, *more, timeout=WITHIN_S, **self.environment)

    def said(self, action: str, *more: str) -> str:
        done = self.control(action, *more)
        assert done.code == 0, done.said
        return done.printed.strip().removesuffix(".").removeprefix(f"{self.statuses()[-1].id}: ")

    def send(self, asked: Command) -> None:
        sender = Sender(Cluster(self.kafka).producer({"linger.ms": 0}))
        sender.send(f"{self.topic}-control", encode(asked), asked.part.encode())
        sender.must_have_delivered("The command")


@contextmanager
def generating(kafka: str, topic: str, *options: str) -> Iterator[Steered]:
    ensure(Cluster(kafka), [f"{topic}-status", f"{topic}-control"])
    names = ["--topic", topic, "--codes-topic", f"{topic}-codes", "--users-topic", f"{topic}-users"]
    environment = {"CLICKSTREAM_STATUS_TOPIC": f"{topic}-status", "CLICKSTREAM_CONTROL_TOPIC": f"{topic}-control"}
    with running("generate", "web", "-b", kafka, *names, "--quiet", *options, **environment) as part:
        found = Steered(kafka, topic, part)
        allowed = "--allow-control" in options
        wait_until(
            lambda: (said := found.statuses()) and said[-1].control == allowed, WITHIN_S, lambda: part.said(), 0.2
        )
        wait_until(found.sent, WITHIN_S, lambda: part.said(), 0.2)
        yield found
        assert part.stop() == 0, part.said()


def is_click(value: bytes | None) -> bool:
    try:
        decode(value, WebClick)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def test_a_generator_is_paused_resumed_and_has_another_rate(kafka: str, topic_name: str) -> None:
    with generating(kafka, topic_name, "--rate", "20", "--allow-control") as web:
        assert web.said("pause") == "paused"
        assert web.reports_more().paused
        before = web.sent()
        assert web.reports_more().paused
        assert web.sent() == before
        assert web.said("resume") == "goes on"
        wait_until(lambda: web.sent() > before, WITHIN_S, "it goes on", 0.2)
        assert web.said("rate", "400") == "400 records per second"
        status = web.reports_more()
        assert (status.paused, status.wanted_rate) == (False, 400.0)
        wait_until(lambda: web.statuses()[-1].rates["acknowledged"] > 60, WITHIN_S, "it is faster", 0.5)


def test_late_and_malformed_clicks_arrive(kafka: str, topic_name: str) -> None:
    with generating(kafka, topic_name, "--rate", "50", "--late-by", "2m", "--late", "0", "--allow-control") as web:
        assert web.said("inject", "late", "7") == "7 of the next records are late by 120 s"
        assert web.said("inject", "malformed", "5") == "5 of the next records are malformed"

        def flawed() -> bool:
            totals = web.statuses()[-1].totals
            return (totals["late"], totals["malformed"]) == (7, 5)

        wait_until(flawed, WITHIN_S, "all flaws were made", 0.2)
        web.reports_more()
        found = records(kafka, topic_name)
        # One of the five kinds of malformed ones is still a click for who does not look at types.
        assert 4 <= sum(not is_click(record.value()) for record in found) <= 5
        clicks = [decode(record.value(), WebClick) for record in found if is_click(record.value())]
        first = min(int(record.timestamp()[1]) for record in found)
        assert sum(click.time_ms < first - 60_000 for click in clicks) == 7


def test_only_fresh_commands_for_this_part_are_heeded(kafka: str, topic_name: str) -> None:
    with generating(kafka, topic_name, "--rate", "20", "--allow-control") as web:
        part = web.id()
        old = command(part, "pause")
        web.send(msgspec.structs.replace(old, sent_at=old.sent_at - 11_000))
        web.send(command("generate-web-elsewhere-1", "pause"))
        last = command(part, "rate", 30.0)
        web.send(last)

        def answered() -> Status | None:
            status = web.statuses()[-1]
            return status if status.answers else None

        status = wait_until(answered, WITHIN_S, "the last one is answered", 0.2)
        assert [answer.id for answer in status.answers] == [last.id]
        assert (status.paused, status.wanted_rate) == (False, 30.0)
        assert "A command (pause) was ignored" in web.part.said()
        refused = web.control("rate", "5", part="nobody")
        assert is_an_error_for_people(refused, "No part nobody runs", part)


def test_without_the_switch_no_command_is_heeded(kafka: str, topic_name: str) -> None:
    with generating(kafka, topic_name, "--rate", "20") as web:
        assert is_an_error_for_people(web.control("pause"), "heeds no commands", "--allow-control")
        web.send(command(web.id(), "pause"))
        before = web.sent()
        status = web.reports_more(3)
        assert (status.paused, status.control, status.answers) == (False, False, [])
        wait_until(lambda: web.sent() > before, WITHIN_S, "it goes on", 0.2)


def test_a_schedule_keeps_its_rates(kafka: str, topic_name: str) -> None:
    with generating(kafka, topic_name, "--rate-schedule", "20x60s,30x60s", "--allow-control") as web:
        assert is_an_error_for_people(web.control("rate", "500"), "cannot do that", "schedule")


def test_a_producer_is_steered_as_well(kafka: str, topic_name: str) -> None:
    status, control = f"{topic_name}-status", f"{topic_name}-control"
    ensure(Cluster(kafka), [topic_name, status, control])
    environment = {"CLICKSTREAM_STATUS_TOPIC": status, "CLICKSTREAM_CONTROL_TOPIC": control}
    words = ("run-producer", "-b", kafka, "--topic", topic_name, "--rate", "50", "--quiet", "--allow-control")
    with running(*words, **environment) as part:
        steered = Steered(kafka, topic_name, part)
        wait_until(lambda: (said := steered.statuses()) and said[-1].control, WITHIN_S, lambda: part.said(), 0.2)
        done = steered.control("pause", part="producer")
        assert done.code == 0, done.said
        assert steered.reports_more().paused
        before = steered.sent()
        steered.reports_more()
        assert steered.sent() == before
        assert part.stop() == 0, part.said()
