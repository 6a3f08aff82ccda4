"""Tables that run, as far as a view looks at them."""

from dataclasses import dataclass, field

from clickstream.tables.engine.report import ResultReport, SourceReport


@dataclass
class FakeEngine:
    found_sources: list[SourceReport] = field(default_factory=list)
    found_results: list[ResultReport] = field(default_factory=list)

    @property
    def now(self) -> "FakeEngine":
        """As of parts.renewed.Renewed."""
        return self

    def sources(self) -> list[SourceReport]:
        return self.found_sources

    def results(self) -> list[ResultReport]:
        return self.found_results


class FakeTables:
    def __init__(self, *engines: FakeEngine) -> None:
        self.engines = {str(number): engine for number, engine in enumerate(engines)}

    def totals(self) -> dict[str, int]:
        return {"rows": 1234567, "dead_letters": 0, "late": 3}

    def gauges(self) -> dict[str, float]:
        return {"watermark_delay_seconds": 5.25, "lag": 1234.0}


MARK = 1_700_000_040_000
FRESH = FakeEngine(
    [SourceReport("clicks", "clicks", 0, 0, 0, None, None)], [ResultReport("per_min", "per_min", 0, 0, 0, 0)]
)
BUSY = FakeEngine(
    [SourceReport("clicks", "clicks", 12_345_678, 12, 345, MARK, 6.789)],
    [ResultReport("events_per_minute_and_user_of_the_site", "t", 87_654_321, 1111, 22, 3)],
)
