"""Records on their way to topics, turned from JSON into Avro."""

import logging
import time
from collections.abc import Mapping

from clickstream.avro.codec import Encoder, NoFit

log = logging.getLogger(__name__)

SAY_EVERY_S = 5.0


class TopicEncoders:
    """An encoder for each topic; values of other topics stay as they are.

    What the schema has no place for is sent as it is: records that are malformed on purpose.
    """

    def __init__(self, encoders: Mapping[str, Encoder]) -> None:
        self._encoders = encoders
        self._said_at = float("-inf")
        self.left = 0

    def __call__(self, topic: str, value: bytes | None) -> bytes | None:
        """The value in Avro. Raises ClickstreamError when the registry was wiped."""
        encoder = self._encoders.get(topic)
        if encoder is None or value is None:
            return value
        try:
            return encoder.encode(value)
        except NoFit as problem:
            self.left += 1
            if time.monotonic() > self._said_at + SAY_EVERY_S:
                self._said_at = time.monotonic()
                log.warning("A record of %s is sent as it is, not as Avro: %s. So far: %d.", topic, problem, self.left)
            return value
