"""Whether branches of a UNION ALL may write the same key at different times."""

from collections.abc import Sequence

from sqlglot import exp

from clickstream.tables.sql.model import Plan, Read, Select, TopN
from clickstream.tables.sql.plans import remembers, walk, window_of


def told_apart(one: Plan, other: Plan, keys: Sequence[int]) -> bool:
    """Whether no final row of a branch is followed by a row of the other one with its key.

    So it is where the key, the fields at these places, has a constant that differs, or says when its window closes.
    """
    return any(_differ(one, other, place) or _close_at_once(one, other, place) for place in keys)


def _differ(one: Plan, other: Plan, place: int) -> bool:
    first, second = _constant(one, place), _constant(other, place)
    return first is not None and second is not None and first != second


def _constant(plan: Plan, place: int) -> str | int | None:
    match plan:
        case Select():
            value = plan.outputs[place].expression
            if isinstance(value, exp.Literal):
                return str(value.this) if value.is_string else int(value.this) if value.is_int else None
            names = [field.name for field in plan.input.fields]
            return _constant(plan.input, names.index(value.name)) if isinstance(value, exp.Column) else None
        case Read():
            return _constant(plan.view.plan, place)
    return None


def _close_at_once(one: Plan, other: Plan, place: int) -> bool:
    first = _closes(one, place)
    return first is not None and first == _closes(other, place)


def _closes(plan: Plan, place: int) -> tuple[bool, int] | None:
    """How long (ms) after the time in the field the row's window ends, and whether it is a session: these close 1 ms
    later. None: the field does not say it.
    """
    found = window_of(plan)
    if found is None or not remembers(plan) or any(isinstance(one, TopN) and one.window is None for one in walk(plan)):
        return None
    window, fields = found
    after = {"window_end": 0, "window_time": 1}
    if window.kind in ("TUMBLE", "HOP"):
        after["window_start"] = window.size_ms
    name = plan.fields[place].name
    return next(((window.kind == "SESSION", after[role]) for role in after if fields.get(role) == name), None)
