"""The topics of results: whether they are still those that hold what was written before."""

import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from threading import Event
from typing import Any

from confluent_kafka import KafkaException, TopicCollection

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import ANSWER_WITHIN_S, describe, existing
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.kafka.errors import answer_of, is_missing
from clickstream.kafka.offsets import ends
from clickstream.kafka.patience import TopicGone
from clickstream.tables.engine.options import RESET
from clickstream.tables.engine.state.store import State
from clickstream.tables.outputs import output
from clickstream.tables.sql.model import Table
from clickstream.topics import ensure

LOOK_EVERY_S = 10.0
# A broker that has just started may not know every topic at once.
BELIEVED_AFTER_LOOKS = 2


class ResultTopics:
    """`targets` are the tables that are written; `others` are topics beside them, of dead letters and late rows."""

    def __init__(self, cluster: Cluster, admin: Admin, targets: Collection[Table], others: list[str]) -> None:
        self._cluster = cluster
        self._admin = admin
        self._targets = targets
        self._others = others
        self._ids: dict[str, str] = {}  # by topic
        self._asked: Mapping[str, Future[Any]] = {}
        self._look_at = time.monotonic() + LOOK_EVERY_S
        self._missed: dict[str, int] = {}  # looks in a row at which a topic was not there
        self._stop = Event()

    def prepare(self, state: State, stop: Event) -> None:
        """Create those that are missing, and note in the state which they are.

        Raises ClickstreamError when one was deleted or recreated since the last run: it lacks what was written before;
        Stopped.
        """
        self._stop = stop
        before = {target.topic: state.topic_id(target.name) for target in self._targets}
        there = existing(self._cluster, self._admin, stop)
        for topic, known in before.items():
            if known is not None and topic not in there:
                raise _deleted(topic, "since they ran")
        ensure(self._cluster, [*map(output, self._targets), *self._others], stop)
        state.begin()
        for target in self._targets:
            current = describe(self._cluster, target.topic, self._admin, stop=stop).topic_id
            if before[target.topic] not in (None, current):
                raise _recreated(target.topic, "since they ran")
            state.save_topic_id(target.name, current)
            self._ids[target.topic] = current
        state.commit()

    def ends(self, topic: str) -> dict[int, int]:
        """Where each partition of a result ends now, those included that were added while the engine runs.

        Waits while Kafka is away. Raises ClickstreamError when the topic is gone, Stopped.
        """
        try:
            return ends(self._cluster, topic, self._admin, stop=self._stop)
        except TopicGone as problem:
            raise self.why(problem) from problem

    def look(self) -> None:
        """Ask about them now and then, without waiting for the answer: call it often.

        Raises ClickstreamError when one was deleted or recreated while the tables run: a producer only finds out when
        it has rows for it, and writes them to a topic of the same name without a word.
        """
        if self._asked:
            if all(future.done() for future in self._asked.values()):
                asked, self._asked = self._asked, {}
                self._look_at = time.monotonic() + LOOK_EVERY_S
                for topic, future in asked.items():
                    self._compare(topic, future)
        elif time.monotonic() >= self._look_at and self._ids:
            self._asked = self._admin.describe_topics(TopicCollection(list(self._ids)), request_timeout=ANSWER_WITHIN_S)

    def _compare(self, topic: str, future: "Future[Any]") -> None:
        try:
            current = str(answer_of(future).topic_id)
        except KafkaException as problem:  # nobody answers: asked again
            self._missed[topic] = self._missed.get(topic, 0) + 1 if is_missing(problem) else 0
            if self._missed[topic] >= BELIEVED_AFTER_LOOKS:
                raise _deleted(topic, "while they ran") from problem
            return
        self._missed[topic] = 0
        if current != self._ids[topic]:
            raise _recreated(topic, "while they ran")

    def why(self, problem: ClickstreamError) -> ClickstreamError:
        """What people need to know when rows could not be written: that a topic is gone, or else `problem`.

        The client has a different error for it in every phase of a record.
        """
        try:
            there = existing(self._cluster, self._admin)
            for topic, known in self._ids.items():
                if topic not in there:
                    return _deleted(topic, "while they ran")
                if describe(self._cluster, topic, self._admin).topic_id != known:
                    return _recreated(topic, "while they ran")
        except ClickstreamError:
            return problem  # Kafka is away: that is why
        gone = [topic for topic in self._others if topic not in there]
        if gone:
            return ClickstreamError(
                f"Topic {gone[0]} was deleted while the tables ran. Start again: it is created then."
            )
        return problem


def _deleted(topic: str, when: str) -> ClickstreamError:
    return ClickstreamError(f"Topic {topic}, which these tables write, was deleted {when}. {RESET}")


def _recreated(topic: str, when: str) -> ClickstreamError:
    return ClickstreamError(
        f"Topic {topic}, which these tables write, was recreated {when}: the rows that they had written are gone. "
        f"{RESET}"
    )
