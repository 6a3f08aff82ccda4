"""compose.yaml, as far as it can be checked without a Docker engine."""

import base64
import json
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner

from clickstream.cli import clickstream
from clickstream.config import SETTINGS
from deploy.compose import visitors
from docs.generate import ROOT
from tests.support import PATIENCE
from tests.unit.collect.sent import NOON, intake, post
from tests.unit.commandlines import environment_problem, options, problem
from tests.unit.deploy.test_image import variables

FILE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") == "clickstream"}
# Those that run `clickstream`: all but the one that sends the collector what visitors do.
PARTS = {name: service for name, service in OURS.items() if "entrypoint" not in service}
THEIRS = {name: service for name, service in SERVICES.items() if "build" not in service}
CONFLUENT = {name: service for name, service in THEIRS.items() if service["image"].startswith("confluentinc/")}
PROFILES = ("control-center", "dashboard", "postgres", "superset", "grafana", "opensearch", "druid", "everything")
SCHEMA = Path(__file__).parent / "vendor" / "compose-spec.json"
PORT = re.compile(r"127\.0\.0\.1:(\d+):(\d+)")


def profiles(name: str) -> list[str]:
    """In which it starts; none: in all of them."""
    found: list[str] = SERVICES[name].get("profiles", [])
    return found


def started(profile: str) -> set[str]:
    return {name for name in SERVICES if not profiles(name) or profile in profiles(name)}


def test_it_is_what_the_specification_says() -> None:
    jsonschema.validate(FILE, json.loads(SCHEMA.read_text("utf-8")))


def test_a_misspelt_key_would_be_noticed() -> None:
    wrong = {"services": {"one": {"image": "one", "stop_grace_periode": "30s"}}}

    with pytest.raises(jsonschema.ValidationError, match="stop_grace_periode"):
        jsonschema.validate(wrong, json.loads(SCHEMA.read_text("utf-8")))


# --- profiles


def test_there_is_a_profile_for_each_purpose() -> None:
    assert {one for name in SERVICES for one in profiles(name)} == set(PROFILES)
    assert started("everything") == set(SERVICES)


def test_without_a_profile_the_documented_services_start() -> None:
    given = dict(line.split("=") for line in (ROOT / ".env").read_text().splitlines() if not line.startswith("#"))

    assert given.keys() == {"COMPOSE_PROFILES"}, "no secrets in the repository"
    assert started(given["COMPOSE_PROFILES"]) == {"kafka", "control-center", "topics", "producer", "counter"}


@pytest.mark.parametrize("profile", [*PROFILES, "kafka"])
def test_what_a_service_waits_for_starts_with_it(profile: str) -> None:
    awaited = {one for name in started(profile) for one in SERVICES[name].get("depends_on", {})}

    assert awaited - started(profile) == set()


# --- all services


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_waits_for_something_that_can_come_true(name: str) -> None:
    for awaited, wait in SERVICES[name].get("depends_on", {}).items():
        match wait["condition"]:
            case "service_healthy":
                assert has_healthcheck(awaited)
            case "service_completed_successfully":
                assert "restart" not in SERVICES[awaited]
            case "service_started":
                assert awaited == "zookeeper"  # its image has nothing to ask it with
            case other:
                pytest.fail(f"{name} waits for {awaited} to be {other}")


def has_healthcheck(name: str) -> bool:
    """Of its own, or of our image."""
    own = SERVICES[name].get("healthcheck")
    return not own.get("disable", False) if own else name in OURS


def test_ports_are_published_on_this_machine_only_and_each_once() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not PORT.fullmatch(port)] == []
    assert len({port.split(":")[1] for port in ports}) == len(ports)


@pytest.mark.parametrize("name", THEIRS)
def test_images_of_others_have_a_version(name: str) -> None:
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?", SERVICES[name]["image"].rpartition(":")[2])


