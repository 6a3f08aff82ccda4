"""Several brokers of one cluster on this machine, to try what happens when one of them is away.

Each is broker and controller, with a supervisor and a directory of its own: one that dies is started again. Topics are
replicated to all of them, and take writes while one is away.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from clickstream.broker.embedded import BrokerStatus, EmbeddedBroker
from clickstream.broker.jvm import random_id
from clickstream.broker.serverconfig import Node
from clickstream.files import replace_text
from clickstream.java import ports

NUMBER = 3

Make = Callable[[Path, Node | None], EmbeddedBroker]
"""Of a state directory, and which node it is of: None for one that is only looked at, or stopped."""


class EmbeddedCluster:
    """The nodes below `state_dir`, whether they run or not."""

    def __init__(self, state_dir: Path, make: Make) -> None:
        self._root = directory(state_dir)
        self._make = make

    def start(self) -> str:
        """Start those that do not run, and keep them up until `stop`; returns all addresses, as clients take them.

        Raises ClickstreamError when one does not start.
        """
        nodes = self._layout()
        brokers = [self._make(self._root / str(one.id), one) for one in nodes]
        # Together: none is ready before most of them are there.
        with ThreadPoolExecutor(len(brokers)) as pool:
            return ",".join(pool.map(EmbeddedBroker.start, brokers))

    def stop(self, *, force: bool = False) -> bool:
        """Stop all; False when none ran. Raises ClickstreamError if other processes use one, unless `force`."""
        brokers = self._brokers()
        with ThreadPoolExecutor(NUMBER) as pool:
            return any(list(pool.map(lambda one: one.stop(force=force), brokers.values())))

    def status(self) -> Mapping[int, BrokerStatus]:
        """Of each node that was ever started, by its id."""
        return {number: broker.status() for number, broker in self._brokers().items()}

    def _brokers(self) -> dict[int, EmbeddedBroker]:
        places = {number: self._root / str(number) for number in range(1, NUMBER + 1)}
        return {number: self._make(place, None) for number, place in places.items() if place.exists()}

    def _layout(self) -> list[Node]:
        """The nodes, with the ports of their controllers, which all of them have to know.

        They stay while one of them runs; else they are free ones.
        """
        file = self._root / "cluster.json"
        self._root.mkdir(parents=True, exist_ok=True)
        known = Node(**json.loads(file.read_text())) if file.exists() else Node(0, random_id(), {})
        if not known.voters or not any(one.supervisor_pid for one in self.status().values()):
            found: set[int] = set()
            while len(found) < NUMBER:
                found.add(ports.any_free())
            voters = {str(number): port for number, port in enumerate(sorted(found), start=1)}
            known = Node(0, known.cluster_id, voters)
            replace_text(file, json.dumps(asdict(known)) + "\n")
        return [Node(int(number), known.cluster_id, known.voters) for number in known.voters]


def directory(state_dir: Path) -> Path:
    """Where the nodes' directories are."""
    return state_dir / "nodes"
