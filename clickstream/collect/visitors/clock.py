"""When an event happened, though visitors' clocks are wrong by hours or years."""

from typing import Final

from clickstream.collect.protocols.model import Number

DAY: Final = 86_400_000  # ms


def corrected(received: int, created: Number | None, sent: Number | None) -> int:
    """Epoch ms by the collector's clock, from that of an event and of its sending by the visitor's.

    The time between `created` and `sent` is right however wrong the visitor's clock is, unless it was set in between.
    So the result is never later than `received`, nor more than a day before it.
    """
    if created is None:
        return received
    happened = created if sent is None else received - (sent - created)
    if happened >= received:
        return received
    return int(happened) if happened > received - DAY else received - DAY
