"""What a preview may take."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a preview may take.

    `records`: of each source the last ones; `since` (epoch ms): instead, those from then on, up to `most_records`.
    `instant` (epoch ms): of all sources only what had come by then. `seconds`: in all. `result_rows`: records that a
    result may get, `rows`: of which so many are shown.
    """

    records: int = 10_000
    since: int | None = None
    instant: int | None = None
    most_records: int = 500_000
    most_bytes: int = 256 * 1024 * 1024
    seconds: float = 60.0
    result_rows: int = 200_000
    rows: int = 20
    memory: str = "256MB"
