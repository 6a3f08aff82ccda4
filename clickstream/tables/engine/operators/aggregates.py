"""Aggregates in parts: of a batch, merged with the parts of earlier batches, and the result at the end."""

from collections.abc import Sequence

from clickstream.tables.engine.expressions.translate import duckdb_type, to_duckdb
from clickstream.tables.engine.operators import inorder
from clickstream.tables.engine.operators.operator import OFFSET, PARTITION
from clickstream.tables.engine.operators.windows import modulo
from clickstream.tables.names import identifier
from clickstream.tables.sql.model import Aggregate
from clickstream.tables.sql.types import Type, type_of

# Sums may grow beyond their type; Java's numbers wrap around at the end, and so do ours.
_SUMS = {Type.INT: "HUGEINT", Type.BIGINT: "HUGEINT", Type.DOUBLE: "DOUBLE"}
_BITS = {Type.INT: 32, Type.BIGINT: 64}


class Parts:
    """The aggregates of one GROUP BY. SQL is over the columns named: rows' fields, or parts' columns.

    With `aside`, values of DISTINCT aggregates are not in the parts: somebody else counts each of them once.
    `arrival`: rows come in the order of their arrival, as they do if no join is before.
    """

    def __init__(self, aggregates: Sequence[Aggregate], *, aside: bool = False, arrival: bool = True) -> None:
        self._all = [
            _part(f"a{number}", aggregate, aside=aside, arrival=arrival) for number, aggregate in enumerate(aggregates)
        ]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Name and DuckDB type of every column that a part has."""
        return [column for one in self._all for column in one.columns]

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return [name for name, _ in self.columns]

    @property
    def in_order(self) -> list[str]:
        """The columns with lists of values that have to be added in their order, see `inorder`."""
        return [name for name, kind in self.columns if kind == inorder.TYPE]

    @property
    def aside(self) -> "list[Aside]":
        """The aggregates whose values are kept aside; parts of rows have no column for them."""
        return [one for one in self._all if isinstance(one, Aside)]

    def of_rows(self) -> list[str]:
        """Select items that make a part of a group's rows."""
        return [item for one in self._all for item in one.of_rows()]

    def merged(self) -> list[str]:
        """Select items that make one part of a group's parts."""
        return [item for one in self._all for item in one.merged()]

    def added(self) -> list[str]:
        """Select items that make a part smaller: what is there by now is added in order."""
        return [f"{inorder.added(name)} AS {name}" if name in self.in_order else name for name in self.names]

    def placed(self, first: str, then: str) -> list[str]:
        """Select items that make a part whose values are added in another order, see `inorder.placed`."""
        moved = self.in_order
        return [f"{inorder.placed(name, first, then)} AS {name}" if name in moved else name for name in self.names]

    def results(self) -> list[str]:
        """Select items that make the aggregates' fields of a part."""
        return [one.result() for one in self._all]


class _Part:
    """One aggregate. Subclasses keep their values in other ways."""

    def __init__(self, name: str, aggregate: Aggregate) -> None:
        self.name = name
        self._aggregate = aggregate
        self._function = aggregate.function
        self._type = type_of(aggregate.argument) if aggregate.argument is not None else Type.BIGINT

    @property
    def columns(self) -> list[tuple[str, str]]:
        match self._function:
            case "COUNT":
                return [(self.name, "BIGINT")]
            case "SUM":
                return [(self.name, _SUMS[self._type])]
            case "AVG":
                return [(self.name, _SUMS[self._type]), (f"{self.name}n", "BIGINT")]
            case _:
                return [(self.name, duckdb_type(self._type))]

    @property
    def _argument(self) -> str:
        assert self._aggregate.argument is not None
        return to_duckdb(self._aggregate.argument)

    def _keep(self, *conditions: str) -> str:
        """FILTER for the rows that count, and fulfil `conditions`."""
        wanted = [*conditions, *([to_duckdb(self._aggregate.filter)] if self._aggregate.filter is not None else [])]
        return f" FILTER ({' AND '.join(f'({one})' for one in wanted)})" if wanted else ""

    def of_rows(self) -> list[str]:
        name, keep = self.name, self._keep()
        if self._aggregate.argument is None:
            return [f"count(*){keep} AS {name}"]
        match self._function:
            case "COUNT":
                return [f"count({self._argument}){keep} AS {name}"]
            case "SUM":
                return [f"sum({self._argument}){keep} AS {name}"]
            case "AVG":
                return [f"sum({self._argument}){keep} AS {name}", f"count({self._argument}){keep} AS {name}n"]
            case function:
                return [f"{function.lower()}({self._argument}){keep} AS {name}"]

    def merged(self) -> list[str]:
        if self._function in ("MIN", "MAX"):
            return [f"{self._function.lower()}({self.name}) AS {self.name}"]
        # sum() of BIGINT is a HUGEINT; a count is none.
        return [f"sum({column}){'::BIGINT' if kind == 'BIGINT' else ''} AS {column}" for column, kind in self.columns]

    def result(self) -> str:
        return f"{self._result()} AS {identifier(self._aggregate.field.name)}"

    def _result(self) -> str:
        match self._function:
            case "SUM":
                return _wrapped(self.name, self._type)
            case "AVG":
                return _average(self.name, f"{self.name}n", self._type)
            case _:
                return self.name


