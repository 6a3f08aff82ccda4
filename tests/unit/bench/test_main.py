"""The command line refuses what it cannot measure before anything is started."""

import pytest
from click.testing import CliRunner

from bench.__main__ import bench
from bench.heart import names


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["heart", "--only", "producer,produzer"], "produzer; choose from producer, perf-producer"),
        (["heart", "--events", "1000", "--short", "1000"], "--short must be less than --events"),
        (["latency", "--rate", "0"], "0.0 is not in the range"),
        (["tables", "--only", "hops"], "hops; choose from windows, all, hop, keys"),
        (["tables", "--events", "1000", "--short", "1000"], "--short must be less than --events"),
        (["tables-latency", "--rate", "0"], "0.0 is not in the range"),
        (["tables-rest", "--duration", "0"], "0.0 is not in the range"),
        (["ui", "--returning", "1"], "1 is not in the range"),
        (["collect-memory", "--ack", "disk"], "'disk' is not one of"),
        (["ui-memory", "--history", "1"], "1.0 is not in the range"),
    ],
)
def test_a_wrong_option_is_named(options: list[str], said: str) -> None:
    result = CliRunner().invoke(bench, options)
    assert result.exit_code == 2
    assert said in result.output.replace("\n", " ")


def test_every_row_has_a_name_of_its_own() -> None:
    assert len(names()) == len(set(names()))
