"""Which columns the plans really read: nothing else is decoded, joined or kept."""

from collections import defaultdict

from clickstream.tables.sql.model import Plan, Program, Read, Scan, TemporalJoin, Union
from clickstream.tables.sql.plans import below, below_union, below_view


class Needs:
    """Of a program: the columns of each table, and the fields of each view, that are read."""

    def __init__(self, program: Program) -> None:
        self.tables: dict[str, set[str]] = defaultdict(set)
        self.views: dict[str, set[str]] = defaultdict(set)
        self.readers: dict[str, int] = defaultdict(int)
        self._streams: dict[str, None] = {}
        self._references: dict[str, None] = {}
        for insert in program.inserts:
            self._walk(insert.plan, {field.name for field in insert.plan.fields})

    @property
    def streams(self) -> list[str]:
        """Tables that are read as streams, in the order of the file."""
        return list(self._streams)

    @property
    def references(self) -> list[str]:
        """Tables that are joined with."""
        return list(self._references)

    def _walk(self, plan: Plan, needed: set[str]) -> None:
        match plan:
            case Scan():
                self._streams[plan.table.name] = None
                self.tables[plan.table.name] |= needed
            case Read():
                self.readers[plan.view.name] += 1
                self.views[plan.view.name] |= needed
                self._walk(plan.view.plan, below_view(plan.view, needed))
            case TemporalJoin():
                self._references[plan.reference.name] = None
                wanted = {column for column, field in plan.reference_fields if field.name in needed}
                self.tables[plan.reference.name] |= wanted | set(plan.reference.primary_key)
                self._walk(plan.left, below(plan, needed))
            case Union():
                for one in plan.inputs:
                    self._walk(one, below_union(plan, one, needed))
            case _:
                self._walk(plan.input, below(plan, needed))
