"""Topics and groups, looked at by one thread each for all panels, while some panel asks."""

from dataclasses import dataclass
from functools import cache

from clickstream.inspect import groups
from clickstream.inspect.groups import Group
from clickstream.inspect.rates import LOOK_EVERY_S, TopicList, TopicRates
from clickstream.inspect.refreshed import Known, Refreshed
from clickstream.kafka.admin import metadata
from clickstream.kafka.clients import Cluster

GROUPS_EVERY_S = 3.0
# On every page: one small request, where the list of topics takes several each second.
NAMES_EVERY_S = 10.0


@dataclass(frozen=True)
class Watching:
    """`get` of each does not wait for Kafka, but for the first look at most half a second."""

    topics: Known[TopicList]
    groups: Known[list[Group]]
    names: Known[list[str]]

    def close(self) -> None:
        self.names.close()
        self.topics.close()
        self.groups.close()


def watching_of(cluster: Cluster) -> Watching:
    """It begins to look when it is asked."""
    client = cache(cluster.admin)

    def all_groups() -> list[Group]:
        return groups.groups(cluster, client())

    def names() -> list[str]:
        return sorted(metadata(cluster, client()))

    return Watching(
        Refreshed(TopicRates(cluster).look, LOOK_EVERY_S, "topics"),
        Refreshed(all_groups, GROUPS_EVERY_S, "groups"),
        Refreshed(names, NAMES_EVERY_S, "topic names"),
    )
