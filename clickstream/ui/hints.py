"""Which command would create a topic and fill it."""

import re
from collections.abc import Mapping

from clickstream.config import Config
from clickstream.shipped import tables

_SQL_TOPIC = re.compile(r"'topic'\s*=\s*'([^']+)'")


class Hints:
    """By the topics' names, as they are set here."""

    def __init__(self, config: Config) -> None:
        self._commands: Mapping[str, str] = {
            **_of_tables(),
            **{config[setting]: command for setting, command in _BY_SETTING.items()},
        }

    def command(self, topic: str) -> str:
        """The command to type."""
        return self._commands.get(topic, f"clickstream topics create {topic}")


_BY_SETTING = {
    "run-producer.topic": "clickstream run-producer",
    "run-counter.to-topic": "clickstream run-counter",
    "generate-web.topic": "clickstream generate web",
    "generate-web.codes-topic": "clickstream generate web",
    "generate-web.users-topic": "clickstream generate web",
    "generate-vip.topic": "clickstream generate vip",
    "generate-vip.users-topic": "clickstream generate vip",
    "collect.topic": "clickstream collect",
    "collect.loss-topic": "clickstream collect",
    "status-topic": "clickstream demo",
}


def _of_tables() -> dict[str, str]:
    """The topics that the shipped files of SQL name; their sources are among _BY_SETTING, which is asked first."""
    return {
        topic: f"clickstream tables run {name}"
        for name, path in tables().items()
        for topic in _SQL_TOPIC.findall(path.read_text("utf-8"))
    }
