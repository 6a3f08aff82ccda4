"""Tables that are topics: the latest record of every key, decoded."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Generic, TypeVar

import msgspec
from confluent_kafka import Message

from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState

T = TypeVar("T")


class Keyed(Generic[T]):
    """`read` gives what a record says, or None when it says nothing. To be used by one thread at a time."""

    def __init__(self, services: Services, topic: str, read: Callable[[Message], T | None]) -> None:
        self._services = services
        self._listener = services.hub.latest(topic)
        self._read = read
        self._rows: dict[bytes | None, T] = {}

    def topic(self) -> TopicState:
        return self._services.topic_state(self._listener)

    def rows(self) -> Iterable[T]:
        """As of now, in no order that means anything."""
        news = self._listener.take()
        if news.anew:
            self._rows = {}
        for message in news.records:
            found = self._read(message)
            if found is None:
                self._rows.pop(message.key(), None)
            else:
                self._rows[message.key()] = found
        return self._rows.values()

    def close(self) -> None:
        self._listener.close()


def reader(kind: type[T]) -> Callable[[Message], T | None]:
    """Reads values as JSON; what is none of `kind`, and a tombstone, says nothing."""
    decode = msgspec.json.Decoder(kind).decode

    def read(message: Message) -> T | None:
        value = message.value()
        if value is None:
            return None
        try:
            return decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    return read


def epoch_ms(text: str) -> int:
    """Of a time as tables write it, in UTC: `2026-11-28 14:31:40.000`. Raises ValueError when it is none."""
    return round(datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC).timestamp() * 1000)


class Person(msgspec.Struct, frozen=True):
    """A registered user, as far as pages show one (records.WebUser)."""

    user_id: int
    username: str | None = None
    city: str | None = None


class People:
    """Registered users by their ids, as clicks have them."""

    def __init__(self, services: Services) -> None:
        self._keyed = Keyed(services, services.settings["generate-web.users-topic"], reader(Person))

    def topic(self) -> TopicState:
        return self._keyed.topic()

    def by_id(self) -> dict[str, Person]:
        return {str(one.user_id): one for one in self._keyed.rows()}

    def close(self) -> None:
        self._keyed.close()
