"""What dashboards and alerts ask for is what parts tell: names are read from the code that makes them.

tests/integration/test_prometheus.py compares them with what running parts serve.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from clickstream.collect.counts import TOTALS
from clickstream.parts.metrics import CLIENT_COUNTERS, CLIENT_GAUGES, LAST_SUCCESS, PARTITION_LAG
from tests.dashboards import PROMETHEUS, PROMETHEUS_IN_A_CLUSTER, ROOT, alerts, metrics_asked_for, metrics_in

# Gauges of the collector's workers are told in one place, which is not called gauges().
COLLECTOR = ROOT / "clickstream" / "collect" / "worker.py"


def keys(node: ast.AST) -> Iterator[str]:
    """Texts that are keys of dicts written out below a node."""
    for one in ast.walk(node):
        if isinstance(one, ast.Dict):
            for key in one.keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value


def told_by(path: Path) -> Iterator[str]:
    """Names of metrics in the functions of a file that tell them."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name in ("totals", "gauges"):
            ends_with = "_total" if node.name == "totals" else ""
            yield from (f"clickstream_{key}{ends_with}" for key in keys(node))


@pytest.fixture(scope="module")
def exported() -> set[str]:
    found = {name for path in (ROOT / "clickstream").rglob("*.py") for name in told_by(path)}
    found |= {f"clickstream_{key}" for key in keys(ast.parse(COLLECTOR.read_text("utf-8")))}
    found |= {f"clickstream_{name}_total" for name in TOTALS}
    found |= {f"clickstream_client_{name}_total" for name, *_ in CLIENT_COUNTERS}
    found |= {f"clickstream_client_{name}" for name, *_ in CLIENT_GAUGES}
    return found | {f"clickstream_{LAST_SUCCESS}", f"clickstream_{PARTITION_LAG}"}


def test_every_metric_that_is_asked_for_is_one_of_ours(exported: set[str]) -> None:
    unknown = {what: names - exported for what, names in metrics_asked_for().items()}
    assert {what: names for what, names in unknown.items() if names} == {}


def test_metrics_of_the_documents_are_ours(exported: set[str]) -> None:
    page = (ROOT / "docs" / "deploy" / "grafana.md").read_text("utf-8")
    assert {name for name in metrics_in(page) if not name.endswith("_")} - exported == set()


def jobs(text: str) -> list[str]:
    return [job["job_name"] for job in yaml.safe_load(text)["scrape_configs"]]


def test_every_prometheus_asks_the_job_that_the_alerts_ask_for() -> None:
    (asked,) = {name for rule in alerts() for name in re.findall(r'\bjob="(\w+)"', rule["expr"])}
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["configs"]["prometheus"]["content"]
    for text in (PROMETHEUS.read_text("utf-8"), PROMETHEUS_IN_A_CLUSTER.read_text("utf-8"), compose):
        assert jobs(text) == [asked]


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert "{{" in rule["annotations"]["summary"] or "collector" in rule["annotations"]["summary"]
    assert len(rule["annotations"]["description"].split(". ")) >= 2
