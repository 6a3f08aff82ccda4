"""The counted topic: is the log still the one that the state speaks of, and who else counts it?"""

from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, TopicCollection

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import partitions_of, watermarks
from clickstream.kafka.errors import error_of, explain
from clickstream.records import CounterState

ANSWER_WITHIN_S = 5.0
START_OVER = "--reset forgets the counts and starts over with what the topic holds now."


class Source:
    """The counted topic, known by the id that its broker gave it."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._cluster = cluster
        self._admin = cluster.admin()
        # A connection of its own: questions on the counting consumer's wait behind its fetches, up to 0.5 s each.
        self._asking: Consumer = cluster.consumer("clickstream-reader")
        self.topic = topic
        try:
            self.id = self._current_id()
        except KafkaException as problem:
            raise explain(problem, f"Describing topic {topic}", cluster.address) from problem

    def same(self) -> bool:
        """True when the topic is still the same one; False when the broker does not answer just now.

        Asked after records were counted and before their state is saved: so no record of a topic that was
        made anew under the same name is ever saved as one of this topic. Raises ClickstreamError when the
        topic is another one, or gone.
        """
        try:
            current = self._current_id()
        except KafkaException as problem:
            error = error_of(problem)
            if error is not None and (error.retriable() or error.code() in _AWAY):
                return False
            raise explain(problem, f"Describing topic {self.topic}", self._cluster.address) from problem
        if current != self.id:
            raise ClickstreamError(f"Topic {self.topic} was deleted and made anew while it was counted. {START_OVER}")
        return True

    def check(self, state: CounterState) -> None:
        """Raises ClickstreamError when the log contradicts `state`."""
        place = f"{self.topic} partition {state.partition}"
        if state.topic_id != self.id:
            raise ClickstreamError(
                f"Topic {self.topic} was deleted and made anew since it was counted "
                f"(its id was {state.topic_id}, now it is {self.id}). {START_OVER}"
            )
        low, high = watermarks(self._asking, self.topic, state.partition, self._cluster.address)
        if state.next_offset < low:
            raise ClickstreamError(
                f"{place}: counted up to offset {state.next_offset}, but the log begins at {low}: retention deleted "
                f"{low - state.next_offset} records before they were counted. {START_OVER}"
            )
        if state.next_offset > high:
            raise ClickstreamError(
                f"{place}: counted up to offset {state.next_offset}, but the log ends at {high}. {START_OVER}"
            )

    def begin(self, partition: int) -> int:
        """The first offset that the log still holds."""
        return watermarks(self._asking, self.topic, partition, self._cluster.address)[0]

    def partitions(self) -> int:
        """How many partitions the topic has now."""
        return len(partitions_of(self._asking, self.topic, self._cluster.address))

    def members(self, group: str) -> int:
        """How many members `group` has now; 0 when there is no such group."""
        try:
            found = self._admin.describe_consumer_groups([group], request_timeout=15)[group].result()
        except KafkaException as problem:
            raise explain(problem, f"Describing group {group}", self._cluster.address) from problem
        return 0 if found.state == ConsumerGroupState.DEAD else len(found.members)

    def close(self) -> None:
        self._asking.close()

    def _current_id(self) -> str:
        asked = self._admin.describe_topics(TopicCollection([self.topic]), request_timeout=ANSWER_WITHIN_S)
        return str(asked[self.topic].result().topic_id)


_AWAY = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT})
