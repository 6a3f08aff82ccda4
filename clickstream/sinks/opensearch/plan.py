"""What a sink would do, told beforehand: nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clickstream.kafka.clients import Cluster
from clickstream.sinks.backlog import Backlog, backlog
from clickstream.sinks.model import Input
from clickstream.sinks.opensearch.claims import DEFINITION, Claims
from clickstream.sinks.opensearch.client import Client, path_of
from clickstream.sinks.opensearch.mapping import Index, index_name, indices_of, missing, problems
from clickstream.sinks.opensearch.target import PLACES, look, product_of


@dataclass(frozen=True)
class InputPlan:
    """What comes of an input."""

    index: Index
    exists: bool
    backlog: Backlog


@dataclass(frozen=True)
class Plan:
    """`requests` are what would be asked for, with bodies; `problems` what stands in the way of it."""

    where: str
    product: str
    inputs: Sequence[InputPlan]
    requests: Sequence[tuple[str, Any]]
    problems: Sequence[str]


def plan(client: Client, cluster: Cluster, inputs: Sequence[Input], name: str, prefix: str, *, early: bool) -> Plan:
    """What a sink of this `name` would do. Raises ConfigError, ClickstreamError; also Away, as it does not wait."""
    indices = indices_of(inputs, prefix, early=early)
    product = product_of(client)
    said: list[str] = []
    requests: list[tuple[str, Any]] = []
    places_index = index_name(prefix + PLACES)
    if look(client, places_index) is None:
        requests.append((f"PUT {path_of(places_index)}", DEFINITION))
    places = Claims(client, places_index).stored(name, [one.topic for one in inputs])
    plans = []
    for one in indices:
        found = look(client, one.name)
        own = {number: place for (topic, number), place in places.items() if topic == one.source.topic}
        if found is None:
            requests.append((f"PUT {path_of(one.name)}", one.definition()))
            if own:
                said.append(
                    f"Index {one.name} was deleted since the sink wrote to it. --reset fills it from the start."
                )
        else:
            said += problems(one, found)
            lacking = missing(one, found)
            if lacking:
                requests.append((f"PUT {path_of(one.name, '_mapping')}", {"properties": lacking}))
        left = backlog(cluster, one.source.topic, own)
        said += left.problems
        plans.append(InputPlan(one, found is not None, left))
    return Plan(client.where, product, plans, requests, said)
