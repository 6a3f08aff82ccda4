"""Waiting for a registry that is away, or for a schema that it does not know yet."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from clickstream.avro.codec import Decoder, RegistryAway, UnknownSchema
from clickstream.avro.registry import Registry
from clickstream.errors import ClickstreamError

log = logging.getLogger(__name__)
T = TypeVar("T")

ASK_EVERY_S = 1.0
SAY_EVERY_S = 30.0


class Ended(Exception):
    """The wait was ended by who waits."""


def patiently(
    ask: Callable[[], T],
    stop: threading.Event | None,
    patience_s: float,
    doing: str = "read",
    *,
    limited: bool = False,
) -> T:
    """What `ask` gives, asked again while it raises RegistryAway or UnknownSchema; `doing` is what that is for.

    With `stop` there is no limit, unless it is `limited`: Ended is raised once it is set. Without, ClickstreamError
    after `patience_s`.
    """
    begun = time.monotonic()
    said_at = float("-inf")
    while True:
        try:
            return ask()
        except (UnknownSchema, RegistryAway) as problem:
            now = time.monotonic()
            if (limited or stop is None) and now > begun + patience_s:
                raise ClickstreamError(
                    f"Avro cannot be {doing}: {problem}, for {patience_s:g} s. Start again once it is there."
                ) from None
            if now > said_at + SAY_EVERY_S:
                said_at = now
                log.warning("Avro cannot be %s: %s; waiting for it.", doing, problem)
        if (stop or threading.Event()).wait(ASK_EVERY_S):
            raise Ended


def patient_json(registry: Registry, patience_s: float, stop: threading.Event) -> Callable[[bytes], bytes]:
    """A function as Decoder.to_json that waits for what is away.

    It raises ClickstreamError after `patience_s`, and Ended once `stop` is set.
    """
    decoder = Decoder(registry)
    return lambda value: patiently(lambda: decoder.to_json(value), stop, patience_s, limited=True)
