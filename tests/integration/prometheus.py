"""A real Prometheus for tests: Debian's, with files of the test's own, on the loopback only."""

import json
import shutil
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.dashboards import ALERTS, PROMETHEUS
from tests.support import PATIENCE, free_port, missing, wait_until

Samples = list[dict[str, Any]]


def program(name: str) -> str:
    """Where `prometheus` or `promtool` is; the test is skipped where there is none."""
    return shutil.which(name) or missing(f"no {name}: apt-get install prometheus")


class Prometheus:
    """A server that answers; times are epoch s."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"

    def answers(self) -> bool:
        """Whether it does."""
        try:
            with urllib.request.urlopen(f"{self._address}/-/ready", timeout=10 * PATIENCE) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def ask(self, path: str, **parameters: object) -> Any:
        """`data` of an answer of its API; an error of the query fails the test."""
        query = urllib.parse.urlencode({name: str(value) for name, value in parameters.items()})
        try:
            with urllib.request.urlopen(f"{self._address}/api/v1/{path}?{query}", timeout=30 * PATIENCE) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as problem:
            with problem:
                raise AssertionError(f"{parameters}: {problem.read().decode()}") from None
        return found["data"]

    def now(self, expression: str) -> Samples:
        """Series and their values, as text, at this moment."""
        samples: Samples = self.ask("query", query=expression)["result"]
        return samples

    def over(self, expression: str, since: float, until: float, step: int) -> Samples:
        """Series and their values over time."""
        samples: Samples = self.ask("query_range", query=expression, start=since, end=until, step=step)["result"]
        return samples

    def value(self, expression: str) -> float | None:
        """Of an expression that has at most one series."""
        found = self.now(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def rules(self) -> dict[str, dict[str, Any]]:
        """How the rules do, by the names of their alerts."""
        return {rule["name"]: rule for group in self.ask("rules")["groups"] for rule in group["rules"]}


@contextmanager
def prometheus(folder: Path, targets: Sequence[str], every_s: int) -> Iterator[Prometheus]:
    """One with deploy's configuration but for the targets and the times between looks."""
    config = yaml.safe_load(PROMETHEUS.read_text("utf-8"))
    config["global"] = {"scrape_interval": f"{every_s}s", "evaluation_interval": f"{every_s}s"}
    config["rule_files"] = [str(ALERTS)]
    config["scrape_configs"][0]["static_configs"] = [{"targets": list(targets)}]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config), "utf-8")
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={path}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    server = Prometheus(port)

    def ready() -> bool:
        assert process.poll() is None, said()
        return server.answers()

    def said() -> str:
        return (folder / "prometheus.log").read_text("utf-8", "replace")[-3_000:]

    try:
        wait_until(ready, 120, said, poll=0.1)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60 * PATIENCE)
