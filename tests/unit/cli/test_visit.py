from collections.abc import Sequence

import pytest

from clickstream.cli import visit
from clickstream.visit.plan import Plan
from clickstream.visit.visits import Options
from clickstream.visit.watch import Seen
from tests.unit.cli.conftest import Run

SITE = "http://127.0.0.1:8323/"


class Made:
    """In the place of Visits: nobody goes anywhere."""

    plans: Sequence[Plan] = ()
    options = Options()
    seen = Seen(visitors=2, pages=1_234, events=3_000)

    def __init__(self, _address: str, plans: Sequence[Plan], options: Options) -> None:
        Made.plans = list(plans)
        Made.options = options

    def run(self, _stop: object) -> None:
        pass


def test_what_was_seen_is_summed_up_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "Visits", Made)
    outcome = run("visit", SITE, "--visitors", "2", "--seed", "1", "--quiet")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "2 visitors, 1,234 pages, at least 3,000 events of the page tag.\n"
    assert [plan.number for plan in Made.plans] == [1, 2]


def test_visitors_are_robots_unless_asked_otherwise(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "Visits", Made)
    run("visit", SITE, "--quiet")
    assert not Made.options.as_people
    assert len(Made.plans) == visit.VISITORS
    run("visit", SITE, "--as-people", "--quiet")
    assert Made.options.as_people


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("ftp://shop.example",),
        ("shop.example",),
        (SITE, "--visitors", "0"),
        (SITE, "--visitors", "many"),
        (SITE, "--duration", "soon"),
        (SITE, "another"),
    ],
)
def test_bad_usage_ends_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    outcome = run("visit", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Traceback" not in outcome.err


def test_the_help_says_who_counts_as_people(run: Run) -> None:
    said = " ".join(run("visit", "--help").out.split())
    assert "the collector marks what it does as a bot's" in said
    assert "--as-people" in said
