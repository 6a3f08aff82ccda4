"""What a worker counts: names are those of its metrics."""

from collections import Counter
from collections.abc import Mapping, Sequence

from clickstream.collect.model import Reason, Taken

# In the order in which people read them; all of them are there from the beginning, as 0.
TOTALS = (
    "requests",
    "events",
    "page_views",
    "bots",
    "opted_out",
    "duplicates",
    "dead_letters",
    *(f"refused_{reason.name.lower()}" for reason in Reason),
    "too_large",
    "too_slow",
    "broken_bodies",
    "encoded_bodies",
    "not_json_bodies",
    "rate_limited",
    "unavailable",
    "failed",
    "spooled",
    "drained",
    "lost",
)


class Totals:
    """Counts of one worker since its start."""

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    def taken(self, taken: Taken) -> None:
        """What came of a request that was read."""
        count = self.of
        if taken.refused:
            for refused in taken.refused:
                count[f"refused_{refused.reason.name.lower()}"] += 1
            count["dead_letters"] += len(taken.refused)
        count["events"] += len(taken.events)
        for outgoing in taken.events:
            event = outgoing.event
            if event is not None:
                if event.bot is not None:
                    count["bots"] += 1
                elif event.event == "pageview":
                    count["page_views"] += 1


def summed(many: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The totals of several workers as one."""
    total = dict.fromkeys(TOTALS, 0)
    for one in many:
        for name, number in one.items():
            total[name] = total.get(name, 0) + number
    return total
