import re
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from clickstream.cli import clickstream
from clickstream.cli.generate.options import Asked, planned
from clickstream.config import SETTINGS
from clickstream.errors import ConfigError
from clickstream.generate.cue import AT_ONCE
from clickstream.generate.flaws import Flaws
from clickstream.generate.plan import MAX, Plan
from clickstream.generate.timeline import Phase
from clickstream.topics import declared

NOTHING = Asked(
    count=None,
    duration=None,
    users=100,
    skew=0.0,
    seed=None,
    start=None,
    event_rate=None,
    sessions=None,
    rate_schedule=None,
    late=None,
    late_by=None,
    malformed=0.0,
    quiet=True,
    allow_control=False,
)


def plan(rate: float = 50.0, **asked: Any) -> Plan:
    return planned(replace(NOTHING, **asked), rate, rate_given=True)


def test_without_options_50_clicks_per_second_from_now_on() -> None:
    found = plan(SETTINGS["generate-web.rate"].default)
    assert found.timeline is not None
    assert found.timeline.offsets(0, 3) == [0, 20, 40]
    assert (found.start_ms, found.count, found.flaws.late, found.flaws.malformed) == (None, None, 0.0, 0.0)
    assert found.follows_clock


def test_options_become_a_plan() -> None:
    found = plan(MAX, seed=7, start=10**12, count=5, late=2.5, late_by=9, malformed=1.0)
    assert (found.seed, found.start_ms, found.count, found.stretch) == (7, 10**12, 5, AT_ONCE)
    assert found.flaws == Flaws(late=0.025, late_by_ms=9, malformed=0.01)


def test_late_is_up_to_a_minute_if_nothing_else_is_said() -> None:
    assert plan(late=1.0).flaws.late_by_ms == 60_000


def test_without_a_seed_every_run_is_another() -> None:
    assert plan().seed != plan().seed


@pytest.mark.parametrize(
    "asked", [{"late_by": 1_000}, {"start": -1}, {"start": 86_400_000, "late": 1.0}, {"start": 253_000_000_000_000}]
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"--late PERCENT|--start must be"):
        plan(**asked)


# --- as it is typed


@pytest.mark.parametrize("what", ["web", "vip"])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--sessions 90s", "ACTIVE/PAUSE is expected"),
        ("--rate-schedule 100", "RATExDURATION is expected"),
        ("--start yesterday", "a time such as 2026-03-25T19:05:49Z"),
        ("--late 101", "a number from 0 to 100"),
        ("--late nan", "a number from 0 to 100"),
        ("--malformed -1", "a number from 0 to 100"),
        ("--skew x", "a number from 0 to 10"),
        ("--event-rate 0", "a number from 0.001"),
        ("--duration 0", "a time such as"),
        ("--users 0", "1<=x<=10000000"),
        ("--rate 0", "a number above 0, or max, is expected"),
    ],
)
def test_options_that_cannot_be_read_are_named(what: str, options: str, says: str) -> None:
    done = CliRunner().invoke(clickstream, ["generate", what, *options.split()])
    assert done.exit_code == 2
    # The message may be folded; and the option that is wrong is said.
    said = re.sub(r"\s+", " ", done.output)
    assert says in said
    assert options.split()[0] in said


@pytest.mark.parametrize(
    ("what", "options", "says"),
    [
        ("web", "--rate 5 --rate-schedule 1x1s", "--rate can only be max"),
        ("vip", "--late-by 5s", "--late-by needs --late"),
        ("web", "--topic a --users-topic a", "Two of the topics have the same name"),
        ("vip", "--topic a --users-topic a", "Two of the topics have the same name"),
    ],
)
def test_options_that_contradict_each_other_are_refused_before_anything_starts(
    what: str, options: str, says: str
) -> None:
    # Nobody listens on this port: reaching for Kafka would be another error, and take seconds.
    done = CliRunner().invoke(clickstream, ["generate", what, "-b", "127.0.0.1:1", *options.split()])
    assert isinstance(done.exception, ConfigError)
    assert says in str(done.exception)


def test_a_configured_rate_does_not_stand_against_a_schedule() -> None:
    asked = replace(NOTHING, rate_schedule=[Phase(2, 1_000)])
    found = planned(asked, 50.0, rate_given=False)
    assert found.timeline is not None
    assert (found.timeline.offsets(0, 3), found.stretch) == ([0, 500, 1_000], 1.0)


@pytest.mark.parametrize(
    "setting",
    [
        "generate-web.topic",
        "generate-web.codes-topic",
        "generate-web.users-topic",
        "generate-vip.topic",
        "generate-vip.users-topic",
    ],
)
def test_the_default_topics_are_declared_and_what_is_joined_is_compacted(setting: str) -> None:
    topic = declared()[SETTINGS[setting].default]
    assert (topic.config.get("cleanup.policy") == "compact") is not setting.endswith(".topic")
