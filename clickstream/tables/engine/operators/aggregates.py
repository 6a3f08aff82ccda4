"""Aggregates in parts: of a batch, merged with the parts of earlier batches, and the result at the end."""

from collections.abc import Sequence

from clickstream.tables.engine.expressions.translate import duckdb_type, to_duckdb
from clickstream.tables.engine.operators.windows import modulo
from clickstream.tables.names import identifier
from clickstream.tables.sql.model import Aggregate
from clickstream.tables.sql.types import Type, type_of

# Sums may grow beyond their type; Java's numbers wrap around at the end, and so do ours.
_SUMS = {Type.INT: "HUGEINT", Type.BIGINT: "HUGEINT", Type.DOUBLE: "DOUBLE"}
_BITS = {Type.INT: 32, Type.BIGINT: 64}


class Parts:
    """The aggregates of one GROUP BY. SQL is over the columns named: rows' fields, or parts' columns."""

    def __init__(self, aggregates: Sequence[Aggregate]) -> None:
        self._all = [_Part(f"a{number}", aggregate) for number, aggregate in enumerate(aggregates)]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Name and DuckDB type of every column that a part has."""
        return [column for one in self._all for column in one.columns]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.columns]

    def of_rows(self) -> list[str]:
        """Select items that make a part of a group's rows."""
        return [item for one in self._all for item in one.of_rows()]

    def merged(self) -> list[str]:
        """Select items that make one part of a group's parts."""
        return [item for one in self._all for item in one.merged()]

    def results(self) -> list[str]:
        """Select items that make the aggregates' fields of a part."""
        return [one.result() for one in self._all]


class _Part:
    def __init__(self, name: str, aggregate: Aggregate) -> None:
        self._name = name
        self._aggregate = aggregate
        self._function = aggregate.function
        self._distinct = aggregate.distinct and aggregate.function not in ("MIN", "MAX")
        self._type = type_of(aggregate.argument) if aggregate.argument is not None else Type.BIGINT

    @property
    def columns(self) -> list[tuple[str, str]]:
        name = self._name
        if self._distinct:
            return [(name, f"{duckdb_type(self._type)}[]")]
        match self._function:
            case "COUNT":
                return [(name, "BIGINT")]
            case "SUM":
                return [(name, _SUMS[self._type])]
            case "AVG":
                return [(name, _SUMS[self._type]), (f"{name}n", "BIGINT")]
            case _:
                return [(name, duckdb_type(self._type))]

    def of_rows(self) -> list[str]:
        aggregate, name = self._aggregate, self._name
        keep = f" FILTER ({to_duckdb(aggregate.filter)})" if aggregate.filter is not None else ""
        if aggregate.argument is None:
            return [f"count(*){keep} AS {name}"]
        argument = to_duckdb(aggregate.argument)
        if self._distinct:
            known = f"{argument} IS NOT NULL"
            keep = (
                f" FILTER ({known} AND ({to_duckdb(aggregate.filter)}))" if aggregate.filter else f" FILTER ({known})"
            )
            return [f"list(DISTINCT {argument}){keep} AS {name}"]
        match self._function:
            case "COUNT":
                return [f"count({argument}){keep} AS {name}"]
            case "SUM":
                return [f"sum({argument}){keep} AS {name}"]
            case "AVG":
                return [f"sum({argument}){keep} AS {name}", f"count({argument}){keep} AS {name}n"]
            case function:
                return [f"{function.lower()}({argument}){keep} AS {name}"]

    def merged(self) -> list[str]:
        name = self._name
        if self._distinct:
            # Without values every part is NULL, and so is their list.
            return [f"list_distinct(flatten(list({name}) FILTER ({name} IS NOT NULL))) AS {name}"]
        if self._function in ("MIN", "MAX"):
            return [f"{self._function.lower()}({name}) AS {name}"]
        # sum() of BIGINT is a HUGEINT; a count is none.
        return [f"sum({column}){'::BIGINT' if kind == 'BIGINT' else ''} AS {column}" for column, kind in self.columns]

    def result(self) -> str:
        return f"{self._result()} AS {identifier(self._aggregate.field.name)}"

    def _result(self) -> str:
        name = self._name
        if not self._distinct:
            match self._function:
                case "SUM":
                    return _wrapped(name, self._type)
                case "AVG":
                    return _average(name, f"{name}n", self._type)
                case _:
                    return name
        match self._function:
            case "COUNT":
                return f"coalesce(len({name}), 0)::BIGINT"
            case "SUM":
                return _wrapped(f"list_sum({name})", self._type)
            case _:
                return _average(f"list_sum({name})", f"len({name})", self._type)


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
