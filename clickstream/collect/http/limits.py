"""How many requests one address may send: a token bucket for each, in bounded memory."""

import time
from collections.abc import Callable

MAX_ADDRESSES = 20_000
# An address may send what it is allowed in so many seconds at once.
BURST_S = 2.0


class RateLimit:
    """`rate` requests per second for each address; 0: no limit."""

    def __init__(
        self, rate: float, *, max_addresses: int = MAX_ADDRESSES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = max(1.0, rate * BURST_S)
        self._max = max_addresses
        self._clock = clock
        # What is in neither has a full bucket. An address that sent nothing while the other generation filled up, or
        # for BURST_S, has one, too: forgetting it changes nothing, but when there are very many addresses.
        self._latest: dict[str, tuple[float, float]] = {}
        self._before: dict[str, tuple[float, float]] = {}
        self._since = clock()

    def admits(self, address: str) -> bool:
        """Whether one more request of that address is within the limit; it counts if it is."""
        if not self._rate:
            return True
        bucket = _bucket_of(address)
        now = self._clock()
        tokens, at = self._latest.get(bucket) or self._before.get(bucket) or (self._burst, now)
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        admitted = tokens >= 1
        self._latest[bucket] = (tokens - 1 if admitted else tokens, now)
        if len(self._latest) > self._max or now > self._since + 2 * BURST_S:
            self._latest, self._before, self._since = {}, self._latest, now
        return admitted

    @property
    def retry_after(self) -> int:
        """Whole seconds after which one more is admitted."""
        return max(1, round(1 / self._rate)) if self._rate else 1


def _bucket_of(address: str) -> str:
    """A network of IPv6 that one subscriber has, a /64, counts as one address."""
    if ":" not in address:
        return address
    head = address.split("::")[0].split(":")
    return ":".join(head[:4])
