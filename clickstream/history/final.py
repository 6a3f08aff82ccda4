"""Up to when results are final."""

from collections.abc import Iterable

from clickstream.records import Status

# As the tables' watermark: what is later than that is late.
DELAY_MS = 5_000


def watermark(statuses: Iterable[Status], topic: str) -> int | None:
    """The watermark of the running tables that read `topic`, in epoch ms; None where none runs, or none is known."""
    known = [
        place.watermark
        for status in statuses
        if status.kind == "tables" and status.state == "running"
        for place in status.positions
        if place.topic == topic and place.watermark is not None and not place.idle
    ]
    return min(known, default=None)
