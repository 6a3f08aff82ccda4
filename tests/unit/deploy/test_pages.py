"""What docs/deploy tells people to type is what there is."""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise

import pytest
import yaml  # type: ignore[import-untyped]

from clickstream.config import ENVIRONMENT_NOT_SETTINGS, SETTINGS
from clickstream.variables import OPTIONS, variable_of
from docs.capacity import LOADS, RATES, capacity
from docs.generate import ROOT
from tests.unit.commandlines import environment_problem, problem
from tests.unit.deploy.test_compose import FILE, PORT, PROFILES, SERVICES
from tests.unit.deploy.test_kubernetes import PLAIN

FOLDER = ROOT / "docs" / "deploy"
PAGES = [pytest.param(path.read_text("utf-8"), id=path.name) for path in sorted(FOLDER.glob("*.md"))]
ALL = "\n".join(path.read_text("utf-8") for path in sorted(FOLDER.glob("*.md")))
COMPOSE, SERVERS = ((FOLDER / name).read_text("utf-8") for name in ("docker-compose.md", "servers.md"))


def typed(text: str, command: str) -> Iterator[list[str]]:
    """The words after `command`, wherever it stands in a block for a shell."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            for part in re.split(r"&&|\|", line.strip().lstrip("$# ")):
                if part.strip().startswith(f"{command} "):
                    yield shlex.split(part, comments=True)[len(command.split()) :]


# --- Docker Compose


def test_profiles_and_services_that_are_typed_exist() -> None:
    lines = list(typed(COMPOSE, "docker compose"))
    assert len(lines) > 4
    for words in lines:
        chosen = {value for name, value in pairwise(words) if name == "--profile"}
        assert chosen <= {*PROFILES, "kafka"}
        if words[0] in ("exec", "run"):
            assert next(word for word in words[1:] if not word.startswith("-")) in SERVICES


def test_commands_that_run_in_a_container_exist() -> None:
    lines = [words for words in typed(COMPOSE, "docker compose") if words[0] == "run"]
    assert lines
    for words in lines:
        assert problem(words[words.index("counter") + 1 :]) is None


def test_the_table_of_profiles_has_all_of_them() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|.*GB \|$", COMPOSE, re.MULTILINE)
    assert set(rows) == {*PROFILES, "kafka"}


def test_ports_that_are_named_are_published() -> None:
    published = {PORT.fullmatch(port)[1] for one in SERVICES.values() for port in one.get("ports", [])}  # type: ignore[index]
    named = set(re.findall(r"(?:localhost|127\.0\.0\.1):(\d+)", COMPOSE))
    assert named <= published
    assert published - named == {"9021"} - named


def test_every_secret_is_in_the_table() -> None:
    asked = set(re.findall(r"\$\{(\w+):-", yaml.safe_dump(FILE)))
    assert asked == set(re.findall(r"`([A-Z]+_[A-Z_]*(?:PASSWORD|KEY))`", COMPOSE))


# --- Kubernetes


def test_folders_and_objects_that_are_typed_exist() -> None:
    names = {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in PLAIN}
    lines = list(typed(ALL, "kubectl"))
    assert len(lines) > 4
    for words in lines:
        folders = [value for name, value in pairwise(words) if name == "-k"]
        assert [one for one in folders if not (ROOT / one / "kustomization.yaml").exists()] == []
        assert {word for word in words if re.match(r"(service|statefulset|deployment)/", word)} <= names


def test_the_table_of_parts_has_all_of_them() -> None:
    text = (FOLDER / "kubernetes.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(clickstream-[\w-]+)` \| (\w+)", text, re.MULTILINE))
    base = {
        one["metadata"]["name"]: one["kind"] for one in PLAIN if one["kind"] in ("Deployment", "StatefulSet", "Job")
    }
    assert rows.items() <= base.items()
    assert base.keys() - rows.keys() == {"clickstream-producer", "clickstream-generator"}, "of the overlay local"


# --- servers


def test_parts_that_are_shown_would_run() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", SERVERS, re.DOTALL)
    parts = yaml.safe_load(block)["clickstream_parts"]
    assert parts
    for part in parts.values():
        assert problem(shlex.split(part["arguments"])) is None
        assert environment_problem(part["environment"]) is None


def test_files_that_are_shown_would_be_read() -> None:
    (block,) = re.findall(r"```ini\n(.*?)```", SERVERS, re.DOTALL)
    found = dict(word.split("=", 1) for word in shlex.split(block, comments=True))
    assert problem(shlex.split(found["ARGUMENTS"])) is None
    assert environment_problem(found) is None


def test_topics_are_made_by_hand_with_a_command_that_exists() -> None:
    (creating,) = [words for words in typed(SERVERS, "/opt/clickstream/venv/bin/clickstream") if "create" in words]
    assert creating[:2] == ["topics", "create"]
    assert problem(creating) is None


# --- all pages


@pytest.mark.parametrize("text", PAGES)
def test_variables_that_are_named_are_read(text: str) -> None:
    known = {variable_of(name) for name in (*SETTINGS, *OPTIONS)} | ENVIRONMENT_NOT_SETTINGS
    # Those of Grafana are filled in by it, in the files of deploy/grafana/provisioning; Superset's file reads its own.
    assert set(re.findall(r"\bCLICKSTREAM_(?!GRAFANA_|SUPERSET_)[A-Z_]+\b", text)) - known == set()


@pytest.mark.parametrize("text", PAGES)
def test_files_that_are_named_are_there(text: str) -> None:
    named = set(re.findall(r"(?<!docs/)\bdeploy/[\w./@-]*\w", text))
    assert [one for one in named if not (ROOT / one).exists()] == []


# --- the table of capacities: that it is fresh is tested with every other generated block


def measurements(rate: str, cost: str) -> str:
    """Tables as docs/measurements.md has them, in which every row says the same."""
    columns = {"CPU us per request": cost, "CPU us per event": cost, "CPU s per M events": cost}
    rows = {row for load in LOADS for row in (load.row, load.limit or load.row)}
    header = ["", *columns, "events/s", "peak MB"]
    lines = [header, ["---"] * len(header), *([row, *columns.values(), rate, "100"] for row in sorted(rows))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def test_a_process_is_planned_at_half_and_the_rest_follows() -> None:
    rows = [line.split(" | ") for line in capacity(measurements("8,000", "50")).splitlines()]
    counter = next(row for row in rows if row[0] == "| counter")
    assert counter[1:5] == ["50.0", "8,000", "4,000", "100"]
    assert counter[5] == "0.50"
    assert [cell.rstrip(" |") for cell in counter[6:]] == ["1", "3", "13"]
    assert RATES == (1_000, 10_000, 50_000)


def test_what_is_one_process_is_not_told_to_be_three() -> None:
    rows = capacity(measurements("8,000", "50")).splitlines()
    tables = next(row for row in rows if row.startswith("| tables, all windowed |"))
    assert tables.endswith("| 1 | too much for one | too much for one |")


def test_a_row_that_is_gone_is_noticed() -> None:
    with pytest.raises(ValueError, match="no row"):
        capacity("| | CPU us per event |\n|---|---|\n| other | 1 |\n")
