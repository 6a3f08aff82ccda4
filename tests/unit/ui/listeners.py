"""What stands in for a hub: tests say what comes to each topic."""

from types import SimpleNamespace

from confluent_kafka import Message

from clickstream.inspect.hub import News
from clickstream.inspect.topicreader import Stage, State


class FakeListener:
    """A listener of one topic."""

    def __init__(self, topic: str = "t") -> None:
        self.topic = SimpleNamespace(topic=topic)
        self.coming: list[News] = []
        self.state = State(Stage.LIVE, 1_600_000_000.0)
        self.closed = False

    def take(self) -> News:
        return self.coming.pop(0) if self.coming else News([], 0, False, self.state)

    def snapshot(self) -> News:
        """All that came, as far as it was not taken."""
        records = [record for news in self.coming for record in news.records]
        self.coming = []
        return News(records, 0, True, self.state)

    def close(self) -> None:
        self.closed = True


class FakeHub:
    """Has one listener for each topic."""

    def __init__(self) -> None:
        self.listeners: dict[str, FakeListener] = {}

    def latest(self, topic: str) -> FakeListener:
        return self.listeners.setdefault(topic, FakeListener(topic))

    def recent(self, topic: str) -> FakeListener:
        return self.latest(topic)

    def say(self, topic: str, records: dict[str, bytes | None], *, anew: bool = False) -> None:
        """These records, by their keys, come to the topic."""
        messages = [
            Message(topic=topic, partition=0, offset=number, key=key.encode(), value=value)
            for number, (key, value) in enumerate(records.items())
        ]
        listener = self.latest(topic)
        listener.coming.append(News(messages, 0, anew, listener.state))
