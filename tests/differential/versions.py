"""The versions of a reference's row."""

from tests.differential.rows import Values

# From when on (ms) there is which row; None: none.
Versions = list[tuple[int, Values | None]]


def as_of(versions: Versions, time: int | None) -> Values | None:
    """The row of the last version that was there at that time."""
    if time is None:
        return None
    past = [(when, values) for when, values in versions if when <= time]
    # Of equal times the last one that was written: max() gives the first.
    return max(reversed(past), key=lambda one: one[0])[1] if past else None
