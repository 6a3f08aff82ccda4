"""State named by statement, on the real command: another order, other connections, one INSERT more."""

from pathlib import Path

import pytest

from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from tests.integration.support import is_an_error_for_people, make_topic, produce, running
from tests.integration.tablesupport import (
    MINUTES,
    appended,
    click,
    command,
    per_minute,
    script,
    stream,
    table,
    tables,
    upsert,
)
from tests.support import wait_until

# Windows that are open between the runs, groups, and a stream: each has a state, or a place in its topic.
OTHERS = MINUTES.replace("per_min", "others").replace("COUNT(*)", "COUNT(*) * 100")
GROUPS = upsert("by_ip", "ip STRING, hits BIGINT", "ip") + (
    "INSERT INTO by_ip SELECT ip, COUNT(*) FROM clicks GROUP BY ip;\n"
)
EACH = appended("each_row", "o BIGINT") + "INSERT INTO each_row SELECT o FROM clicks;\n"
ALL = (MINUTES, OTHERS, GROUPS, EACH)


@pytest.fixture
def clicks(kafka: str, topic_name: str) -> str:
    """A topic with one partition and three clicks."""
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1), click(2), click(61)])
    return topic_name


def leave_open(kafka: str, path: Path, clicks: str, hits: int) -> None:
    """Run until so many clicks are taken in, then stop: both minutes are open, as the watermark is 56 s."""
    topic = f"{clicks}-by_ip"
    with running(*command(kafka, path, "--idle-timeout", "0")) as part:
        wait_until(
            lambda: (
                topic in existing(Cluster(kafka)) and [row["hits"] for row in table(kafka, topic).values()] == [hits]
            ),
            60,
            "the clicks are taken in",
            poll=0.2,
        )
        assert part.stop() == 0, part.said()


def test_inserts_that_change_places_keep_their_states(kafka: str, clicks: str, tmp_path: Path) -> None:
    leave_open(kafka, script(tmp_path, clicks, *ALL), clicks, 3)
    produce(kafka, clicks, [click(62), click(130)])
    done = tables(kafka, script(tmp_path, clicks, *reversed(ALL)))
    assert done.code == 0, done.said
    assert "Read 2 rows" in done.said
    assert per_minute(kafka, f"{clicks}-per_min") == {0: 2, 1: 2, 2: 1}
    assert per_minute(kafka, f"{clicks}-others") == {0: 200, 1: 200, 2: 100}
    assert [row["hits"] for row in table(kafka, f"{clicks}-by_ip").values()] == [5]
    assert list(stream(kafka, f"{clicks}-each_row").values()) == [1] * 5


def test_another_value_inside_a_query_is_another_statement(kafka: str, clicks: str, tmp_path: Path) -> None:
    view = "CREATE VIEW some_clicks AS SELECT * FROM clicks WHERE ip = '${{IP}}';\n"
    path = script(tmp_path, clicks, view, MINUTES.replace("TABLE clicks", "TABLE some_clicks"))
    assert tables(kafka, path, "--set", "IP=a").code == 0
    done = tables(kafka, path, "--set", "IP=b")
    assert done.code == 1
    assert is_an_error_for_people(done, "VIEW some_clicks was changed", "--reset")
    assert per_minute(kafka, f"{clicks}-per_min") == {0: 2, 1: 1}
    assert tables(kafka, path, "--set", "IP=a").code == 0


def test_another_address_of_the_same_cluster_changes_nothing(kafka: str, clicks: str, tmp_path: Path) -> None:
    path = script(tmp_path, clicks, *ALL)
    leave_open(kafka, path, clicks, 3)
    # What the file says of Kafka, for Flink, and how the command reaches it.
    other = f"localhost:{kafka.rpartition(':')[2]}"
    done = tables(other, path, "--set", "BOOTSTRAP_SERVERS=somewhere.else:9092")
    assert done.code == 0, done.said
    assert "Read 0 rows" in done.said
    assert per_minute(kafka, f"{clicks}-per_min") == {0: 2, 1: 1}


def test_an_insert_that_is_added_begins_where_the_file_stands(kafka: str, clicks: str, tmp_path: Path) -> None:
    """The windows that it has not seen whole are not written; the others go on as they are."""
    leave_open(kafka, script(tmp_path, clicks, MINUTES, GROUPS), clicks, 3)
    produce(kafka, clicks, [click(62), click(121), click(190)])
    done = tables(kafka, script(tmp_path, clicks, EACH, OTHERS, MINUTES, GROUPS))
    assert done.code == 0, done.said
    said = [line for line in done.said.splitlines() if "new in the file" in line]
    assert len(said) == 2
    for line, target in zip(sorted(said), ("each_row", "others"), strict=True):
        assert f"INSERT INTO {target} is" in line
        assert "2023-11-14 22:15:01 UTC are not written" in line
    assert per_minute(kafka, f"{clicks}-per_min") == {0: 2, 1: 2, 2: 1, 3: 1}
    assert per_minute(kafka, f"{clicks}-others") == {2: 100, 3: 100}
    assert len(stream(kafka, f"{clicks}-each_row")) == 3
    assert [row["hits"] for row in table(kafka, f"{clicks}-by_ip").values()] == [6]
    done = tables(kafka, script(tmp_path, clicks, EACH, OTHERS, MINUTES, GROUPS))
    assert done.code == 0
    assert "new in the file" not in done.said
