import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pytest_mock import MockerFixture

from clickstream.cli import dashboard, ui
from clickstream.config import load
from clickstream.parts.status import DEAD_AFTER_S, Seen
from clickstream.records import Status
from tests.unit.cli.conftest import Run


@pytest.fixture(autouse=True)
def _nothing_is_started(mocker: MockerFixture) -> None:
    mocker.patch("clickstream.cli.options.App.connect", side_effect=AssertionError("Kafka was asked for"))


def test_without_the_extra_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "clickstream.ui.server", None)
    monkeypatch.setitem(sys.modules, "granian", None)
    for name in [name for name in sys.modules if name.startswith(("clickstream.ui.", "granian."))]:
        monkeypatch.delitem(sys.modules, name)
    done = run("ui")
    assert done.code == 2
    assert "pip install 'clickstream[ui]'" in done.err


def test_a_taken_port_is_an_error_before_anything_is_started(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("ui", "--port", str(taken.getsockname()[1]))
    assert done.code == 2
    assert "is in use by process" in done.err


def test_a_public_name_that_is_none_is_an_error(run: Run) -> None:
    done = run("ui", "--public-name", "https://clicks.example.org")
    assert done.code == 2
    assert "--public-name" in done.err


@pytest.mark.parametrize(("host", "says"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False)])
def test_behind_a_proxy_of_this_machine_it_says_who_can_read(
    host: str, says: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    ui.say_who_can_read(host)
    assert ("have the proxy ask who it is" in capsys.readouterr().err) == says


def test_the_page_that_leads_to_it_is_for_this_users_eyes(tmp_path: Path) -> None:
    page = dashboard._page_that_leads_to('http://127.0.0.1:8321/#token=a"b', tmp_path / "ui")
    assert page.stat().st_mode & 0o077 == 0
    assert 'url=http://127.0.0.1:8321/#token=a&quot;b"' in page.read_text()
    assert dashboard._page_that_leads_to("http://other", tmp_path / "ui") == page


def test_the_history_hears_nothing_of_a_part_that_was_killed(mocker: MockerFixture) -> None:
    now = time.time()
    runs, killed = (Status(name, "tables", "h", "", "running", {}, []) for name in ("runs", "killed"))
    statuses = SimpleNamespace(parts=lambda: [Seen(killed, now - DEAD_AFTER_S - 60), Seen(runs, now)])
    app: Any = SimpleNamespace(config=load(None, {}))
    made = mocker.patch("clickstream.history.history.History")
    dashboard._history(app, mocker.Mock(), mocker.Mock(), None)(cast(Any, statuses))
    assert made.call_args.kwargs["statuses"]() == [runs]


def test_a_file_to_draw_is_checked_before_anything_is_started(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.sql"
    bad.write_text("SELEKT 1;")
    done = run("ui", str(bad))
    assert done.code == 1
    assert "SELEKT" in done.err


def test_a_file_is_drawn_as_if_it_ran() -> None:
    path = Path(__file__).parents[3] / "config" / "tables" / "vip.sql"
    found = ui._shown(path)
    assert (found.name, found.sql) == (str(path), path.read_text())
    assert [one["name"] for one in found.plan["inserts"]] == ["vip_action"]
