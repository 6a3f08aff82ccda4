"""The package as a user installs it: built, into an environment of its own, used from another folder."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream.shipped import tables
from tests.integration.support import ROOT, environment_of_a_command
from tests.support import PATIENCE, missing

# Packages are downloaded, half a gigabyte of them.
pytestmark = pytest.mark.timeout(1200 * PATIENCE)
INSTALLING_S = 1000 * PATIENCE
RUNNING_S = 240 * PATIENCE


class Installed:
    """An environment with the package in it; its commands run in an empty folder, without Kafka's address."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "venv" / "bin"
        self.folder = root / "elsewhere"
        self.folder.mkdir()

    def install(self, what: str) -> None:
        pip = [str(self.bin / "pip"), "install", "--quiet", "--no-compile", "--disable-pip-version-check", what]
        done = subprocess.run(pip, cwd=self.folder, capture_output=True, text=True, check=False, timeout=INSTALLING_S)
        if done.returncode != 0:
            missing(f"cannot install {what}: {done.stderr[-500:]}")

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        cache = {name: os.environ[name] for name in ("CLICKSTREAM_CACHE_DIR", "CLICKSTREAM_JAVA") if name in os.environ}
        own = {"CLICKSTREAM_STATE_DIR": str(self.root / "state")}
        return subprocess.run(
            [self.bin / "clickstream", *arguments],
            cwd=self.folder,
            env=environment_of_a_command({**cache, **own, **environment}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=RUNNING_S,
        )


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Without extras."""
    made = Installed(tmp_path_factory.mktemp("installed"))
    subprocess.run([sys.executable, "-m", "venv", made.root / "venv"], check=True)
    made.install(str(ROOT))
    yield made
    made.run("broker", "stop", "--force")


@pytest.fixture(scope="module")
def whole(light: Installed) -> Installed:
    """The same one, with the tables; tests that need it without come before."""
    light.install(f"{ROOT}[tables]")
    return light


def ran_well(done: "subprocess.CompletedProcess[str]") -> bool:
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return True


def test_it_does_not_run_from_the_checkout(light: Installed) -> None:
    code = "import clickstream; print(clickstream.__file__)"
    told = subprocess.run(
        [light.bin / "python", "-c", code], cwd=light.folder, capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith(str(light.root))


@pytest.mark.parametrize("command", [("demo",), ("tables", "run", "clickstream"), ("tables", "check", "vip")])
def test_without_the_extra_it_says_what_to_install_before_anything_starts(
    light: Installed, command: tuple[str, ...]
) -> None:
    done = light.run(*command)
    assert done.returncode == 2
    assert "pip install 'clickstream[tables]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (light.root / "state").exists()


def test_without_its_extra_the_dashboard_says_what_to_install(light: Installed) -> None:
    done = light.run("ui")
    assert done.returncode == 2
    assert "pip install 'clickstream[ui]'" in done.stderr
    assert not (light.root / "state").exists()


def test_the_pages_and_the_files_of_others_travel_with_it(light: Installed) -> None:
    [static] = light.root.glob("venv/lib/python*/site-packages/clickstream/ui/static")
    ours = ROOT / "clickstream" / "ui" / "static"
    assert {path.relative_to(static): path.read_bytes() for path in static.rglob("*") if path.is_file()} == {
        path.relative_to(ours): path.read_bytes() for path in ours.rglob("*") if path.is_file()
    }


def test_the_heart_needs_no_extra(light: Installed) -> None:
    done = light.run("demo", "--only", "heart", "--duration", "3", CLICKSTREAM_RUN_PRODUCER_RATE="200")
    assert ran_well(done)


def test_the_declared_topics_travel_with_it(light: Installed) -> None:
    assert ran_well(light.run("topics", "create"))
    assert "clickstream_codes" in light.run("topics", "list").stdout
    assert "of 10 GB (" in light.run("status").stdout


def test_shipped_files_by_name(whole: Installed) -> None:
    for name in tables():
        done = whole.run("tables", "check", name)
        assert ran_well(done)
        assert done.stdout.startswith(str(whole.root))
    done = whole.run("tables", "check", "clickstraem")
    assert done.returncode == 2
    assert all(name in done.stderr for name in tables())


def test_a_shipped_file_runs(whole: Installed) -> None:
    assert ran_well(whole.run("generate", "web", "--count", "500", "--rate", "max"))
    done = whole.run("tables", "run", "clickstream", "--exit-at-end")
    assert ran_well(done)
    assert "Read 500 rows" in done.stdout + done.stderr


def test_the_whole_demo(whole: Installed) -> None:
    done = whole.run("demo", "--duration", "5")
    assert ran_well(done)
    assert "Tables: " in done.stdout


def test_documents_that_messages_point_to_are_there(whole: Installed) -> None:
    (whole.folder / "odd.sql").write_text("SET 'zzz' = 'b';\n")
    done = whole.run("tables", "check", "odd.sql")
    assert done.returncode == 1
    named = [word.strip("().") for word in done.stderr.split() if word.rstrip(".").endswith(".md")]
    assert len(named) >= 2
    for path in named:
        assert Path(path).is_absolute()
        assert "# " in Path(path).read_text("utf-8")


def test_clean_is_refused_while_kafka_runs_and_then_leaves_nothing(whole: Installed) -> None:
    cache = {"CLICKSTREAM_CACHE_DIR": str(whole.root / "cache")}  # the downloads of other tests stay
    assert ran_well(whole.run("broker", "start"))
    refused = whole.run("clean", "--yes", **cache)
    assert refused.returncode == 1
    assert "clickstream broker stop" in refused.stderr
    assert ran_well(whole.run("broker", "stop"))
    done = whole.run("clean", "--yes", **cache)
    assert ran_well(done)
    assert "records and logs of the embedded Kafka" in done.stdout
    assert "states of tables" in done.stdout
    assert not (whole.root / "state").exists()
