"""What `bench tables` says."""

from bench.final_rows import Rows
from bench.measure import Usage
from bench.table import Cost
from bench.tables import FLINK, OUR, Plan, Result, cases
from bench.tables_report import agreement, texts


def cost(seconds: float, cpu: float, peak: float) -> Cost:
    return Cost(1_001_000, Usage(seconds, cpu, peak), 1_000, Usage(1.0, 1.0, 50.0))


def a_result(*sides: str) -> Result:
    found = {OUR: cost(3.0, 5.0, 200.0), FLINK: cost(21.0, 81.0, 900.0)}
    return Result(
        cases(["hop"]),
        {("hop", side): [found[side]] for side in sides},
        {("hop", side): {"pages_per_min": Rows(1_234, 5)} for side in sides},
    )


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_figures_with_and_without_start_up() -> None:
    line = texts(a_result(OUR))[0].splitlines()[2]
    assert cells(line)[2:] == ["3.0", "1.0", "334,000", "500,000", "4.0", "0.0", "200", "1,234"]


def test_ratios_to_flink() -> None:
    line = texts(a_result(OUR, FLINK))[1].splitlines()[2]
    assert cells(line)[1:] == ["7", "10", "20", "4.5", "equal"]


def test_without_flink_there_are_no_ratios() -> None:
    assert len(texts(a_result(OUR))) == 1


def test_a_difference_too_small_to_measure_gives_no_ratio() -> None:
    result = a_result(OUR, FLINK)
    result.costs["hop", OUR] = [cost(0.9, 0.5, 200.0)]
    assert cells(texts(result)[1].splitlines()[2])[2:4] == ["-", "-"]


def test_a_run_that_failed_is_named() -> None:
    result = a_result(OUR)
    result.failed["hop", FLINK] = "out of memory"
    assert texts(result)[-1] == "**Failed**: one table: HOP, 60 s every 5 s, Flink: out of memory"


def test_rows_that_differ_are_named() -> None:
    ours = {"a": Rows(3, 1), "b": Rows(2, 2), "c": Rows(4, 4)}
    assert agreement(ours, {**ours, "a": Rows(4, 1), "b": Rows(2, 9)}) == (
        "**differ**: a: 3 rows and 4; b: 2 rows, contents differ"
    )
    assert agreement(ours, dict(ours)) == "equal"


def test_flink_does_many_keys_only_when_asked_to() -> None:
    hop, keys = cases(["hop"])[0], cases(["keys"])[0]
    plan = Plan(2_000, 1_000, 1, ["hop", "keys"])
    assert [plan.sides(hop), plan.sides(keys)] == [[OUR, FLINK], [OUR]]
    assert Plan(2_000, 1_000, 1, ["keys"], flink_keys=True).sides(keys) == [OUR, FLINK]
    assert Plan(2_000, 1_000, 1, ["hop"], flink=False).sides(hop) == [OUR]
