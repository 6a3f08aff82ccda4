"""What two outcomes of a table have in common, and what a person has to see of their differences."""

from collections.abc import Iterable

from tests.differential.outcome import Appends, Final, Upserts

SHOWN = 5


def differences(expected: Final, found: Final) -> str:
    """Rows of one side only, the first few of each; nothing when both are the same."""
    match expected, found:
        case Upserts(), Upserts():
            here = [f"{key}: {row}" for key, row in expected.rows.items() if found.rows.get(key) != row]
            there = [f"{key}: {row}" for key, row in found.rows.items() if expected.rows.get(key) != row]
        case Appends(), Appends():
            missing, extra = expected.rows - found.rows, found.rows - expected.rows
            here = [f"{count} x {key}: {row}" for (key, row), count in missing.items()]
            there = [f"{count} x {key}: {row}" for (key, row), count in extra.items()]
        case _:
            raise TypeError("one has keys, the other has not")
    return "".join([*_listed("missing", here), *_listed("unexpected", there)])


def _listed(word: str, rows: Iterable[str]) -> list[str]:
    found = sorted(rows)
    shown = [f"  {word} {row}\n" for row in found[:SHOWN]]
    return [f"{len(found)} rows are {word}:\n", *shown] if found else []
