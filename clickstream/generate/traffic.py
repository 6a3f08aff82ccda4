"""What a generator sends: reference records first, then clicks without end."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clickstream.generate.crowd import Click, Crowd

_MILLISECONDS = [b"%03d" % ms for ms in range(1000)]

# The text of a time is its seconds and three digits: they must be above 0. And dates end with the year 9999.
EARLIEST_MS = 86_400_000
LATEST_MS = 253_000_000_000_000


@dataclass(frozen=True)
class Traffic:
    """`stamp` is the text of a click's time but for its last three digits, by epoch second.

    `numbers` names members of a click that are numbers, for those who want to spoil them.
    """

    kind: str
    topic: str
    crowd: Crowd
    stamp: Callable[[int], bytes]
    numbers: tuple[str, ...]
    references: Mapping[str, Iterable[tuple[bytes, bytes]]]
    """By topic: keys and values."""

    def messages(self, clicks: Sequence[Click], times_ms: Sequence[int]) -> list[dict[str, Any]]:
        """The clicks at these epoch milliseconds, for `Sender.send_batch`."""
        # Text put together from ready pieces: encoding a WebClick and its time costs 1.5 us more per event.
        stamp = self.stamp
        return [
            {"key": key, "value": head + stamp(ms // 1000) + _MILLISECONDS[ms % 1000] + tail}
            for (key, head, tail), ms in zip(clicks, times_ms, strict=True)
        ]
