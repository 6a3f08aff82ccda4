"""Asking again while Kafka is away."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaException

from clickstream.errors import ClickstreamError
from clickstream.kafka.errors import explain, is_missing, is_transient

Answer = TypeVar("Answer")

# Without a stop to wait for: the embedded broker is back in 5 s.
RESTARTS_WITHIN_S = 30.0
# A broker that has just started does not know every topic at once. A long-running part has the time to make sure;
# a person who has mistyped a name has not.
KNOWS_TOPICS_WITHIN_S = 2.0
SURELY_KNOWS_TOPICS_WITHIN_S = 10.0
ASK_EVERY_S = 0.1


class Stopped(ClickstreamError):
    """The part was told to stop while it waited for Kafka."""


class TopicGone(ClickstreamError):
    """The client or the broker says that the topic does not exist."""


def patiently(
    ask: Callable[[], Answer],
    doing: str,
    address: str,
    stop: threading.Event | None = None,
    *,
    limited: bool = False,
) -> Answer:
    """The answer of `ask`, which is asked again while its KafkaException is one that passes by itself.

    With `stop`, of a long-running part, there is no limit: Stopped is raised once it is set. Without, it ends after
    RESTARTS_WITHIN_S, and so it does if it is `limited`, as what comes before a part runs. An attempt should take 5 s
    at most, so that a stop is soon noticed. Raises TopicGone once it has been said for (SURELY_)KNOWS_TOPICS_WITHIN_S
    that there is no such topic, ClickstreamError for any other error.
    """
    begun = time.monotonic()
    missing_since: float | None = None
    while True:
        try:
            return ask()
        except KafkaException as problem:
            now, stopped = time.monotonic(), stop is not None and stop.is_set()
            if is_missing(problem):
                missing_since = missing_since or now
                limit = KNOWS_TOPICS_WITHIN_S if stop is None else SURELY_KNOWS_TOPICS_WITHIN_S
                if now - missing_since >= limit:
                    raise TopicGone(str(explain(problem, doing, address))) from problem
            elif is_transient(problem):
                missing_since = None
                if (limited or stop is None) and not stopped and now - begun >= RESTARTS_WITHIN_S:
                    raise explain(problem, doing, address) from problem
            else:
                raise explain(problem, doing, address) from problem
            if stopped:
                raise Stopped(f"{doing} at {address}: stopped while Kafka was away.") from problem
        (stop or threading.Event()).wait(ASK_EVERY_S)
