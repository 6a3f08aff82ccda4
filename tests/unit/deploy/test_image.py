"""The Dockerfile, as far as it can be checked without a Docker engine."""

import json
import re
import shlex

import pytest

from clickstream.config import SETTINGS
from docs.generate import ROOT
from tests.unit.commandlines import environment_problem

TEXT = (ROOT / "Dockerfile").read_text("utf-8")
# Each instruction on a line of its own, without comments.
LINES = re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
LAST = LINES[max(number for number, line in enumerate(LINES) if line.startswith("FROM ")) :]


def said(instruction: str) -> list[str]:
    """What follows it in the last stage."""
    return [line.removeprefix(f"{instruction} ").strip() for line in LAST if line.startswith(f"{instruction} ")]


def variables() -> dict[str, str]:
    return dict(word.split("=", 1) for line in said("ENV") for word in shlex.split(line))


@pytest.mark.parametrize(
    "name", ["clickstream", "config", "pyproject.toml", "requirements.txt", "README.md", "LICENSE"]
)
def test_the_build_context_has_what_the_package_is_built_from(name: str) -> None:
    assert f"!{name}" in (ROOT / ".dockerignore").read_text().splitlines()
    assert (ROOT / name).exists()


def test_every_stage_has_the_same_python_which_the_package_takes() -> None:
    stages = [line for line in LINES if line.startswith("FROM ")]
    (version,) = {re.fullmatch(r"FROM (python:3\.\d+-slim)( AS \w+)?", line)[1] for line in stages}  # type: ignore[index]
    required = re.search(r'^requires-python = ">=3\.(\d+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert required is not None
    assert int(re.findall(r"\d+", version)[1]) >= int(required[1])


def test_nothing_is_built_or_downloaded_in_the_last_stage() -> None:
    assert not re.search(r"\b(pip|apt-get|curl|wget|gcc)\b", " ".join(LAST))
    assert said("COPY") == ["--from=build /opt/clickstream /opt/clickstream"]


def test_every_package_is_installed_with_its_sum_or_from_here() -> None:
    installs = [part for line in LINES for part in line.split("&&") if "pip install" in part]
    assert installs
    assert [one for one in installs if "--require-hashes" not in one and "--no-index" not in one] == []


def test_it_runs_as_a_number_that_is_not_root() -> None:
    (user,) = said("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    made = " ".join(said("RUN"))
    assert f"--uid {user.split(':')[0]} --gid {user.split(':')[1]}" in made
    assert f"--owner {user.split(':')[0]}" in made


def test_its_variables_are_read() -> None:
    assert environment_problem(variables()) is None


def test_the_health_check_asks_where_metrics_are_served() -> None:
    (check,) = said("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    found = variables()
    assert found["HEALTH_URL"] == f"http://127.0.0.1:{found['CLICKSTREAM_METRICS_PORT']}/metrics"
    compile(command[2], "HEALTHCHECK", "exec")
    assert "os.environ['HEALTH_URL']" in command[2]


def test_the_ports_that_it_speaks_of_are_the_defaults() -> None:
    assert set(re.findall(r":(\d+)/healthz", TEXT)) == {
        str(SETTINGS[f"{name}.port"].default) for name in ("collect", "ui")
    }
