from dataclasses import replace

import pytest

from clickstream.errors import ConfigError
from clickstream.tally.options import default_group
from tests.unit.tally.doubles import OPTIONS


def test_the_default_group_is_named_after_what_is_counted() -> None:
    assert default_group("event-topic", "eventName") == "clickstream-counter.event-topic.eventName"


def test_what_can_work_is_accepted() -> None:
    OPTIONS.check()


@pytest.mark.parametrize(
    ("change", "role"),
    [
        ({"to_topic": "clicks"}, "--to-topic"),
        ({"dead_letter_topic": "clicks"}, "--dead-letter-topic"),
        ({"from_topic": "g-state"}, "the topic of the group's state"),
    ],
)
def test_a_counter_does_not_count_its_own_output(change: dict[str, str], role: str) -> None:
    with pytest.raises(ConfigError, match=f"--from-topic .* is also {role}: the counter would count itself"):
        replace(OPTIONS, **change).check()  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"to_topic": "dead"}, {"to_topic": "g-state"}, {"dead_letter_topic": "g-state"}])
def test_outputs_are_three_topics(change: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="These must be three topics: --to-topic "):
        replace(OPTIONS, **change).check()  # type: ignore[arg-type]


@pytest.mark.parametrize("group", ["two words", "größe", "g/h", "g" * 244])
def test_a_group_whose_state_topic_cannot_be_is_refused(group: str) -> None:
    with pytest.raises(ConfigError, match=f"--group {group} would be in topic {group}-state, but .*Choose another"):
        replace(OPTIONS, group=group).check()


def test_the_longest_group() -> None:
    replace(OPTIONS, group="g" * 243).check()
