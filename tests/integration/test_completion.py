"""What a shell offers while a command is typed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.support import ROOT, count, environment_of_a_command, make_topic, named, produce
from tests.support import PATIENCE


def offered(words: str, tmp_path: Path) -> list[str]:
    """The names that bash gets for the last of the words."""
    environment = environment_of_a_command(
        {
            "_CLICKSTREAM_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
            "CLICKSTREAM_STATE_DIR": str(tmp_path),
        }
    )
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'clickstream'; from clickstream.cli import main; main()"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        check=True,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_topics_and_groups_of_the_cluster_and_tables_of_a_file(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named("purchase"))
    count(kafka, topic_name)
    begun = topic_name[:-3]
    topics = [topic_name, *(f"{topic_name}-{made}" for made in ("dead", "group-state", "tally"))]
    for command in ("topics tail", "topics describe", "topics export", "topics delete"):
        assert offered(f"clickstream {command} -b {kafka} {begun}", tmp_path) == topics
    assert offered(f"clickstream run-counter -b {kafka} --from-topic {begun}", tmp_path) == topics
    assert offered(f"clickstream groups describe -b {kafka} {topic_name}-g", tmp_path) == [f"{topic_name}-group"]
    assert offered("clickstream tables show docs/examples/visits.sql pa", tmp_path) == ["page_hits"]


@pytest.mark.parametrize("given", ["", "-b 127.0.0.1:1 "], ids=["nothing runs", "nobody answers"])
def test_without_kafka_nothing_is_offered_said_or_started(given: str, tmp_path: Path) -> None:
    assert offered(f"clickstream topics tail {given}e", tmp_path) == []
    assert not (tmp_path / "data").exists()
