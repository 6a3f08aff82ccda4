"""A real Apache Kafka that starts itself: for this machine only, with nothing to install but wheels."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clickstream.broker.embedded import BrokerStatus, EmbeddedBroker, Lease

__all__ = ["BrokerStatus", "EmbeddedBroker", "Lease"]


def __getattr__(name: str) -> object:
    # On demand: the supervisor, which lives as long as the broker, imports this package without these (14 MB, not 21).
    if name in __all__:
        from clickstream.broker import embedded

        return getattr(embedded, name)
    raise AttributeError(name)
