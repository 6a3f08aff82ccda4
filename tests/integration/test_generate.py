"""`clickstream generate` as a person runs it, on a real Kafka."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest

from clickstream.generate.timeline import Phase, Timeline
from clickstream.inspect import details
from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.records import CodeKey, StatusCode, UserKey, VipClick, VipUser, VipUserKey, WebClick, WebUser, decode
from tests.integration.support import Part, records, run_well, running, value
from tests.support import PATIENCE, wait_until

START_MS = 1_767_225_600_000


def web(kafka: str, topic: str, *options: str) -> list[str]:
    names = ["--topic", topic, "--codes-topic", f"{topic}-codes", "--users-topic", f"{topic}-users"]
    return ["generate", "web", "-b", kafka, *names, "--quiet", *options]


def vip(kafka: str, topic: str, *options: str) -> list[str]:
    return ["generate", "vip", "-b", kafka, "--topic", topic, "--users-topic", f"{topic}-users", "--quiet", *options]


def contents(kafka: str, topic: str) -> list[tuple[int | None, bytes | None, bytes | None]]:
    """Partition, key and value of every record, partition by partition in the order of the log."""
    return [(record.partition(), record.key(), record.value()) for record in records(kafka, topic)]


def clicks(kafka: str, topic: str) -> list[WebClick]:
    return [decode(value(record), WebClick) for record in records(kafka, topic)]


# --- the same again


@pytest.mark.parametrize("command", [web, vip], ids=["web", "vip"])
def test_same_seed_count_and_start_give_byte_identical_topics_at_whatever_rate(
    kafka: str, topic_name: str, command: Callable[..., list[str]]
) -> None:
    asked = ["--seed", "5", "--count", "4321", "--start", "2026-01-01", "--event-rate", "100", "--users", "37"]
    flaws = ["--skew", "0.8", "--late", "10", "--late-by", "2m", "--malformed", "5"]
    one, other = f"{topic_name}-1", f"{topic_name}-2"
    first = run_well(*command(kafka, one, *asked, *flaws, "--rate", "max"))
    second = run_well(*command(kafka, other, *asked, *flaws, "--rate", "3000"))
    assert first.said.splitlines()[-1] == second.said.splitlines()[-1]
    for suffix in ("", "-users", "-codes") if command is web else ("", "-users"):
        found = contents(kafka, one + suffix)
        assert found == contents(kafka, other + suffix)
        assert len({partition for partition, _, _ in found}) == (1 if suffix == "-codes" else 3)
    assert len(contents(kafka, one)) == 4321


def test_another_seed_gives_other_clicks_of_the_same_users(kafka: str, topic_name: str) -> None:
    for seed in "12":
        options = ["--seed", seed, "--count", "500", "--start", "2026-01-01", "--rate", "max"]
        run_well(*web(kafka, topic_name + seed, *options))
    one, other = (topic_name + seed for seed in "12")
    assert contents(kafka, one) != contents(kafka, other)
    assert contents(kafka, f"{one}-users") == contents(kafka, f"{other}-users")


# --- what is in the topics


def test_web_clicks_find_their_users_and_codes(kafka: str, topic_name: str) -> None:
    options = ["--count", "20000", "--users", "50", "--rate", "max", "--seed", "3", "--start", "2026-01-01"]
    said = run_well(*web(kafka, topic_name, *options)).said
    assert "Sent 20,000 clicks (0 late, 0 malformed), acknowledged 20,000, failed 0; 56 reference records" in said
    found = clicks(kafka, topic_name)
    users = [decode(value(record), WebUser) for record in records(kafka, f"{topic_name}-users")]
    codes = [decode(value(record), StatusCode) for record in records(kafka, f"{topic_name}-codes")]
    assert {click.userid for click in found} == {user.user_id for user in users} | {None}
    assert {click.status for click in found} == {code.code for code in codes}
    keys = [decode(record.key(), UserKey).user_id for record in records(kafka, f"{topic_name}-users")]
    assert keys == [user.user_id for user in users]
    keys = [decode(record.key(), CodeKey).code for record in records(kafka, f"{topic_name}-codes")]
    assert keys == [code.code for code in codes]
    assert sorted(click.time_ms for click in found) == [START_MS + ms for ms in range(20_000)]
    # Visitors stay in their partition, and in the order of their time.
    by_ip: dict[tuple[str, int | None], list[int]] = {}
    for record, click in zip(records(kafka, topic_name), found, strict=True):
        assert record.key() == click.ip.encode()
        by_ip.setdefault((click.ip, record.partition()), []).append(click.time_ms)
    assert len(by_ip) == len({click.ip for click in found}) == 55
    assert all(times == sorted(times) for times in by_ip.values())


def test_vip_clicks_find_their_customers(kafka: str, topic_name: str) -> None:
    run_well(*vip(kafka, topic_name, "--count", "5000", "--users", "50", "--rate", "max"))
    levels = {
        user.user_id: user.level
        for user in (decode(value(record), VipUser) for record in records(kafka, f"{topic_name}-users"))
    }
    customers = records(kafka, f"{topic_name}-users")
    assert [decode(record.key(), VipUserKey).user_id for record in customers] == list(levels)
    found = [decode(value(record), VipClick) for record in records(kafka, topic_name)]
    joined = Counter(levels[click.user_id] for click in found if click.user_id in levels)
    assert joined.keys() == {"PLATINUM", "GOLD", "SILVER", "BRONZE"}
    assert joined["PLATINUM"] / joined.total() == pytest.approx(0.1, abs=0.04)
    assert 0 < len(found) - joined.total() < 1_000  # guests


def test_malformed_records_are_as_many_as_it_says(kafka: str, topic_name: str) -> None:
    said = run_well(*web(kafka, topic_name, "--count", "5000", "--rate", "max", "--malformed", "10")).said
    kinds: Counter[str] = Counter()
    for record in records(kafka, topic_name):
        try:
            found = json.loads(value(record))
            wrong = not isinstance(found, dict) or "unknown" in found.values()
            kinds["not an object or a text for a number" if wrong else "good"] += 1
        except UnicodeDecodeError:
            kinds["not UTF-8"] += 1
        except json.JSONDecodeError:
            kinds["cut off or empty"] += 1
    good = kinds.pop("good")
    assert good + kinds.total() == 5_000
    assert f"{kinds.total():,} malformed" in said
    assert kinds.total() == pytest.approx(500, abs=100)
    one_kind = kinds.total() / 5
    assert kinds["not UTF-8"] == pytest.approx(one_kind, abs=1)
    assert kinds["cut off or empty"] == pytest.approx(2 * one_kind, abs=2)


def test_missing_topics_are_made_as_the_declared_ones_are(kafka: str, topic_name: str) -> None:
    run_well(*web(kafka, topic_name, "--count", "0"))
    names = (topic_name, f"{topic_name}-codes", f"{topic_name}-users")
    found = existing(Cluster(kafka))
    assert [found[name] for name in names] == [3, 1, 3]
    admin = Cluster(kafka).admin()
    policies = [details.config(Cluster(kafka), admin, name)["cleanup.policy"].value for name in names]
    assert policies == ["delete", "compact", "compact"]


# --- time


def test_without_a_start_clicks_happen_now(kafka: str, topic_name: str) -> None:
    before = time.time() * 1000
    run_well(*web(kafka, topic_name, "--rate", "1000", "--duration", "1s"))
    after = time.time() * 1000
    found = records(kafka, topic_name)
    assert 100 < len(found) <= 1_000
    for record in found:
        at = decode(value(record), WebClick).time_ms
        assert before <= at <= after
        # Sent when it happens: a slice of 20 ms, and whatever else the machine does.
        assert record.timestamp()[1] - at < 2_000 * PATIENCE


@pytest.mark.parametrize(
    "start", [["--start", "2020-01-01"], ["--start", "2100-01-01"], []], ids=["past", "future", "now"]
)
def test_users_and_codes_hold_from_before_the_first_click_on(kafka: str, topic_name: str, start: list[str]) -> None:
    run_well(*web(kafka, topic_name, "--count", "500", "--rate", "max", "--late", "50", "--late-by", "1h", *start))
    earliest = min(click.time_ms for click in clicks(kafka, topic_name))
    for topic in (f"{topic_name}-codes", f"{topic_name}-users"):
        found = records(kafka, topic)
        assert found
        assert all(record.timestamp()[1] <= earliest for record in found)


def test_sessions_and_schedules_are_in_the_times_of_the_clicks(kafka: str, topic_name: str) -> None:
    common = ["--rate", "max", "--count", "1000", "--start", "2026-01-01"]
    run_well(*web(kafka, f"{topic_name}-1", *common, "--event-rate", "5", "--sessions", "90s/35s"))
    run_well(*web(kafka, f"{topic_name}-2", *common, "--rate-schedule", "1x1m,0x35s,10x30s"))
    sessions = Timeline([Phase(5, 90_000), Phase(0, 35_000)]).offsets(0, 1_000)
    schedule = Timeline([Phase(1, 60_000), Phase(0, 35_000), Phase(10, 30_000)]).offsets(0, 1_000)
    for topic, expected in ((f"{topic_name}-1", sessions), (f"{topic_name}-2", schedule)):
        assert sorted(click.time_ms - START_MS for click in clicks(kafka, topic)) == expected


# --- the end


def stopped_in_a_pause(part: Part, kafka: str, topic: str) -> int:
    """How many clicks had arrived when the part was told to end."""
    wait_until(lambda: topic in existing(Cluster(kafka)), 20, "the topic")
    wait_until(lambda: len(records(kafka, topic)) == 10, 20, "all clicks of the active second")
    part.process.send_signal(signal.SIGINT)
    assert part.wait(10) == 0, part.said()
    return len(records(kafka, topic))


def test_ctrl_c_in_a_pause_ends_well(kafka: str, topic_name: str) -> None:
    with running(*web(kafka, topic_name, "--rate", "10", "--sessions", "1s/1h")) as part:
        assert stopped_in_a_pause(part, kafka, topic_name) == 10
        assert "Sent 10 clicks (0 late, 0 malformed), acknowledged 10, failed 0;" in part.said()
