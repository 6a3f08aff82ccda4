"""What target topics hold in the end, whoever found it."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.differential.rows import Origin


@dataclass(frozen=True)
class Upserts:
    """The last value of each key, both as canonical JSON; a deleted key is not there."""

    rows: dict[str, str]


@dataclass(frozen=True)
class Appends:
    """How often each (key, value) is there, both as canonical JSON."""

    rows: Counter[tuple[str, str]]


Final = Upserts | Appends


@dataclass
class Expected:
    """Final rows by the name of their table; `dead` and `late` are what does not count, `late` by table too."""

    tables: dict[str, Final] = field(default_factory=dict)
    dead: set[Origin] = field(default_factory=set)
    late: dict[str, set[Origin]] = field(default_factory=dict)


def canonical(value: object) -> str:
    """JSON that is equal for equal values; 1 and 1.0 are different."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def final(upsert: bool, records: Sequence[tuple[object, object | None]]) -> Final:
    """What is left of a topic's parsed keys and values, in the order of each key's log."""
    if not upsert:
        return Appends(Counter((canonical(key), canonical(value)) for key, value in records))
    rows: dict[str, str] = {}
    for key, value in records:
        rows.pop(canonical(key), None)
        if value is not None:
            rows[canonical(key)] = canonical(value)
    return Upserts(rows)
