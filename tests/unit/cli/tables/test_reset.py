"""What `tables run --reset` asks before it deletes anything."""

from pathlib import Path

import click
import pytest
from pytest_mock import MockerFixture

from clickstream.cli.tables.run import _start_over
from clickstream.kafka.clients import Cluster
from clickstream.tables.engine.options import EngineOptions
from clickstream.tables.engine.state.place import FILE
from clickstream.tables.reset import Leftovers


@pytest.mark.parametrize(
    ("rows", "asked"),
    [
        (
            {"per-min": {(0, b"a"), (1, b"b")}, "others": {(0, b"a")}},
            "Forget the state of clicks, delete the 3 rows that it wrote, and",
        ),
        ({}, "Forget the state of clicks and read the topics from the start?"),
    ],
)
def test_it_says_how_many_rows_it_would_delete(
    mocker: MockerFixture, tmp_path: Path, rows: dict[str, set[tuple[int, bytes]]], asked: str
) -> None:
    """Somebody who does not agree keeps all of it."""
    mocker.patch("clickstream.tables.reset.left_by", return_value=Leftovers(rows))
    confirm = mocker.patch("click.confirm", side_effect=click.Abort)
    (tmp_path / FILE).touch()
    options = EngineOptions(name="clicks", state_dir=tmp_path, group="g", dead_letter_topic="dead")
    with pytest.raises(click.Abort):
        _start_over(Cluster("nowhere:1"), [], [options], ask=True)
    assert asked in confirm.call_args.args[0]
    assert (tmp_path / FILE).exists()
