"""The dashboards and alerts in deploy/, as tests read them: panels, their queries, names of metrics."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"
PROMETHEUS_IN_A_CLUSTER = PROMETHEUS.with_name("kubernetes.yml")
BOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))

# What docs/deploy/superset.md has the sink write of the topic web-events; the rest of its columns is left out.
WEB_EVENTS_COLUMNS = (
    "id STRING, event STRING, site STRING, visitor STRING, `time` BIGINT, browser STRING, os STRING, device STRING, "
    "bot STRING, country STRING"
)

# What Grafana puts in the place of $__interval at the default time range of a wide screen.
INTERVAL_S = 60

_GROUP = re.compile(r"\$__timeGroupAlias\(\s*(\w+)\s*,\s*\$__interval\s*\)")
_FILTER = re.compile(r"\$__timeFilter\(\s*(\w+)\s*\)")


@dataclass(frozen=True)
class Target:
    """One query of a panel: SQL or PromQL with Grafana's macros."""

    panel: str
    ref: str
    text: str
    latest: bool = False


def board(name: str) -> dict[str, Any]:
    """A committed dashboard."""
    found: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboards" / f"{name}.json").read_text("utf-8"))
    return found


def targets(name: str) -> list[Target]:
    """All queries of a dashboard."""
    return [
        Target(panel["title"], one["refId"], one.get("rawSql") or one["expr"], bool(one.get("instant")))
        for panel in board(name)["panels"]
        for one in panel["targets"]
    ]


def alerts() -> list[dict[str, Any]]:
    """The rules of alerts.yml."""
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def metrics_in(text: str) -> set[str]:
    """Names of our metrics in PromQL, or in what it is embedded in."""
    return set(re.findall(r"\bclickstream_[a-z0-9_]+", text))


def metrics_asked_for() -> dict[str, set[str]]:
    """Our metrics in all expressions, by the query of a panel or the alert that asks for them."""
    panels = {f"{one.panel} {one.ref}": metrics_in(one.text) for one in targets("health")}
    return {**panels, **{rule["alert"]: metrics_in(rule["expr"]) for rule in alerts()}}


def as_postgres_gets_it(sql: str, since: datetime, until: datetime, interval_s: int = INTERVAL_S) -> str:
    """SQL with Grafana's macros expanded as its PostgreSQL data source does (pkg/tsdb/grafana-postgresql-datasource/
    macros.go); raises ValueError for another macro than those that the panels use."""
    sql = _GROUP.sub(rf'floor(extract(epoch from \1)/{interval_s})*{interval_s} AS "time"', sql)
    sql = _FILTER.sub(rf"\1 BETWEEN '{since.isoformat()}' AND '{until.isoformat()}'", sql)
    if "$" in sql:
        raise ValueError(f"a macro that is not known here: {sql}")
    return sql


def as_prometheus_gets_it(expression: str, scrape_s: int) -> str:
    """PromQL with $__rate_interval, which Grafana makes at least four times the scrape interval."""
    expression = expression.replace("$__rate_interval", f"{4 * scrape_s}s")
    if "$" in expression:
        raise ValueError(f"a variable that is not known here: {expression}")
    return expression


def variables_in(path: Path) -> Iterator[str]:
    """Of the environment, in a file that Grafana provisions."""
    yield from re.findall(r"\$\{?(\w+)", path.read_text("utf-8"))
