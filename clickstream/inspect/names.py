"""Finding topics by the names that people type."""

import difflib
from collections.abc import Collection, Iterable

from clickstream import terminal
from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import refuse_hidden
from clickstream.kafka.clients import Cluster

INTERNAL_PREFIX = "__"


def is_internal(topic: str) -> bool:
    """Whether Kafka keeps the topic for itself (`__consumer_offsets`, `__transaction_state`, ...)."""
    return topic.startswith(INTERNAL_PREFIX)


def must_exist(cluster: Cluster, names: Iterable[str], known: Collection[str]) -> None:
    """Raises ClickstreamError that names the topics that do not exist, and the ones nearest to them."""
    missing = [name for name in names if name not in known]
    if not missing:
        return
    refuse_hidden(cluster, missing)
    noun = "Topic" if len(missing) == 1 else "Topics"
    shown = ", ".join(map(terminal.escaped, missing))
    verb = "does" if len(missing) == 1 else "do"
    near = suggestions(missing, known)
    hint = f"Did you mean {near}?" if near else "See them all with: clickstream topics list --all"
    raise ClickstreamError(f"{noun} {shown} {verb} not exist at {cluster.address}. {hint}")


def suggestions(missing: Iterable[str], known: Collection[str]) -> str:
    """Known names that look like the missing ones, nearest first; empty when none does."""
    near: list[str] = []
    for name in missing:
        near += [found for found in difflib.get_close_matches(name, known, n=3) if found not in near]
    return " or ".join(map(terminal.escaped, near))
