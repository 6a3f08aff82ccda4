"""The dashboards in deploy/grafana, as far as they can be judged without servers."""

import re
from itertools import combinations
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from clickstream.config import config_dir
from clickstream.tables.sql.check import check_file
from deploy.grafana.generate import DASHBOARDS, FOLDER, stale
from tests.dashboards import DEPLOY, ROOT, alerts, board, targets, variables_in

NAMES = ("clicks", "health")
PANELS = [pytest.param(panel, id=panel["title"]) for name in NAMES for panel in board(name)["panels"]]
PAGE = ROOT / "docs" / "deploy" / "grafana.md"
PROVISIONING = DEPLOY / "grafana" / "provisioning"
DATA_SOURCES = yaml.safe_load((PROVISIONING / "datasources" / "clickstream.yml").read_text("utf-8"))["datasources"]


def test_the_files_are_what_the_generator_writes() -> None:
    assert stale() == [], "stale: run  .venv/bin/python -m deploy.grafana.generate"
    assert {path.name for path in FOLDER.iterdir()} == set(DASHBOARDS)


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_small_enough_to_be_read(name: str) -> None:
    panels = board(name)["panels"]
    assert len(panels) <= 12
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    assert len({panel["title"] for panel in panels}) == len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 40
    if panel["type"] not in ("table", "state-timeline"):
        assert panel["fieldConfig"]["defaults"]["unit"]
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_asks_a_data_source_that_is_provisioned(panel: dict[str, Any]) -> None:
    provisioned = [{"type": one["type"], "uid": one["uid"]} for one in DATA_SOURCES]
    for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
        assert source in provisioned


@pytest.mark.parametrize("target", targets("clicks"), ids=lambda target: target.panel)
def test_sql_reads_what_shipped_files_write(target: Any) -> None:
    files = [config_dir() / "tables" / f"{name}.sql" for name in ("clickstream", "products", "web-events")]
    written = {insert.target.name for path in files for insert in check_file(path).program.inserts}
    [read] = re.findall(r"FROM (\w+)\nWHERE|FROM (\w+)$", target.text)
    assert set(filter(None, read)) <= written


def test_nothing_secret_is_written_down_and_all_variables_are_documented() -> None:
    [postgres, _prometheus] = DATA_SOURCES
    assert re.fullmatch(r"\$\w+", postgres["secureJsonData"]["password"])
    documented = set(re.findall(r"^\| `(CLICKSTREAM_GRAFANA_\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE))
    used = {name for path in PROVISIONING.rglob("*.yml") for name in variables_in(path)}
    assert used == documented


def test_all_panels_and_alerts_are_documented() -> None:
    text = PAGE.read_text("utf-8")
    rows = set(re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE))
    assert {panel["title"] for name in NAMES for panel in board(name)["panels"]} <= rows
    assert {f"`{rule['alert']}`" for rule in alerts()} <= rows
