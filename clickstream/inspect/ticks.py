"""Topic summaries again and again, with what came in between."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

from clickstream.errors import ClickstreamError
from clickstream.inspect import sizes
from clickstream.inspect.sizes import TopicSummary
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster

log = logging.getLogger(__name__)

Tick = tuple[list[TopicSummary], dict[str, float | None]]
"""All topics, and the records per second that came in to each since the tick before; None is unknown."""


def ticks(
    cluster: Cluster,
    admin: Admin,
    internal: bool,
    interval: float,
    stop: threading.Event,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Tick]:
    """A tick at once and then every `interval` seconds until `stop` is set.

    Raises ClickstreamError when the first one fails. Later, a cluster that is away is said once and waited for.
    """
    before = sizes.summaries(cluster, admin, internal=internal)
    at = clock()
    yield before, {}
    away = False
    while not stop.wait(interval):
        try:
            found = sizes.summaries(cluster, admin, internal=internal)
        except ClickstreamError as error:
            if not away:
                log.warning("%s Waiting for it.", error)
            away = True
            continue
        away = False
        now = clock()
        yield found, sizes.rates(before, found, now - at)
        before, at = found, now


def changes(every: Iterator[Tick]) -> Iterator[Tick]:
    """The ticks, with only the topics that are not as they were one tick before."""
    before: list[TopicSummary] = []
    for found, rates in every:
        yield [summary for summary in found if summary not in before], rates
        before = found
