"""The SQL of one statement of a file that runs, or is shown."""

from typing import Any

import msgspec

from clickstream.records import RunningSql
from clickstream.ui.flow import text
from clickstream.ui.flow.graph import graph
from clickstream.ui.panels.contract import At, StateKind
from clickstream.ui.remembered.asof import or_past
from clickstream.ui.services import Services


class Params(At, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`file`: the id of the part; `statement`: its id in the flow."""

    file: str
    statement: str


class State(msgspec.Struct, frozen=True):
    """`sql` is "" when the file, or the statement, is not there any more."""

    name: str
    sql: str


class StatementPanel:
    """The SQL of one statement of a running file; see contract.StatePanel."""

    def __init__(self, services: Services, params: Params) -> None:
        self._services = services
        self._params = params
        self._known: tuple[RunningSql, State] | None = None

    def state(self, now: int) -> State:
        running = self._services.statuses.running_sql()
        running = running or {one.id: one for one in self._services.files}
        one = running.get(self._params.file)
        if one is None:
            return State("", "")
        if self._known is None or self._known[0] is not one:
            self._known = one, self._found(one)
        return self._known[1]

    def _found(self, one: RunningSql) -> State:
        drawn = graph(one.plan)
        for statement in drawn.statements if drawn is not None else ():
            if statement.id == self._params.statement:
                return State(statement.name, text.statement(one.sql, statement.line))
        return State("", "")

    def close(self) -> None:
        """The statuses stay: other panels share them."""


def _make(services: Services, params: Any) -> StatementPanel:
    return StatementPanel(services, params)


KIND = StateKind(Params, or_past(_make))
