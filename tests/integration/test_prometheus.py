"""The health dashboard and the alerts, in a real Prometheus that scrapes running parts of every kind.

Tests stand in the order in which they run: the last ones disturb the parts.
"""

import re
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from clickstream.errors import ClickstreamError
from tests.dashboards import Target, as_prometheus_gets_it, metrics_asked_for, targets
from tests.integration.collectsupport import load, served_port
from tests.integration.prometheus import Prometheus, prometheus
from tests.integration.rabbit import rabbit_in
from tests.integration.support import Part, produce, running, written
from tests.integration.tablesupport import shipped
from tests.integration.uisupport import address_of
from tests.postgres import given_or_own
from tests.support import PATIENCE, free_port, wait_until

pytestmark = pytest.mark.slow

SCRAPE_S = 1
WITHIN_S = 180.0


@dataclass(frozen=True)
class Watched:
    """A Prometheus, and what it scrapes: parts and their addresses, by their names; `events` is the topic that they
    share."""

    kafka: str
    events: str
    prometheus: Prometheus
    parts: dict[str, Part]
    addresses: dict[str, str]

    def said(self) -> str:
        """What parts wrote that have ended, for messages."""
        return "\n".join(f"{name}: {part.said()}" for name, part in self.parts.items() if not part.running)


@pytest.fixture(scope="module")
def watched(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    prefix = f"watched-{uuid.uuid4().hex[:8]}"
    events = f"{prefix}-events"
    with ExitStack() as stack:
        dsn = stack.enter_context(given_or_own())
        rabbit = stack.enter_context(rabbit_in(tmp_path_factory.mktemp("rabbit")))
        rabbit.make_queue(events)
        parts: dict[str, Part] = {}
        addresses: dict[str, str] = {}

        def start(name: str, *command: str, serves_metrics: bool = True) -> Part:
            port = free_port()
            served = ("--metrics-port", str(port), "--quiet") if serves_metrics else ()
            secrets = {"CLICKSTREAM_SINK_POSTGRES": dsn, "CLICKSTREAM_SINK_RABBITMQ": rabbit.url}
            settings = {"CLICKSTREAM_DEAD_LETTER_TOPIC": f"{prefix}-dead", "CLICKSTREAM_STATE_DIR": str(folder)}
            part = running(*command, "-b", kafka, *served, **secrets, **settings)
            parts[name] = stack.enter_context(part)
            addresses[name] = f"127.0.0.1:{port}"
            return parts[name]

        producer = start("producer", "run-producer", "--topic", events, "--rate", "100")
        wait_until(lambda: _is_written(kafka, events), WITHIN_S, producer.said, 0.5)
        topics = [
            *("--topic", f"{prefix}-clickstream"),
            *("--codes-topic", f"{prefix}-clickstream_codes"),
            *("--users-topic", f"{prefix}-clickstream_users"),
        ]
        start("web", "generate", "web", *topics, "--rate", "50")
        start("counter", "run-counter", "--from-topic", events, "--to-topic", f"{prefix}-tally")
        start("tables", "tables", "run", str(shipped("clickstream", folder, prefix, prefix)))
        (folder / "function.py").write_text("def same(record):\n    return record\n")
        function = f"{folder / 'function.py'}:same"
        start("transform", "transform", "--from", events, "--to", f"{prefix}-same", "--function", function)
        start("postgres", "sink", "postgres", events, "--schema", prefix.replace("-", "_"))
        start("rabbitmq", "sink", "rabbitmq", events)
        collector = ("collect", "--port", "0", "--no-clicks", "--rate-limit", "0", "--topic", f"{prefix}-web-events")
        collect = start("collect", *collector, serves_metrics=False)
        addresses["collect"] = f"127.0.0.1:{served_port(collect)}"
        addresses["ui"] = address_of(start("ui", "ui", "--port", "0", serves_metrics=False)).removeprefix("http://")
        stack.enter_context(load(served_port(collect), senders=1))
        found = stack.enter_context(prometheus(folder, list(addresses.values()), SCRAPE_S))
        yield Watched(kafka, events, found, parts, addresses)


def _is_written(kafka: str, topic: str) -> bool:
    try:
        return written(kafka, topic) > 0
    except ClickstreamError:  # it is not there yet
        return False


def test_every_part_is_scraped(watched: Watched) -> None:
    def all_up() -> bool:
        answering = ('sum(up{job="clickstream"})', "count(process_start_time_seconds)")
        return all(watched.prometheus.value(one) == len(watched.addresses) for one in answering)

    wait_until(all_up, WITHIN_S, watched.said, 0.5)


def test_running_parts_serve_every_metric_that_is_asked_for(watched: Watched) -> None:
    asked_for = set().union(*metrics_asked_for().values())

    def served() -> set[str]:
        found: set[str] = set()
        for address in watched.addresses.values():
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=30 * PATIENCE) as answer:
                found |= set(re.findall(r"^(clickstream_\w+)", answer.read().decode(), re.MULTILINE))
        return found

    wait_until(lambda: asked_for <= served(), WITHIN_S, lambda: f"not served: {asked_for - served()}", 0.5)


