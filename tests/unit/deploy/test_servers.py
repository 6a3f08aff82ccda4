"""The systemd unit and the Ansible role, by what systemd and our commands take; the role runs in a slow test."""

import shlex
import shutil
import subprocess
from itertools import takewhile
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml  # type: ignore[import-untyped]

from clickstream.cli.options import DRAIN_BY_SIGNAL_S
from docs.generate import ROOT
from tests.support import PATIENCE
from tests.unit.commandlines import environment_problem, options, problem

UNIT = ROOT / "deploy" / "systemd" / "clickstream@.service"
ROLE = ROOT / "deploy" / "ansible" / "roles" / "clickstream"
TASKS: list[dict[str, Any]] = yaml.safe_load((ROLE / "tasks" / "main.yml").read_text("utf-8"))
DEFAULTS: dict[str, Any] = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text("utf-8"))
EXAMPLE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "ansible" / "inventory.example.yml").read_text("utf-8"))
# What each server of the example runs, by the name of the part.
SERVERS: dict[str, dict[str, dict[str, Any]]] = {
    host: {**DEFAULTS, **(own or {})}["clickstream_parts"] for host, own in EXAMPLE["clickstream"]["hosts"].items()
}
PARTS = [pytest.param(part, id=f"{host}-{name}") for host, parts in SERVERS.items() for name, part in parts.items()]


def settings(text: str) -> dict[str, list[str]]:
    """The values of each key of a unit, in their order."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


SAID = settings(UNIT.read_text("utf-8"))


# --- the unit


def test_systemd_knows_every_key(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd is here")
    text = UNIT.read_text("utf-8").replace("/opt/clickstream/venv/bin/clickstream", "/bin/true")
    (tmp_path / UNIT.name).write_text(text, "utf-8")
    command = ["systemd-analyze", "verify", str(tmp_path / "clickstream@counter.service")]
    environment = {"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60 * PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_variables_of_the_unit_are_read() -> None:
    found = dict(word.split("=", 1) for line in SAID["Environment"] for word in shlex.split(line))
    assert environment_problem({name: value.replace("%i", "counter") for name, value in found.items()}) is None
    assert found["CLICKSTREAM_STATE_DIR"] == f"/var/lib/{SAID['StateDirectory'][0]}"
    assert found["CLICKSTREAM_CACHE_DIR"] == f"/var/cache/{SAID['CacheDirectory'][0]}"


def test_parts_have_time_to_drain() -> None:
    parts = [part for parts in SERVERS.values() for part in parts.values()]
    delays = [options(part["arguments"].split()).get("drain-delay", "0s") for part in parts]
    longest = max(float(delay.removesuffix("s")) for delay in delays)
    assert int(SAID["TimeoutStopSec"][0]) >= max(DRAIN_BY_SIGNAL_S.values()) + longest


def test_a_wrong_configuration_is_not_tried_for_ever() -> None:
    assert (SAID["Restart"], SAID["RestartPreventExitStatus"]) == (["on-failure"], ["2"])


def test_a_part_has_no_rights_and_writes_only_its_own_folders() -> None:
    assert SAID["User"] == ["clickstream"]
    assert SAID["CapabilityBoundingSet"] == [""]
    assert SAID["ProtectSystem"] == ["strict"]
    assert "ReadWritePaths" not in SAID
    for key in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictSUIDSGID"):
        assert SAID[key] == ["yes"]


# --- what the role writes


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_a_command_with_variables_that_are_read(part: dict[str, Any]) -> None:
    assert problem(shlex.split(part["arguments"])) is None
    assert environment_problem(part["environment"]) is None


@pytest.mark.parametrize("host", SERVERS)
def test_every_part_of_a_server_has_a_port_of_its_own_for_metrics(host: str) -> None:
    ports = [part["environment"]["CLICKSTREAM_METRICS_PORT"] for part in SERVERS[host].values()]
    assert len(set(ports)) == len(ports)


def tables_of(arguments: str) -> list[str]:
    """The files of `tables run FILE...`, which stand before its options."""
    words = shlex.split(arguments)
    if words[:2] != ["tables", "run"]:
        return []
    return list(takewhile(lambda word: not word.startswith("-"), words[2:]))


def test_the_tables_of_a_file_run_on_one_server_alone() -> None:
    files = [file for parts in SERVERS.values() for part in parts.values() for file in tables_of(part["arguments"])]
    assert len(SERVERS) > 1
    assert files == ["clickstream"]


def test_a_server_that_was_given_no_parts_runs_those_that_can_be_shared() -> None:
    commands = {part["arguments"].split()[0] for part in DEFAULTS["clickstream_parts"].values()}
    assert commands == {"run-counter", "collect"}


def task(name: str) -> tuple[int, dict[str, Any]]:
    """Its place, and what it does."""
    (found,) = [(place, one) for place, one in enumerate(TASKS) if one["name"] == name]
    return found


def test_topics_are_made_by_one_server_before_parts_start() -> None:
    made, creating = task("Make the topics that are missing")
    assert made < task("Restart what has changed")[0] < task("Enable and start the parts")[0]
    assert made > task("Write client.properties, for the user alone")[0]
    assert creating["run_once"]
    words = shlex.split(creating["ansible.builtin.command"]["cmd"])
    assert words[0] in SAID["ExecStart"][0].split()
    assert problem(words[1:]) is None


def test_a_wheel_counts_as_installed_once_all_went_well() -> None:
    compared, comparing = task("Compare it with the wheel that was installed")
    noted, noting = task("Note which wheel is installed")
    assert compared < task("Install the wheel")[0] < task("Restart what has changed")[0] < noted
    assert comparing["check_mode"]
    assert comparing["ansible.builtin.copy"] == noting["ansible.builtin.copy"]


def rendered(template: str, **variables: Any) -> dict[str, str]:
    """The variables of a file that systemd reads."""
    text = (ROLE / "templates" / template).read_text("utf-8")
    written = jinja2.Template(text, trim_blocks=True, undefined=jinja2.StrictUndefined).render(**variables)
    return dict(word.split("=", 1) for word in shlex.split(written, comments=True))


def test_values_reach_the_part_as_they_are() -> None:
    odd = 'a "quoted" \\ value'
    arguments = "query \"SELECT '\\d'\" --quiet"
    item = {"key": "counter", "value": {"arguments": arguments, "environment": {"CLICKSTREAM_X": odd}}}
    assert rendered("part.j2", item=item) == {"ARGUMENTS": arguments, "CLICKSTREAM_X": odd}


@pytest.mark.parametrize("properties", ["", "security.protocol=SSL"])
def test_all_parts_know_the_way_to_kafka(properties: str) -> None:
    found = rendered(
        "environment.j2",
        clickstream_bootstrap_servers="one:9092,two:9092",
        clickstream_client_properties=properties,
        clickstream_environment={"CLICKSTREAM_DEAD_LETTER_TOPIC": "dead"},
    )
    assert environment_problem(found) is None
    assert found["KAFKA_BOOTSTRAP_SERVERS"] == "one:9092,two:9092"
    assert ("CLICKSTREAM_KAFKA_CONFIG" in found) == bool(properties)


def test_tasks_that_see_secrets_say_nothing() -> None:
    silent = {one["name"] for one in TASKS if one.get("no_log")}
    assert silent == {"Write client.properties, for the user alone", "Write the arguments and variables of each part"}
    _, secret = task("Write client.properties, for the user alone")
    assert secret["ansible.builtin.copy"]["mode"] == "0600"
