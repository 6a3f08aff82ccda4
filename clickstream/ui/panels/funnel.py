"""How many users go from step to step, in order and within a window, and how many go back."""

from collections.abc import Sequence
from typing import Any

import msgspec

from clickstream.errors import ClickstreamError
from clickstream.history.funnel import MAX_STEPS
from clickstream.history.model import Funnel, Step
from clickstream.ui.panels.contract import StateKind
from clickstream.ui.past import Asked, Unhurried, checked, history_of
from clickstream.ui.services import Services

STEPS = ("productview", "addtobasket", "purchase")
ADDED, REMOVED = "addtobasket", "removefrombasket"
MAX_WINDOW_MS = 24 * 3_600_000


class Params(Asked, frozen=True, forbid_unknown_fields=True):
    """`window` in ms, from the first step to the last one."""

    steps: tuple[str, ...] = STEPS
    window: int = 600_000


class State(msgspec.Struct, frozen=True):
    """`steps` as in history.model.Funnel; `removed`: of the users that put something into the basket, how many took
    something out again, later and within the window (None: putting something in is no step)."""

    from_: int = msgspec.field(name="from")
    to: int
    covered_from: int | None
    users: int
    window: int
    steps: list[Step]
    removed: Step | None


class FunnelPanel:
    """Users through the steps of one's choice; see contract.StatePanel."""

    def __init__(self, services: Services, params: Params) -> None:
        """Raises ClickstreamError for parameters that make no sense."""
        checked(params)
        if not 1 <= len(params.steps) <= MAX_STEPS or len(set(params.steps)) < len(params.steps):
            raise ClickstreamError(f"A funnel has 1 to {MAX_STEPS} steps, each of them once.")
        if not 1_000 <= params.window <= MAX_WINDOW_MS:
            raise ClickstreamError("A funnel's window is 1 s to 24 h.")
        self._params = params
        self._history = history_of(services)
        self._found: Unhurried[State] = Unhurried()

    def state(self, now: int) -> State:
        return self._found.get(lambda: self._find(now))

    def close(self) -> None:
        """Nothing is held."""

    def _find(self, now: int) -> State:
        end = self._params.end(now)
        start = end - self._params.range
        found = self._ask(start, end, list(self._params.steps))
        removed = None
        if ADDED in self._params.steps:
            removed = self._ask(start, end, [ADDED, REMOVED]).steps[1]
        covered_from = found.covered_from if found.covered_from > start else None
        return State(start, end, covered_from, found.users, self._params.window, found.steps, removed)

    def _ask(self, start: int, end: int, steps: Sequence[str]) -> Funnel:
        return self._history.funnel(start, end, steps, self._params.window)


def _make(services: Services, params: Any) -> FunnelPanel:
    return FunnelPanel(services, params)


KIND = StateKind(Params, _make)
