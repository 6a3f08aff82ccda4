"""The state topic of a transform: how far it is in each partition, and which process runs it.

A place is written in the transaction of the results before it, so the offset travels with the result. The offsets of
a consumer group would not do: the broker forgets those of a group without members after a week, they know no topic id,
and anybody's tool moves them. The group only shows the lag.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message
from msgspec import MsgspecError

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.log import LogIdentity, Recreated
from clickstream.kafka.transactions import Record
from clickstream.records import TransformKey, TransformOwner, TransformPlace, decode, encode
from clickstream.topics import Declared

STARTS_OVER = "--reset starts over with what the topic holds now, and writes those results again."


def state_topic(name: str) -> Declared:
    """`transform-NAME-state`: compacted, one small partition."""
    config = {"cleanup.policy": "compact", "segment.ms": "3600000"}
    return Declared(f"transform-{name}-state", partitions=1, config=config)


@dataclass
class State:
    """What the state topic says, up to `end`."""

    topic: str
    owner: TransformOwner | None = None
    places: dict[int, TransformPlace] = field(default_factory=dict)
    end: int = 0

    def take(self, message: Message) -> None:
        """Learn what a record says. Raises ClickstreamError when it is none of a transform's."""
        self.end = (message.offset() or 0) + 1
        try:
            key = decode(message.key(), TransformKey)
            said: Any = None if message.value() is None else decode(message.value(), _SAID)
        except (MsgspecError, UnicodeDecodeError) as problem:
            raise ClickstreamError(
                f"{self.topic} offset {message.offset()} is not a transform's state ({problem}). "
                "Choose another --name, or delete the topic if nothing else uses it."
            ) from None
        if isinstance(said, TransformPlace):
            self.places[said.partition] = said
        elif isinstance(said, TransformOwner):
            self.owner = said
        elif key.partition is not None:
            self.places.pop(key.partition, None)

    def check(self, identity: LogIdentity, output: str, name: str) -> None:
        """Raises ClickstreamError when the places are of other topics, or of one that was recreated."""
        for place in self.places.values():
            if (place.topic, place.output) != (identity.topic, output):
                raise ClickstreamError(
                    f"Transform {name} has read {place.topic} and written {place.output}. "
                    "Choose another --name, or --reset to forget that and start over."
                )
            if place.topic_id != identity.topic_id:
                raise Recreated(
                    f"Topic {identity.topic} was recreated since it was read: its id was {place.topic_id}, now it is "
                    f"{identity.topic_id}. {STARTS_OVER}"
                )

    def owned(self, owner: TransformOwner) -> Record:
        """The record that names the process."""
        return Record(self.topic, encode(TransformKey(None)), encode(owner))

    def forgotten(self) -> list[Record]:
        """The records after which it has no places."""
        return [Record(self.topic, encode(TransformKey(partition)), None) for partition in self.places]

    def saved(self, identity: LogIdentity, output: str, places: Iterable[tuple[int, int]]) -> list[Record]:
        """The records of places: partitions and the offsets to read next."""
        return [
            Record(
                self.topic,
                encode(TransformKey(partition)),
                encode(
                    TransformPlace(
                        topic=identity.topic,
                        topic_id=identity.topic_id,
                        output=output,
                        partition=partition,
                        next_offset=offset,
                    )
                ),
            )
            for partition, offset in places
        ]


_SAID: Any = TransformPlace | TransformOwner


def read_state(cluster: Cluster, topic: str, stop: threading.Event) -> State:
    """What stands on a state topic. Raises Stopped, ClickstreamError."""
    state = State(topic)
    ends = read_to_end(cluster, topic, state.take, stop=stop)
    state.end = ends[0]
    return state
