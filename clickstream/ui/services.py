"""What panels ask."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from clickstream.config import Config
from clickstream.inspect.hub import Hub, Listener
from clickstream.inspect.read import Open
from clickstream.kafka.clients import Cluster
from clickstream.records import RunningSql
from clickstream.ui.hints import Hints
from clickstream.ui.remembered.ring import Ring
from clickstream.ui.statuses import Said, Statuses, TopicState, topic_state
from clickstream.ui.watching import Watching, watching_of

if TYPE_CHECKING:
    from clickstream.avro.viewing import Viewer
    from clickstream.ui.remembered.asof import Past


class History(Protocol):
    """The recent past, as far as the server itself knows it: a part that reads and answers."""

    def run(self, stop: threading.Event) -> None:
        """Read until `stop` is set; what Kafka holds up then is not waited for long."""
        ...

    def final(self) -> int | None:
        """The watermark in epoch ms."""
        ...

    def coverage(self) -> Any: ...


def epoch_ms() -> int:
    """The wall clock, epoch ms."""
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Services:
    """All of it may be used from any thread, and does not wait for Kafka."""

    cluster: Cluster
    settings: Config
    hub: Hub
    statuses: Said
    watching: Watching
    hints: Hints
    history: History | None = None
    files: Sequence[RunningSql] = ()
    """Files of SQL to show while none runs."""
    clock: Callable[[], int] = epoch_ms
    viewer: "Viewer | None" = None
    """What makes JSON of Avro; None without a schema registry."""
    memory: Ring | None = None
    """What is remembered, for past instants."""
    past: "Past | None" = None
    """The instant that all of this is of; None is now."""

    @property
    def opened(self) -> Open | None:
        """What makes records readable."""
        return None if self.viewer is None else self.viewer.open

    def topic_state(self, listener: Listener) -> TopicState:
        """What a panel says of the topic that it listens to."""
        return topic_state(listener.topic.topic, listener.state, self.hints)

    def stop_reading(self) -> None:
        """Have all readers end."""
        self.watching.close()
        self.hub.stop()

    def close(self, within_s: float) -> None:
        """End all reading. A Kafka that does not answer holds its reader up: it is waited for that long."""
        self.stop_reading()
        self.hub.close(within_s)


def services(
    cluster: Cluster,
    settings: Config,
    history: Callable[[Statuses], History] | None = None,
    files: Sequence[RunningSql] = (),
    viewer: "Viewer | None" = None,
    clock: Callable[[], int] = epoch_ms,
    memory: Ring | None = None,
) -> Services:
    """`history` makes the one that panels ask; it hears from the parts how far results are final. `memory` is filled by
    who runs a remembered.taking.Taking."""
    hub = Hub(cluster, opened=None if viewer is None else viewer.open)
    hints = Hints(settings)
    statuses = Statuses(hub, settings["status-topic"], hints)
    past = history(statuses) if history is not None else None
    return Services(cluster, settings, hub, statuses, watching_of(cluster), hints, past, files, clock, viewer, memory)
