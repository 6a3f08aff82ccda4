"""The systemd unit and the Ansible role, by what systemd and our commands take; the role runs in a slow test."""

import shlex
import shutil
import subprocess
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
DEFAULTS: dict[str, Any] = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text("utf-8"))
PARTS: dict[str, dict[str, Any]] = DEFAULTS["clickstream_parts"]


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
    delays = [options(part["arguments"].split()).get("drain-delay", "0s") for part in PARTS.values()]
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


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_a_command_with_variables_that_are_read(name: str) -> None:
    assert problem(shlex.split(PARTS[name]["arguments"])) is None
    assert environment_problem(PARTS[name]["environment"]) is None


def test_every_part_has_a_port_of_its_own_for_metrics() -> None:
    ports = [part["environment"]["CLICKSTREAM_METRICS_PORT"] for part in PARTS.values()]
    assert len(set(ports)) == len(ports)


def rendered(template: str, **variables: Any) -> dict[str, str]:
    """The variables of a file that systemd reads."""
    text = (ROLE / "templates" / template).read_text("utf-8")
    written = jinja2.Template(text, trim_blocks=True, undefined=jinja2.StrictUndefined).render(**variables)
    return dict(word.split("=", 1) for word in shlex.split(written, comments=True))


def test_values_reach_the_part_as_they_are() -> None:
    odd = 'a "quoted" \\ value'
    item = {"key": "counter", "value": {"arguments": "run-counter --quiet", "environment": {"CLICKSTREAM_X": odd}}}
    assert rendered("part.j2", item=item) == {"ARGUMENTS": "run-counter --quiet", "CLICKSTREAM_X": odd}


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
    tasks = yaml.safe_load((ROLE / "tasks" / "main.yml").read_text("utf-8"))
    silent = {task["name"] for task in tasks if task.get("no_log")}
    assert silent == {"Write client.properties, for the user alone", "Write the arguments and variables of each part"}
    (secret,) = [task for task in tasks if task["name"].startswith("Write client.properties")]
    assert secret["ansible.builtin.copy"]["mode"] == "0600"