@pytest.mark.parametrize("panel", targets("health"), ids=lambda one: f"{one.panel} {one.ref}")
def test_no_panel_is_empty(watched: Watched, panel: Target) -> None:
    expression = as_prometheus_gets_it(panel.text, SCRAPE_S)

    def shown() -> bool:
        if panel.latest:
            return bool(watched.prometheus.now(expression))
        return bool(watched.prometheus.over(expression, time.time() - 60, time.time(), 5))

    wait_until(shown, WITHIN_S, lambda: f"{expression} finds nothing\n{watched.said()}", 0.5)


@pytest.mark.parametrize(
    ("expression", "least"),
    [
        ("clickstream_written_total", {"sink-postgres", "sink-rabbitmq", "tables"}),
        ("clickstream_partition_lag", {"tables"}),
        ("clickstream_lag", {"counter", "tables", "transform", "sink-postgres", "sink-rabbitmq"}),
        ("clickstream_acknowledged_total", {"producer", "generate-web"}),
        ("clickstream_target_blocked", {"sink-rabbitmq"}),
        ("clickstream_spool_limit_bytes == 1e9", {"collect"}),
    ],
)
def test_parts_are_told_apart(watched: Watched, expression: str, least: set[str]) -> None:
    def told() -> bool:
        return least <= {one["metric"]["part"] for one in watched.prometheus.now(expression)}

    wait_until(told, WITHIN_S, lambda: f"{watched.prometheus.now(expression)}", 0.5)


def test_all_rules_are_evaluated(watched: Watched) -> None:
    def evaluated() -> bool:
        return all(rule["health"] != "unknown" for rule in watched.prometheus.rules().values())

    wait_until(evaluated, WITHIN_S, poll=0.5)
    assert {
        name: rule.get("lastError") for name, rule in watched.prometheus.rules().items() if rule["health"] != "ok"
    } == {}


def test_a_record_that_is_set_aside_fires_at_once(watched: Watched) -> None:
    quiet = watched.prometheus.rules()["ClickstreamDeadLetters"]["alerts"]
    assert [one for one in quiet if one["labels"]["part"] == "counter"] == []

    produce(watched.kafka, watched.events, [b"no JSON"])

    def firing() -> list[str]:
        alerts = watched.prometheus.rules()["ClickstreamDeadLetters"]["alerts"]
        return [one["annotations"]["summary"] for one in alerts if one["labels"]["part"] == "counter"]

    assert wait_until(firing, WITHIN_S, "the alert", 0.5) == ["counter sets records aside"]


def test_totals_are_those_of_the_topic_and_a_part_that_ends_is_missed(watched: Watched) -> None:
    assert watched.parts["producer"].stop(60) == 0, watched.parts["producer"].said()
    records = written(watched.kafka, watched.events)
    asked = {
        'clickstream_counted_total{part="counter"} + on (part) clickstream_dead_letters_total{part="counter"}': records,
        'clickstream_processed_total{part="transform"}': records,
        'clickstream_written_total{part="sink-postgres"}': records,
        'clickstream_written_total{part="sink-rabbitmq"}': records,
        'sum(clickstream_lag{part!="tables"})': 0,
    }

    def found() -> dict[str, float | None]:
        return {expression: watched.prometheus.value(expression) for expression in asked}

    wait_until(lambda: found() == asked, WITHIN_S, lambda: f"{found()}, not {asked}", 0.5)

    def missed() -> list[str]:
        return [one["labels"]["instance"] for one in watched.prometheus.rules()["ClickstreamPartUnreachable"]["alerts"]]

    assert wait_until(missed, WITHIN_S, "the alert", 0.5) == [watched.addresses["producer"]]
