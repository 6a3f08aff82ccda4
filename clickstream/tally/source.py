"""The counted topic: is the log still the one that the state speaks of, and who else counts it?"""

import threading
from collections.abc import Iterable

from confluent_kafka import ConsumerGroupState

from clickstream.kafka.admin import ANSWER_WITHIN_S, describe
from clickstream.kafka.clients import Cluster
from clickstream.kafka.log import Recreated, check, identify, is_same
from clickstream.kafka.offsets import beginnings
from clickstream.kafka.patience import patiently
from clickstream.records import CounterState

START_OVER = "--reset forgets the counts and starts over with what the topic holds now."


class Source:
    """The counted topic, known by the id that its broker gave it."""

    def __init__(self, cluster: Cluster, topic: str, stop: threading.Event | None = None) -> None:
        """With `stop`, questions wait for Kafka until it is set, and then raise Stopped; else for half a minute."""
        self._cluster = cluster
        self._stop = stop
        # A connection of its own: questions on the counting consumer's wait behind its fetches, up to 0.5 s each.
        self._admin = cluster.admin()
        self.topic = topic
        self._identity = identify(cluster, topic, self._admin, stop=stop)

    @property
    def id(self) -> str:
        return self._identity.topic_id

    def same(self) -> bool:
        """True when the topic is still the same one; False when the broker does not answer just now.

        Asked after records were counted and before their state is saved: so no record of a topic that was recreated
        under the same name is ever saved as one of this topic. Raises ClickstreamError when the topic is another
        one, or gone.
        """
        return is_same(self._cluster, self._identity, self._admin, remedy=START_OVER, stop=self._stop)

    def check(self, states: Iterable[CounterState]) -> None:
        """Raises ClickstreamError when the log contradicts one of the states."""
        states = list(states)
        for state in states:
            if state.topic_id != self.id:
                raise Recreated(
                    f"Topic {self.topic} was recreated since it was counted: its id was {state.topic_id}, now it is "
                    f"{self.id}. {START_OVER}"
                )
        self.check_places({state.partition: state.next_offset for state in states})

    def check_places(self, places: dict[int, int]) -> None:
        """Raises ClickstreamError when the log does not hold what comes at and after `places`, by partition."""
        if places:
            check(self._cluster, self._identity, places, self._admin, remedy=START_OVER, stop=self._stop)

    def begin(self, partitions: Iterable[int]) -> dict[int, int]:
        """The first offset that the log still holds, by partition."""
        return beginnings(self._cluster, self.topic, self._admin, partitions=partitions, stop=self._stop)

    def partitions(self) -> int:
        """How many partitions the topic has now."""
        return len(describe(self._cluster, self.topic, self._admin, stop=self._stop).partitions)

    def members(self, group: str) -> int:
        """How many members `group` has now; 0 when there is no such group."""

        def ask() -> int:
            asked = self._admin.describe_consumer_groups([group], request_timeout=ANSWER_WITHIN_S)
            found = asked[group].result()
            return 0 if found.state == ConsumerGroupState.DEAD else len(found.members)

        return patiently(ask, f"Describing group {group}", self._cluster.address, self._stop)
