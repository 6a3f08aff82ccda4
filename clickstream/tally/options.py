"""What a counter counts, and where its results go."""

from collections.abc import Callable
from dataclasses import dataclass

from clickstream.config import topic_name
from clickstream.errors import ConfigError
from clickstream.kafka.patience import Stopped
from clickstream.tally.state import state_topic


class ReadingStopped(Stopped):
    """The counter was told to stop while `as_json` waited: the next start reads from that record on."""


@dataclass(frozen=True)
class CounterOptions:
    """`interval` is in seconds between tallies; `exit_at_end` leaves when every partition was read to its end.

    The end is where a partition ended when the counter started, or the one that is reached while nothing is written.
    `as_json` turns values of another format into JSON, or raises ValueError, or ReadingStopped; None: they are
    JSON.
    """

    from_topic: str
    to_topic: str
    field: str
    group: str
    dead_letter_topic: str
    interval: float = 1.0
    exit_at_end: bool = False
    as_json: Callable[[bytes], bytes] | None = None

    def check(self) -> None:
        """Raises ConfigError for what cannot work, before anything is started or created."""
        state = state_topic(self.group).name
        try:
            topic_name(state)
        except ValueError as error:
            raise ConfigError(
                f"The state of --group {self.group} would be in topic {state}, but {error}. Choose another --group."
            ) from None
        outputs = {
            "--to-topic": self.to_topic,
            "--dead-letter-topic": self.dead_letter_topic,
            "the topic of the group's state": state,
        }
        for role, topic in outputs.items():
            if topic == self.from_topic:
                raise ConfigError(f"--from-topic {topic} is also {role}: the counter would count itself.")
        if len(set(outputs.values())) < len(outputs):
            raise ConfigError(f"These must be three topics: {', '.join(map(' '.join, outputs.items()))}.")


def default_group(topic: str, field: str) -> str:
    """The group of a counter that was given none: one for each topic and field."""
    return f"clickstream-counter.{topic}.{field}"
