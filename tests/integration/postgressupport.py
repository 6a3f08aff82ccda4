"""What the tests of the sink into PostgreSQL share."""

from dataclasses import dataclass
from typing import Any

from clickstream.sinks.checking import InputCheck
from clickstream.sinks.model import Input
from clickstream.sinks.postgres.check import check
from clickstream.sinks.postgres.connection import Address
from clickstream.sinks.postgres.target import PostgresOptions, PostgresTarget
from clickstream.stop import Stop
from tests.integration.sinksupport import SinkPlace
from tests.postgres import execute


@dataclass
class Place(SinkPlace):
    """A topic, and a schema to write its rows to."""

    kind = "postgres"
    variable = "CLICKSTREAM_SINK_POSTGRES"

    @property
    def dsn(self) -> str:
        return self.address

    @property
    def schema(self) -> str:
        return f"s_{self.topic}"

    @property
    def table(self) -> str:
        return self.topic

    def target(self, name: str = "clickstream", **options: Any) -> PostgresTarget:
        return PostgresTarget(Address(self.dsn), name, PostgresOptions(schema=self.schema, **options), Stop())

    def made_target(self, name: str, *, early: bool) -> PostgresTarget:
        return self.target(name, early=early)

    def prepare(self, source: Input, name: str = "clickstream", **options: Any) -> None:
        """What a sink does to the tables at its start, and no more."""
        target = self.target(name, **options)
        target.connect()
        try:
            target.prepare([source])
        finally:
            target.close()

    def rows(self, what: str = "*", order: str = "1") -> list[tuple[Any, ...]]:
        return execute(self.dsn, f'SELECT {what} FROM "{self.schema}"."{self.table}" ORDER BY {order}')

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """A statement; `t` in braces is the table."""
        return execute(self.dsn, statement.format(t=f'"{self.schema}"."{self.table}"', s=f'"{self.schema}"'))

    def given(self) -> list[str]:
        return ["--schema", self.schema]

    def numbers(self) -> dict[str, int]:
        return dict(self.rows("id, n"))

    def read(self) -> int:
        try:
            [(count,)] = self.sql("SELECT COALESCE(sum(next_offset), 0)::bigint FROM {s}.clickstream_offsets")
        except Exception as error:  # noqa: BLE001 - it is not there yet, or away
            return -1 if error else 0
        return int(count)

    def must_equal(self, live: dict[str, int]) -> None:
        assert self.numbers() == live
        assert check_of(self, self.source()).differs == 0


def check_of(place: Place, source: Input, *, repair: bool = False, **options: Any) -> InputCheck:
    given = PostgresOptions(schema=place.schema, **options)
    [found] = check(Address(place.dsn), place.cluster, [source], "clickstream", given, repair=repair)
    return found
