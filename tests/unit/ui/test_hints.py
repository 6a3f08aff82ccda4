import pytest

from clickstream.config import load
from clickstream.ui.hints import Hints


@pytest.mark.parametrize(
    ("topic", "command"),
    [
        ("event-topic", "clickstream run-producer"),
        ("unique-event-topic", "clickstream run-counter"),
        ("clickstream", "clickstream generate web"),
        ("vip-users", "clickstream generate vip"),
        ("clickstream-status", "clickstream demo"),
        ("somebody-elses", "clickstream topics create somebody-elses"),
    ],
)
def test_which_command_fills_a_topic(topic: str, command: str) -> None:
    assert Hints(load(None, {})).command(topic) == command


def test_results_of_shipped_files_come_from_running_them() -> None:
    hints = Hints(load(None, {}))
    found = {command for command in hints._commands.values() if command.startswith("clickstream tables run")}
    assert "clickstream tables run clickstream" in found


def test_topics_are_called_as_they_are_set() -> None:
    hints = Hints(load(None, {"CLICKSTREAM_GENERATE_WEB_TOPIC": "other"}))
    assert hints.command("other") == "clickstream generate web"
