"""Making sure that a registry still has the schemas that a part writes with."""

import threading
from collections.abc import Iterable

from clickstream.avro.codec import MAKE_SURE_EVERY_S, Encoder, must_still_have
from clickstream.avro.registry import Registry


def keep_sure(
    registry: Registry, encoders: Iterable[Encoder], stop: threading.Event, every_s: float = MAKE_SURE_EVERY_S
) -> None:
    """Ask now and then until `stop` is set; raises ClickstreamError when it was wiped, or is another one.

    For those who encode where nothing may be waited for.
    """
    known = [(one.schema_id, one.text) for one in encoders]
    while not stop.wait(every_s):
        for schema_id, text in known:
            must_still_have(registry, schema_id, text)
