"""What tests ask of a cluster and clickstream does not."""

from confluent_kafka.admin import AdminClient

from clickstream.kafka.clients import Cluster


def admin_of(cluster: Cluster) -> AdminClient:
    """Keep it in a name until it has answered."""
    return cluster.admin()._make()
