"""Asking running parts to do something else, and waiting for what comes of it."""

import secrets
import threading
import time
from collections.abc import Sequence

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.logtime import now_ms
from clickstream.parts.control import EXPIRES_AFTER_MS
from clickstream.parts.status import Reports, Seen, living
from clickstream.records import Action, Answer, Command, Status, encode
from clickstream.topics import ensure

LOOK_EVERY_S = 0.2
# The command's own time, and that of a report.
ANSWERS_WITHIN_S = EXPIRES_AFTER_MS / 1000 + 3.0
_PRODUCER = {"linger.ms": 0, "message.timeout.ms": EXPIRES_AFTER_MS}


def command(part: str, action: Action, value: float | None = None) -> Command:
    """A new command to the part with this id: it expires EXPIRES_AFTER_MS from now."""
    return Command(secrets.token_hex(8), part, action, value, now_ms())


def steerable(parts: Sequence[Seen], name: str, now: float) -> Status:
    """The part with this id, or the only one of this kind. Raises ClickstreamError when none, or not one, can be asked.

    `now` is in epoch seconds.
    """
    live = living(parts, now)
    found = [one for one in live if one.id == name] or [one for one in live if one.kind == name]
    if not found:
        ids = ", ".join(one.id for one in live if one.control)
        raise ClickstreamError(f"No part {name} runs. " + (f"These heed commands: {ids}." if ids else _HOW))
    if len(found) > 1:
        raise ClickstreamError(f"{len(found)} parts are {name}: name one of {', '.join(one.id for one in found)}.")
    if not found[0].control:
        raise ClickstreamError(f"{found[0].id} heeds no commands. {_HOW}")
    return found[0]


_HOW = "Generators do that were started with --allow-control."


def carry_out(
    cluster: Cluster, topic: str, reports: Reports, command: Command, stop: threading.Event | None = None
) -> Answer:
    """Send a command, and wait for its answer. Raises ClickstreamError when none comes before it has expired."""
    ensure(cluster, [topic])
    sender = Sender(cluster.producer(_PRODUCER))
    sender.send(topic, encode(command), command.part.encode())
    sender.must_have_delivered("The command", ANSWERS_WITHIN_S)
    stop = stop or threading.Event()
    deadline = time.monotonic() + ANSWERS_WITHIN_S
    while time.monotonic() < deadline and not stop.is_set():
        answer = _answer(reports.look(stop), command)
        if answer is not None:
            return answer
        stop.wait(LOOK_EVERY_S)
    raise ClickstreamError(
        f"{command.part} has not answered in time: the command has expired, or does so soon. "
        "How it is doing: clickstream status"
    )


def _answer(parts: Sequence[Seen], command: Command) -> Answer | None:
    of_part = [one.status for one in parts if one.status.id == command.part]
    answers = [answer for status in of_part for answer in status.answers if answer.id == command.id]
    return answers[0] if answers else None
