"""Clicks and customers, a streaming table, a function and a queue: each click of a platinum user comes out once."""

import json
from pathlib import Path

from tests.integration.rabbit import Rabbit
from tests.integration.support import records, run_well
from tests.integration.tablesupport import shipped

VIP = Path(__file__).parents[2] / "examples" / "transform" / "vip.py"
WITHIN_S = 180.0


def test_each_click_of_a_platinum_user_is_one_message_in_a_queue(
    kafka: str, rabbit: Rabbit, topic_name: str, tmp_path: Path
) -> None:
    action, messages = f"{topic_name}-vip-action", f"{topic_name}-messages"
    file = shipped("vip", tmp_path, topic_name, topic_name)
    url = tmp_path / "url"
    url.write_text(rabbit.url, "utf-8")
    rabbit.make_queue(messages)
    clicks, users = f"{topic_name}-vip-clicks", f"{topic_name}-vip-users"
    where = ("--quiet", "-b", kafka)

    made = ("--topic", clicks, "--users-topic", users, "--count", "2000", "--rate", "max", "--event-rate", "50")
    run_well("generate", "vip", *made, *where, timeout=WITHIN_S)
    state = ("--state-dir", str(tmp_path / "state"))
    run_well("tables", "run", str(file), "--exit-at-end", *state, *where, timeout=WITHIN_S)
    function = ("--function", f"{VIP}:message", "--exit-at-end")
    run_well("transform", "--from", action, "--to", messages, *function, *where, timeout=WITHIN_S)
    queue = ("--url-file", str(url), "--name", messages, "--exit-at-end")
    run_well("sink", "rabbitmq", messages, *queue, *where, timeout=WITHIN_S)

    rows = [json.loads(record.value() or b"") for record in records(kafka, action)]
    found = [json.loads(body) for _properties, body in rabbit.messages(messages)]
    assert 0 < len(rows) < 2_000
    assert len({one["id"] for one in found}) == len(found) == len(rows)
    assert sorted(one["user_id"] for one in found) == sorted(row["user_id"] for row in rows)
    assert {row["page"] for row in rows} == {int(one["text"].rpartition(" ")[2]) for one in found}
