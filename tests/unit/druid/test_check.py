"""What is said of a supervisor, by what Druid and Kafka tell."""

from dataclasses import replace

import pytest

from clickstream.druid.check import Check, Reset, judge
from clickstream.druid.supervisor import Place, Supervisor
from clickstream.kafka.offsets import Limits

WELL = Supervisor(
    id="clicks",
    topic="clicks",
    bootstrap="kafka:9092",
    from_earliest=True,
    suspended=False,
    healthy=True,
    state="RUNNING",
    places={0: Place(40, 60)},
    error="",
)


def judged(place: Place, limits: Limits, *, from_earliest: bool = True) -> Check:
    return judge(replace(WELL, places={0: place}, from_earliest=from_earliest), {0: limits})


@pytest.mark.parametrize("limits", [Limits(0, 60), Limits(60, 60), Limits(0, 100)])
def test_nothing_is_wrong_while_the_log_has_what_comes_next(limits: Limits) -> None:
    assert judged(Place(40, 60), limits).problems == []


@pytest.mark.parametrize(
    ("place", "limits", "problem"),
    [
        (Place(40, 60), Limits(75, 90), "the log begins at 75: 15 records were deleted before it read them"),
        (Place(40, 60), Limits(0, 59), "Druid is at 60, the log ends at 59: the topic was recreated, or lost records"),
        (Place(40, None), Limits(0, 39), "Druid is at 40, the log ends at 39: the topic was recreated"),
        (Place(40, None), Limits(0, 90), "Druid does not tell where it is; ask again in half a minute"),
    ],
)
def test_what_is_wrong_with_a_partition(place: Place, limits: Limits, problem: str) -> None:
    [said] = judged(place, limits).problems
    assert said.startswith("clicks partition 0: ")
    assert problem in said


@pytest.mark.parametrize(
    ("place", "limits", "from_earliest", "reset"),
    [
        # Segments have the first 40 of 100 records, tasks 20 more, which a reset makes them read again.
        (Place(40, 60), Limits(0, 100), True, Reset(True, read=100, doubled=40, lost=0)),
        (Place(40, 60), Limits(0, 100), False, Reset(False, read=0, doubled=0, lost=60)),
        # Kafka has the first 30 no more: they are in segments.
        (Place(40, 60), Limits(30, 100), True, Reset(True, read=70, doubled=10, lost=0)),
        # Of those that only tasks have, Kafka has the first 10 no more.
        (Place(40, 60), Limits(50, 100), True, Reset(True, read=50, doubled=0, lost=10)),
        # Druid never read 5 of the 35.
        (Place(40, 70), Limits(75, 90), True, Reset(True, read=15, doubled=0, lost=35)),
        # Another log: what only tasks have is nowhere else.
        (Place(40, 60), Limits(0, 30), True, Reset(True, read=30, doubled=0, lost=20)),
        (Place(40, 60), Limits(0, 30), False, Reset(False, read=0, doubled=0, lost=50)),
    ],
)
def test_what_a_reset_costs(place: Place, limits: Limits, from_earliest: bool, reset: Reset) -> None:
    assert judged(place, limits, from_earliest=from_earliest).reset == reset


def test_a_reset_costs_what_it_does_in_all_partitions() -> None:
    two = replace(WELL, places={0: Place(40, 60), 1: Place(0, 5)})
    assert judge(two, {0: Limits(0, 100), 1: Limits(3, 5)}).reset == Reset(True, read=102, doubled=40, lost=3)


def test_what_a_reset_costs_is_unknown_where_druid_tells_nothing() -> None:
    found = judge(WELL, {0: Limits(0, 100), 1: Limits(0, 7)})
    assert found.reset == Reset(True, read=107, doubled=None, lost=None)


def test_partitions_of_one_side_only() -> None:
    found = judge(replace(WELL, places={0: Place(0, 5), 1: Place(0, 5)}), {0: Limits(0, 5), 2: Limits(0, 5)})
    assert found.problems == [
        "clicks partition 1: the topic has no such partition any more: it was recreated",
        "clicks partition 2: Druid does not tell where it is",
    ]


def test_a_topic_that_is_gone() -> None:
    assert judge(WELL, {}).problems == ["topic clicks does not exist"]
    assert judge(WELL, {}).reset == Reset(True, lost=20)


@pytest.mark.parametrize(
    ("found", "problems"),
    [
        (replace(WELL, suspended=True), ["supervisor clicks is suspended: it reads nothing"]),
        (
            replace(WELL, healthy=False, state="UNABLE_TO_CONNECT_TO_STREAM", error="No brokers."),
            ["supervisor clicks is UNABLE_TO_CONNECT_TO_STREAM", "its last error: No brokers"],
        ),
        (replace(WELL, places={}), ["Druid has no task that tells how far it is"]),
    ],
)
def test_a_supervisor_that_does_not_read(found: Supervisor, problems: list[str]) -> None:
    assert judge(found, {0: Limits(0, 60)}).problems == problems
