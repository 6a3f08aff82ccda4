"""How large a record may be: for the producer, and for the topic that it goes to."""

from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    ConfigResource,
)

from clickstream.kafka.asking import Admin
from clickstream.kafka.errors import answer_of
from clickstream.kafka.properties import whole_number

ANSWER_WITHIN_S = 5.0
# Key and value do not fill a batch of one record: there are headers and framing, too.
OVERHEAD_BYTES = 1_000


class LimitedProducer(Producer):
    """A producer that can tell why a record was too large."""

    def __init__(self, settings: dict[str, Any], admin: Callable[[], Admin]) -> None:
        """`admin` makes the client that is asked for a topic's limit, should that ever be needed."""
        super().__init__(settings)
        self._max_bytes = whole_number(settings.get("message.max.bytes", 1_000_000))
        self._admin = admin

    def too_large(self, topic: str, size: int, *, refused_here: bool, ask: bool = True) -> str:
        """Why a record of `size` bytes (key and value) was refused, by us or by the broker, and what to change.

        With `ask`, the broker is asked for the topic's limit, for ANSWER_WITHIN_S at most.
        """
        limit = self._topic_limit(topic) if ask else None
        return explanation(topic, size, self._max_bytes, limit, refused_here=refused_here)

    def _topic_limit(self, topic: str) -> int | None:
        """The topic's max.message.bytes; None when the broker does not say."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        admin = self._admin()  # kept: what was asked of a client that is gone is never answered
        try:
            asked = admin.describe_configs([resource], request_timeout=ANSWER_WITHIN_S)
            return int(answer_of(asked[resource], ANSWER_WITHIN_S)["max.message.bytes"].value)
        except (KafkaException, TimeoutError, KeyError):
            return None


def explanation(topic: str, size: int, producer_limit: int, topic_limit: int | None, *, refused_here: bool) -> str:
    """One sentence, without its full stop: the topic, the size, the limits, and what to change."""
    needed = _room_for(size)
    if refused_here:
        said = (
            f"a record of {size:,} bytes for topic {topic} is larger than the producer sends (message.max.bytes is "
            f"{producer_limit:,}): use -X message.max.bytes={needed}"
        )
        if topic_limit is None or needed <= topic_limit:
            return said
        return f"{said} and raise max.message.bytes of the topic, now {topic_limit:,}, to {needed} or more"
    if topic_limit is not None and size + OVERHEAD_BYTES > topic_limit:
        return (
            f"a record of {size:,} bytes is larger than topic {topic} takes (max.message.bytes is {topic_limit:,}): "
            f"raise max.message.bytes of the topic to {needed} or more"
        )
    # The broker compares whole batches with the limit, and the client does not divide them.
    limit = "" if topic_limit is None else f" (max.message.bytes is {topic_limit:,})"
    smaller = (topic_limit or 200_000) // 2
    return (
        f"a record of {size:,} bytes came in a batch larger than topic {topic} takes{limit}: raise max.message.bytes "
        f"of the topic, or send smaller batches with -X batch.size={smaller}"
    )


def _room_for(size: int) -> int:
    """A round number of bytes that fits the record with its framing."""
    return -(-(size + OVERHEAD_BYTES) // 100_000) * 100_000
