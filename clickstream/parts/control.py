"""Heeding commands: running parts do what somebody asks for on the control topic, and say what came of it."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from msgspec import MsgspecError

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import COMMITTED, READER, Run, partitions_of, split, watermarks
from clickstream.kafka.errors import explain
from clickstream.kafka.patience import Stopped
from clickstream.logtime import now_ms
from clickstream.parts.part import Controls
from clickstream.records import Answer, Command, decode
from clickstream.topics import ensure

log = logging.getLogger(__name__)

EXPIRES_AFTER_MS = 10_000
ANSWERS_KEPT = 8
POLL_S = 0.2
AGAIN_AFTER_S = 1.0
ENDS_WITHIN_S = 5.0


class Control:
    """Reads commands for some parts of this process on a thread of its own, from the end of the topic on.

    Whatever goes wrong here is said and tried again: it never stops a part. Commands that come while Kafka is away
    have expired when it is back.
    """

    def __init__(
        self,
        cluster: Cluster,
        topic: str,
        parts: Mapping[str, Controls],
        *,
        answered: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """`parts` by the id of their Status. `answered` is called after each answer; `clock` is in epoch ms."""
        self._cluster = cluster
        self._topic = topic
        self._parts = parts
        self._answered = answered
        self._clock = clock
        self._answers: dict[str, deque[Answer]] = {id: deque(maxlen=ANSWERS_KEPT) for id in parts}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._said: str | None = None
        self.heeding = False
        """Whether commands that are sent from now on are read."""

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def end(self) -> None:
        """Read no more."""
        self._stop.set()
        self._thread.join(ENDS_WITHIN_S)

    def answers(self, part: str) -> list[Answer]:
        """What came of the latest commands to a part, the last one last."""
        return list(self._answers.get(part, ()))

    def take(self, message: Message) -> None:
        """Do what a record asks for, if it is a command for one of our parts that has not expired."""
        try:
            command: Command = decode(message.value(), Command)
        except (MsgspecError, UnicodeDecodeError):
            return  # of a later version, or none of ours
        controls = self._parts.get(command.part)
        if controls is None:
            return
        age_ms = self._clock() - command.sent_at
        # One from the future comes from a machine whose clock is wrong: nobody knows how old it is.
        if abs(age_ms) > EXPIRES_AFTER_MS:
            log.warning("A command (%s) was ignored: it is from %.0f s ago.", command.action, age_ms / 1000)
            return
        try:
            done, words = True, controls.obey(command.action, command.value)
        except ValueError as refusal:
            done, words = False, str(refusal)
        self._answers[command.part].append(Answer(command.id, done, words, self._clock()))
        log.info("A command (%s): %s.", command.action, words)
        self._answered()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
            except Stopped:
                return
            except (ClickstreamError, KafkaException) as problem:
                self._say(problem)
            except Exception as fault:
                log.debug("Reading commands failed.", exc_info=True)
                self._say(fault)
            self.heeding = False
            self._stop.wait(AGAIN_AFTER_S)

    def _say(self, problem: Exception) -> None:
        """Once, as long as it is the same."""
        if isinstance(problem, KafkaException):
            problem = explain(problem, f"Reading {self._topic}", self._cluster.address)
        if str(problem) != self._said:
            self._said = str(problem)
            log.warning("Commands are not heeded now: %s", problem)

    def _read(self) -> None:
        ensure(self._cluster, [self._topic], self._stop)
        consumer = self._cluster.consumer("clickstream-reader", {**READER, **COMMITTED})
        try:
            consumer.assign(self._ends(consumer))
            self.heeding, self._said = True, None
            while not self._stop.is_set():
                message = consumer.poll(POLL_S)
                for part in split([message] if message is not None else [], self._cluster.address):
                    for command in part.messages if isinstance(part, Run) else ():
                        self.take(command)
        finally:
            consumer.close()

    def _ends(self, consumer: Consumer) -> list[TopicPartition]:
        """As offsets: what is sent after `heeding` was seen must be read, and an assignment finds its end later."""
        address, topic, stop = self._cluster.address, self._topic, self._stop
        return [
            TopicPartition(topic, number, watermarks(consumer, topic, number, address, stop)[1])
            for number in partitions_of(consumer, topic, address, stop)
        ]
