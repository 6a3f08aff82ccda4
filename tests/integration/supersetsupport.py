"""A real Superset in a virtual environment of its own: what it needs does not go together with what we need."""

import json
import os
import re
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from clickstream.java.jars import cache_dir
from tests.dashboards import DEPLOY
from tests.support import PATIENCE, free_port, missing, wait_until

VERSION = "6.1.0"
# What Superset imports and does not ask for, its drivers for PostgreSQL and Druid, and a server.
PACKAGES = (
    f"apache-superset=={VERSION}",
    "psycopg2-binary",
    "pydruid==0.6.9",
    "gunicorn",
    "rich",
    "cachetools",
    "flask-caching==2.3.1",
)
FOLDER = DEPLOY / "superset"
TABLES = ("dbs", "tables", "table_columns", "sql_metrics", "slices", "dashboards", "dashboard_slices")
USER, PASSWORD = "admin", "only for this test"
Rows = list[dict[str, Any]]


def programs() -> Path:
    """The folder of Superset's programs; it is installed when it is not there yet, or the test is skipped."""
    place = cache_dir().parent / f"superset-{VERSION}"
    complete = place / "complete"
    wanted = "\n".join(PACKAGES)
    if not complete.exists() or complete.read_text("utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        done = subprocess.run(
            [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", *PACKAGES],
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            missing(f"no Superset: {done.stderr[-1_000:]}")
        complete.write_text(wanted, "utf-8")
    return place / "bin"


class Superset:
    """Its metadata is in SQLite in `home`; `databases` are the variables that say where clicks are."""

    def __init__(self, home: Path, databases: Mapping[str, str]) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{free_port()}"
        self.programs = programs()
        config = home / "superset_config.py"
        # Plain HTTP on this machine, and nothing that is fetched from elsewhere.
        config.write_text((FOLDER / "superset_config.py").read_text("utf-8") + "\nTALISMAN_ENABLED = False\n", "utf-8")
        self._environment = {
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "TZ": "UTC",
            "FLASK_APP": "superset",
            "SCARF_ANALYTICS": "false",
            "SUPERSET_HOME": str(home),
            "SUPERSET_CONFIG_PATH": str(config),
            "SUPERSET_SECRET_KEY": secrets.token_urlsafe(42),
            **databases,
        }

    def make(self) -> None:
        """Its own tables, and a user who may do everything."""
        self.run("superset", "db", "upgrade")
        who = ("--username", USER, "--password", PASSWORD, "--firstname", "Shop", "--lastname", "Admin")
        self.run("superset", "fab", "create-admin", *who, "--email", "admin@shop.example")
        self.run("superset", "init")

    def import_bundle(self, folder: str) -> None:
        """Import the assets of a folder, as docs/deploy/superset.md says."""
        bundle = self.home / f"{folder}.zip"
        self.run("python", "-m", "zipfile", "-c", str(bundle), str(FOLDER / "assets" / folder))
        self.run("superset", "import-dashboards", "-p", str(bundle), "-u", USER)

    def run(self, program: str, *arguments: str) -> str:
        """One of its programs, to a good end; what it said."""
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            env=self._environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
        return done.stdout

    def counts(self) -> dict[str, int]:
        """How many of each it has."""
        with sqlite3.connect(self.home / "superset.db") as database:
            return {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}

    def stored(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query of its metadata returns."""
        with sqlite3.connect(self.home / "superset.db") as database:
            return database.execute(sql).fetchall()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Its pages are served at `url` for the block."""
        address = urlsplit(self.url).netloc
        command = [str(self.programs / "gunicorn"), "--bind", address, "--worker-class", "gthread", "--threads", "8"]
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen(
                [*command, "--timeout", "300", "superset.app:create_app()"],
                env=self._environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._answers, timeout=300, what=lambda: f"Superset serves nothing:\n{self.said()}", poll=0.5)
            yield
        finally:
            process.terminate()
            process.wait(60 * PATIENCE)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/health", timeout=10 * PATIENCE) as answer:
                return bool(answer.read() == b"OK")
        except (URLError, TimeoutError, ConnectionError):
            return False

    def said(self) -> str:
        """The end of its log."""
        return (self.home / "log").read_text("utf-8", "replace")[-4_000:]


class Dashboard:
    """A dashboard in a browser's tab, once it has asked for the data of all of its charts."""

    def __init__(self, page: Any, superset: Superset, slug: str, charts: int) -> None:
        self.answers: list[tuple[int, Any]] = []  # the chart's number, and the response
        page.on("response", self._hear)
        page.set_default_timeout(300_000)
        page.goto(f"{superset.url}/login/")
        page.fill("#username", USER)
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/welcome/**")
        page.goto(f"{superset.url}/superset/dashboard/{slug}/")
        wait_until(
            lambda: page.wait_for_timeout(500) or len(self.answers) >= charts,
            timeout=300,
            what=lambda: f"{len(self.answers)} charts have data:\n{superset.said()}",
        )

    def _hear(self, response: Any) -> None:
        if re.search("/api/v1/chart/data|/superset/explore_json/", response.url):
            form = json.loads(parse_qs(urlsplit(response.url).query)["form_data"][0])
            self.answers.append((form["slice_id"], response))  # its text can be asked for only outside of a handler

    def rows(self, number: int) -> Rows:
        """The data that a chart got."""
        [response] = [response for chart, response in self.answers if chart == number]
        assert response.status == 200, response.text()
        answer = response.json()
        rows: Rows = answer["result"][0]["data"] if "result" in answer else answer["data"]
        return rows
