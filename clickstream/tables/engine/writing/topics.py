"""The topics of results: whether they are still those that hold what was written before."""

from collections.abc import Collection
from threading import Event

from confluent_kafka.admin import AdminClient

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.describe import describe
from clickstream.tables.engine.options import RESET
from clickstream.tables.engine.state.store import State
from clickstream.tables.outputs import output
from clickstream.tables.sql.model import Table
from clickstream.topics import ensure, existing


class ResultTopics:
    """`targets` are the tables that are written; `others` are topics beside them, of dead letters and late rows."""

    def __init__(self, cluster: Cluster, admin: AdminClient, targets: Collection[Table], others: list[str]) -> None:
        self._cluster = cluster
        self._admin = admin
        self._targets = targets
        self._others = others
        self._ids: dict[str, str] = {}  # by topic

    def prepare(self, state: State, stop: Event) -> None:
        """Create those that are missing, and note in the state which they are.

        Raises ClickstreamError when one was deleted or recreated since the last run: it lacks what was written before.
        """
        before = {target.topic: state.topic_id(target.name) for target in self._targets}
        there = existing(self._cluster, self._admin)
        for topic, known in before.items():
            if known is not None and topic not in there:
                raise _deleted(topic, "since they ran")
        ensure(self._cluster, [*map(output, self._targets), *self._others])
        state.begin()
        for target in self._targets:
            current = describe(self._cluster, target.topic, self._admin, stop=stop).topic_id
            if before[target.topic] not in (None, current):
                raise _recreated(target.topic, "since they ran")
            state.save_topic_id(target.name, current)
            self._ids[target.topic] = current
        state.commit()

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