class _InOrder(_Part):
    """SUM or AVG of DOUBLE."""

    def __init__(self, name: str, aggregate: Aggregate, *, arrival: bool) -> None:
        super().__init__(name, aggregate)
        self._arrival = arrival

    @property
    def columns(self) -> list[tuple[str, str]]:
        (_, *count) = super().columns
        return [(self.name, inorder.TYPE), *count]

    def of_rows(self) -> list[str]:
        (_, *count) = super().of_rows()
        made = inorder.entry(PARTITION, OFFSET, self._argument, arrival=self._arrival)
        return [f"list({made}){self._keep(f'{self._argument} IS NOT NULL')} AS {self.name}", *count]

    def merged(self) -> list[str]:
        (_, *count) = super().merged()
        return [f"{inorder.together(self.name)} AS {self.name}", *count]

    def _result(self) -> str:
        total = inorder.total(self.name)
        return total if self._function == "SUM" else _average(total, f"{self.name}n", self._type)


class _Distinct(_Part):
    """DISTINCT, with the values in the part."""

    @property
    def columns(self) -> list[tuple[str, str]]:
        return [(self.name, f"{duckdb_type(self._type)}[]")]

    def of_rows(self) -> list[str]:
        argument = self._argument
        return [f"list(DISTINCT {argument}){self._keep(f'{argument} IS NOT NULL')} AS {self.name}"]

    def merged(self) -> list[str]:
        # Without values every part is NULL, and so is their list.
        return [f"list_distinct({inorder.together(self.name)}) AS {self.name}"]

    def _result(self) -> str:
        name = self.name
        # Sums of DOUBLE depend on the order: of what has none, it is that of the values.
        total = f"list_sum(list_sort({name}))" if self._type == Type.DOUBLE else f"list_sum({name})"
        match self._function:
            case "COUNT":
                return f"coalesce(len({name}), 0)::BIGINT"
            case "SUM":
                return _wrapped(total, self._type)
            case _:
                return _average(total, f"len({name})", self._type)


class Aside(_Part):
    """DISTINCT, of whose values only those come that are new: they are summed and counted like any others."""

    @property
    def kind(self) -> str:
        """The values' DuckDB type."""
        return duckdb_type(self._type)

    @property
    def values(self) -> str:
        """Select item: a row's value, NULL where it does not count."""
        condition = self._aggregate.filter
        value = self._argument if condition is None else f"CASE WHEN {to_duckdb(condition)} THEN {self._argument} END"
        return f"{value} AS v"

    def of_values(self) -> list[str]:
        """Select items that make the part of values `v`, each of which is there once."""
        items = {"COUNT": ["count(v)"], "SUM": ["sum(v)"], "AVG": ["sum(v)", "count(v)"]}[self._function]
        return [f"{item} AS {column}" for item, (column, _) in zip(items, self.columns, strict=True)]

    def of_rows(self) -> list[str]:
        """Nothing: the part is made of the values set aside."""
        return []

    def _result(self) -> str:
        return f"coalesce({self.name}, 0)" if self._function == "COUNT" else super()._result()


def _part(name: str, aggregate: Aggregate, *, aside: bool, arrival: bool) -> _Part:
    sums = aggregate.function in ("SUM", "AVG")
    doubles = sums and aggregate.argument is not None and type_of(aggregate.argument) == Type.DOUBLE
    if aggregate.distinct and aggregate.function not in ("MIN", "MAX"):
        # Sums of DOUBLE are added in the order of all values.
        return Aside(name, aggregate) if aside and not doubles else _Distinct(name, aggregate)
    return _InOrder(name, aggregate, arrival=arrival) if doubles else _Part(name, aggregate)


def _wrapped(total: str, kind: Type) -> str:
    if kind == Type.DOUBLE:
        return total
    half = 1 << (_BITS[kind] - 1)
    sql = duckdb_type(kind)
    # TRY_CAST first: what fits needs no arithmetic on HUGEINTs.
    around = f"({modulo(f'{total} + {half}::HUGEINT', f'{2 * half}::HUGEINT')} - {half}::HUGEINT)"
    return f"coalesce(TRY_CAST({total} AS {sql}), CAST({around} AS {sql}))"


def _average(total: str, count: str, kind: Type) -> str:
    if kind == Type.DOUBLE:
        return f"({total} / nullif({count}, 0))"
    # Whole numbers: cut towards zero, as Java divides.
    return f"CAST({_wrapped(total, Type.BIGINT)} // nullif({count}, 0) AS {duckdb_type(kind)})"
