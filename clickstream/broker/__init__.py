"""A real Apache Kafka that starts itself: one node, on this machine only, with nothing to install but wheels."""

from clickstream.broker.embedded import BrokerStatus, EmbeddedBroker, Lease

__all__ = ["BrokerStatus", "EmbeddedBroker", "Lease"]