def test_images_that_belong_together_are_of_one_version() -> None:
    for maker in ("confluentinc/", "opensearchproject/", "apache/druid", "postgres"):
        images = [service["image"] for service in THEIRS.values() if service["image"].startswith(maker)]
        assert len(images) > 1
        assert len({image.rpartition(":")[2] for image in images}) == 1


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_secret_comes_from_outside(name: str) -> None:
    found = {
        variable: value
        for variable, value in SERVICES[name].get("environment", {}).items()
        if re.search("PASSWORD|SECRET|TOKEN", variable, re.IGNORECASE)
    }
    assert [one for one in found.values() if not re.fullmatch(r"\$\{\w+:-(admin)?\}", one)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_volume_is_declared_and_every_file_is_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        if (
            source.startswith(("./deploy/grafana", "./deploy/prometheus"))
            and not (ROOT / "deploy" / "grafana").exists()
        ):
            pytest.skip("the dashboards are not in this checkout")
        assert (ROOT / source).exists() if source.startswith(".") else source in FILE["volumes"]


def test_grafana_is_told_what_its_files_ask_for() -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    if not folder.exists():
        pytest.skip("the dashboards are not in this checkout")
    asked = {name for path in folder.rglob("*.yml") for name in re.findall(r"\$(\w+)", path.read_text("utf-8"))}
    told = {name for name in SERVICES["grafana"]["environment"] if not name.startswith("GF_")}
    assert asked == told


# --- our services


@pytest.mark.parametrize("name", PARTS)
def test_our_services_run_a_command_that_exists(name: str) -> None:
    assert problem(PARTS[name]["command"]) is None


@pytest.mark.parametrize("name", PARTS)
def test_our_services_set_variables_that_are_read(name: str) -> None:
    environment = PARTS[name]["environment"]
    assert environment["KAFKA_BOOTSTRAP_SERVERS"] == "kafka:9092"
    assert environment_problem(environment) is None


@pytest.mark.parametrize("name", [name for name in OURS if "ports" in OURS[name]])
def test_our_ports_are_those_that_the_command_listens_on(name: str) -> None:
    command = OURS[name]["command"]
    port = str(SETTINGS[f"{command[0]}.port"].default)
    assert OURS[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert options(command)["host"] == "0.0.0.0", "from outside of the container"
    assert OURS[name]["environment"]["HEALTH_URL"] == f"http://127.0.0.1:{port}/healthz"


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_no_rights_and_time_to_drain(name: str) -> None:
    service = OURS[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    takes_longer = service["command"][0] in ("collect", "sink", "tables")  # docs/deploy/index.md
    assert service["stop_grace_period"] == ("60s" if takes_longer else "30s")


def test_prometheus_asks_every_part_where_it_serves_metrics() -> None:
    (job,) = yaml.safe_load(FILE["configs"]["prometheus"]["content"])["scrape_configs"]
    asked = {name: one["port"] for one in job["dns_sd_configs"] for name in one["names"]}
    assert asked.keys() == PARTS.keys() - {"topics"}
    assert set(asked.values()) == {int(variables()["CLICKSTREAM_METRICS_PORT"])}


@pytest.mark.parametrize("name", ["tables", "collector", "ui"])
def test_what_has_a_state_has_a_volume_of_its_own(name: str) -> None:
    (volume,) = OURS[name]["volumes"]
    source, _, path = volume.partition(":")
    assert path == "/var/lib/clickstream"
    assert [other for other in OURS if other != name and volume in OURS[other].get("volumes", [])] == []
    assert source in FILE["volumes"]


# --- visitors that are made up


def test_visitors_are_sent_to_every_collector() -> None:
    service = SERVICES["visitors"]
    assert profiles("visitors") == profiles("collector")
    (volume,) = service["volumes"]
    assert volume == f"./{Path(visitors.__file__).relative_to(ROOT)}:{service['entrypoint'][1]}:ro"
    assert service["command"] == [f"http://collector:{SETTINGS['collect.port'].default}"]


@pytest.mark.parametrize("seed", range(20))
def test_the_collector_takes_all_that_a_visitor_does_as_a_persons(seed: int) -> None:
    chance = random.Random(seed)
    one = visitors.newcomer(chance)
    sent = [one.next_event(chance, NOON + number) for number in range(20)]
    taken = intake().take(post(sent, headers={"user-agent": one.browser}))
    assert taken.refused == []
    events = [outgoing.event for outgoing in taken.events if outgoing.event is not None]
    assert [(event.visitor, event.sequence, event.bot) for event in events] == [
        (one.name, number, None) for number in range(20)
    ]
    assert {event.event for event in events} <= {"pageview", "purchase"}
    assert events[0].event == "pageview"


# --- Superset


def starting_superset(tmp_path: Path, password: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """How its command ends, and what it had Superset do, which is a program here that says it."""
    shell, option, script = SERVICES["superset"]["command"]
    asked = tmp_path / "asked"
    for name in ("superset", "python"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {asked}\n', "utf-8")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [shell, option, script.replace("$$", "$").replace("exec /usr/bin/run-server.sh", "exec true")],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "SUPERSET_ADMIN_PASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
        timeout=60 * PATIENCE,
    )
    return done, asked.read_text("utf-8").splitlines() if asked.exists() else []


def test_superset_without_a_password_for_its_user_is_refused_with_words(tmp_path: Path) -> None:
    done, asked = starting_superset(tmp_path, "")
    assert (done.returncode, asked) == (1, [])
    assert "SUPERSET_ADMIN_PASSWORD is empty" in done.stderr


def test_the_password_of_supersets_user_is_the_one_given_also_when_the_user_exists(tmp_path: Path) -> None:
    done, asked = starting_superset(tmp_path, "a secret")
    assert done.returncode == 0, done.stderr
    assert [line.split(" --")[0] for line in asked] == [
        "superset db upgrade",
        "superset fab create-admin",
        "superset fab reset-password",
        "superset init",
        "python /clickstream/load.py",
    ]
    assert asked[2].endswith("--username admin --password a secret")


# --- the broker


def listeners(variable: str) -> dict[str, str]:
    """NAME://host:port,... as {NAME: host:port}."""
    return dict(part.split("://") for part in SERVICES["kafka"]["environment"][variable].split(","))


def test_the_broker_is_advertised_where_its_clients_look_for_it() -> None:
    advertised = listeners("KAFKA_ADVERTISED_LISTENERS")
    assert advertised["PLAINTEXT"] == "kafka:9092"
    host, _, port = advertised["PLAINTEXT_HOST"].rpartition(":")
    assert SERVICES["kafka"]["ports"] == [f"{host}:{port}:{port}"]
    assert SERVICES["control-center"]["environment"]["CONTROL_CENTER_BOOTSTRAP_SERVERS"] == advertised["PLAINTEXT"]


def test_the_broker_listens_where_it_is_advertised() -> None:
    bound, advertised = listeners("KAFKA_LISTENERS"), listeners("KAFKA_ADVERTISED_LISTENERS")
    ports = {name: address.rpartition(":")[2] for name, address in bound.items()}
    assert {name: address.rpartition(":")[2] for name, address in advertised.items()}.items() <= ports.items()
    protocols = SERVICES["kafka"]["environment"]["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    assert {pair.partition(":")[0] for pair in protocols} == bound.keys()
    assert SERVICES["kafka"]["environment"]["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"1@{bound['CONTROLLER']}"


def test_the_cluster_id_is_a_kafka_uuid() -> None:
    """22 characters of URL-safe base64 without padding: org.apache.kafka.common.Uuid."""
    cluster_id = SERVICES["kafka"]["environment"]["CLUSTER_ID"]
    assert len(cluster_id) == 22
    assert len(base64.urlsafe_b64decode(cluster_id + "==")) == 16


def test_a_single_broker_is_asked_for_single_replicas() -> None:
    asked = {
        variable: value
        for service in CONFLUENT.values()
        for variable, value in service["environment"].items()
        if variable.endswith(("REPLICATION_FACTOR", "REPLICAS", "MIN_ISR"))
    }
    assert len(asked) >= 6
    assert set(asked.values()) == {1}


# --- the documentation

DOCUMENT = (ROOT / "docs" / "control-center.md").read_text("utf-8")


def test_the_documentation_names_the_images_and_ports_of_the_file() -> None:
    for service in CONFLUENT.values():
        assert service["image"] in DOCUMENT
        for port in service["ports"]:
            assert port.split(":")[1] in DOCUMENT


@pytest.mark.parametrize("line", re.findall(r"^\$ bin/(.+?) *(?:#.*)?$", DOCUMENT, re.MULTILINE))
def test_the_documented_commands_exist(line: str) -> None:
    result = CliRunner().invoke(clickstream, [*line.removeprefix("clickstream ").split(), "--help"])
    assert result.exit_code == 0, result.output
