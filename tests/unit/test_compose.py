"""compose.yaml and its image, as far as they can be checked without a Docker engine."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner

from clickstream.cli import clickstream
from clickstream.kafka.properties import from_environment

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
THEIRS = {name: service for name, service in SERVICES.items() if "build" not in service}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_waits_for_something_that_can_come_true(name: str) -> None:
    for awaited, wait in SERVICES[name].get("depends_on", {}).items():
        match wait["condition"]:
            case "service_healthy":
                assert "healthcheck" in SERVICES[awaited]
            case "service_completed_successfully":
                assert "restart" not in SERVICES[awaited]
            case other:
                pytest.fail(f"{name} waits for {awaited} to be {other}")


def test_ports_are_published_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []


@pytest.mark.parametrize("name", THEIRS)
def test_images_of_others_are_of_one_version(name: str) -> None:
    versions = {service["image"].rpartition(":")[2] for service in THEIRS.values()}
    assert len(versions) == 1
    assert re.fullmatch(r"\d+\.\d+\.\d+", versions.pop())


# --- our services


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_a_command_that_exists(name: str) -> None:
    result = CliRunner().invoke(clickstream, [*OURS[name]["command"], "--help"])
    assert result.exit_code == 0, result.output


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    result = CliRunner().invoke(clickstream, ["run-producer", "--no-such-option", "--help"])
    assert result.exit_code == 2


@pytest.mark.parametrize("name", OURS)
def test_our_services_set_properties_that_the_client_knows(name: str) -> None:
    environment = OURS[name]["environment"]
    assert from_environment(environment) == {"bootstrap.servers": "kafka:9092"}
    assert len(environment) == 1


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
        for service in THEIRS.values()
        for variable, value in service["environment"].items()
        if variable.endswith(("REPLICATION_FACTOR", "REPLICAS", "MIN_ISR"))
    }
    assert len(asked) >= 6
    assert set(asked.values()) == {1}


# --- the image


@pytest.mark.parametrize(
    "name", ["clickstream", "config", "pyproject.toml", "requirements.txt", "README.md", "LICENSE"]
)
def test_the_build_context_has_what_the_package_is_built_from(name: str) -> None:
    assert f"!{name}" in (ROOT / ".dockerignore").read_text().splitlines()
    assert (ROOT / name).exists()


def test_the_image_has_a_python_that_the_package_takes() -> None:
    version = re.search(r"^FROM python:3\.(\d+)-slim$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    required = re.search(r'^requires-python = ">=3\.(\d+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert required is not None
    assert int(version[1]) >= int(required[1])


# --- the documentation

DOCUMENT = (ROOT / "docs" / "control-center.md").read_text("utf-8")


def test_the_documentation_names_the_images_and_ports_of_the_file() -> None:
    for service in THEIRS.values():
        assert service["image"] in DOCUMENT
        for port in service["ports"]:
            assert port.split(":")[1] in DOCUMENT


@pytest.mark.parametrize("line", re.findall(r"^\$ bin/(.+?) *(?:#.*)?$", DOCUMENT, re.MULTILINE))
def test_the_documented_commands_exist(line: str) -> None:
    result = CliRunner().invoke(clickstream, [*line.removeprefix("clickstream ").split(), "--help"])
    assert result.exit_code == 0, result.output
