"""The rules in deploy/prometheus, judged by promtool."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.dashboards import ALERTS, PROMETHEUS, PROMETHEUS_IN_A_CLUSTER, alerts
from tests.integration.prometheus import program
from tests.support import PATIENCE

TESTS = ALERTS.with_name("alerts.test.yml")


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, timeout=120 * PATIENCE, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", str(ALERTS)),
        ("check", "config", str(PROMETHEUS)),
        ("test", "rules", str(TESTS)),
    ],
    ids=lambda arguments: f"{arguments[0]} {Path(arguments[2]).name}",
)
def test_promtool_finds_nothing_wrong(arguments: tuple[str, ...]) -> None:
    done = promtool(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_what_is_for_a_cluster(tmp_path: Path) -> None:
    """Debian builds Prometheus without the discovery of pods: that alone is left out."""
    found = yaml.safe_load(PROMETHEUS_IN_A_CLUSTER.read_text("utf-8"))
    assert [job.pop("kubernetes_sd_configs")[0]["role"] for job in found["scrape_configs"]] == ["pod"]
    (tmp_path / PROMETHEUS_IN_A_CLUSTER.name).write_text(yaml.safe_dump(found), "utf-8")
    shutil.copy(ALERTS, tmp_path)

    done = promtool("check", "config", str(tmp_path / PROMETHEUS_IN_A_CLUSTER.name))

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested() -> None:
    text = TESTS.read_text("utf-8")
    tested = set(re.findall(r"Clickstream\w+", text))
    assert {rule["alert"] for rule in alerts()} == tested


def test_an_alert_that_never_fires_would_be_noticed(tmp_path: Path) -> None:
    never = re.sub(r"expr: (>-\n(?: {10,}.*\n)+|.*\n)", "expr: vector(1) < 0\n", ALERTS.read_text("utf-8"))
    assert never.count("vector(1) < 0") == len(alerts())
    (tmp_path / ALERTS.name).write_text(never, "utf-8")
    shutil.copy(TESTS, tmp_path)

    done = promtool("test", "rules", str(tmp_path / TESTS.name))

    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert [rule["alert"] for rule in alerts() if rule["alert"] not in said] == []
