"""The schemas of the records that clickstream writes itself: config/schemas/NAME.avsc."""

from dataclasses import dataclass
from pathlib import Path

from clickstream.shipped import config_dir

# The topics whose values they describe, unless these have other names.
TOPICS = {
    "event": "event-topic",
    "status-code": "clickstream_codes",
    "vip-click": "vip-clicks",
    "vip-user": "vip-users",
    "web-click": "clickstream",
    "web-event": "web-events",
    "web-loss": "web-events-loss",
    "web-user": "clickstream_users",
}


@dataclass(frozen=True)
class Shipped:
    """One schema; `topic` is where its records are by default."""

    name: str
    topic: str
    path: Path

    @property
    def text(self) -> str:
        """The schema in JSON."""
        return self.path.read_text("utf-8")

    @property
    def subject(self) -> str:
        """Where a registry has it."""
        return subject_of(self.topic)


def shipped() -> dict[str, Shipped]:
    """All of them by name."""
    folder = config_dir() / "schemas"
    return {name: Shipped(name, topic, folder / f"{name}.avsc") for name, topic in TOPICS.items()}


def subject_of(topic: str) -> str:
    """The subject of a topic's values, by the strategy that is the default everywhere (TopicNameStrategy)."""
    return f"{topic}-value"
