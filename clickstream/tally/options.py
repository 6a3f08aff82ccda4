"""What a counter counts, and where its results go."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CounterOptions:
    """`interval` is in seconds between tallies; `exit_at_end` leaves when every partition has reached its end."""

    from_topic: str
    to_topic: str
    field: str
    group: str
    dead_letter_topic: str
    interval: float = 1.0
    exit_at_end: bool = False


def default_group(topic: str, field: str) -> str:
    return f"clickstream-counter.{topic}.{field}"
