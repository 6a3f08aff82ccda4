"""The manifests: by the schemas of Kubernetes, by what our commands take, and by what clusters expect of a good guest.

Overlays are built by `kustomize`, or `kubectl kustomize`, where one of them is there; nothing is sent to a cluster.
"""

import base64
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import kubernetes_validate
import pytest
import yaml  # type: ignore[import-untyped]

from clickstream.cli.options import DRAIN_BY_SIGNAL_S
from clickstream.config import SETTINGS
from clickstream.ui.access import MIN_CHARACTERS
from docs.generate import ROOT
from tests.dashboards import PROMETHEUS_IN_A_CLUSTER
from tests.support import PATIENCE
from tests.unit.commandlines import environment_problem, options, problem
from tests.unit.deploy.test_image import said, variables

FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("local", "production")
VERSIONS = ("1.31", "1.34")
# How Prometheus begins the names of what it knows of a pod.
POD = "__meta_kubernetes_pod"
Manifest = dict[str, Any]


def in_files(*folders: str) -> list[Manifest]:
    """What stands in the files, patches and kustomizations left out."""
    return [
        one
        for folder in folders
        for path in sorted((FOLDER / folder).glob("*.yaml"))
        if path.name not in ("kustomization.yaml", "sizes.yaml", "spread.yaml")
        for one in yaml.safe_load_all(path.read_text("utf-8"))
    ]


@cache
def built(folder: str) -> tuple[Manifest, ...]:
    """As kustomize builds it; skips the test where there is none."""
    tool = shutil.which("kustomize"), shutil.which("kubectl")
    if not any(tool):
        pytest.skip("neither kustomize nor kubectl is here")
    command = [str(tool[0]), "build"] if tool[0] else [str(tool[1]), "kustomize"]
    done = subprocess.run(
        [*command, str(FOLDER / folder)], capture_output=True, text=True, check=False, timeout=60 * PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


PLAIN = in_files("base", *(f"overlays/{one}" for one in OVERLAYS))


def label(manifest: Manifest) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def with_pods(manifests: list[Manifest]) -> list[Manifest]:
    return [one for one in manifests if "template" in one.get("spec", {})]


def containers(manifest: Manifest) -> list[Manifest]:
    pod = manifest["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


PODS = [pytest.param(one, id=label(one)) for one in with_pods(PLAIN)]
PARTS = [pytest.param(one, id=label(one)) for one in with_pods(PLAIN) if one["kind"] != "Job"]


# --- schemas


def refused(manifest: Manifest, versions: Sequence[str] = VERSIONS) -> Iterator[str]:
    for version in versions:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{label(manifest)}, {version}: {error.message}"


@pytest.mark.parametrize("manifest", [pytest.param(one, id=label(one)) for one in PLAIN])
def test_every_manifest_is_what_kubernetes_takes(manifest: Manifest) -> None:
    assert list(refused(manifest)) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_an_overlay_builds_is_what_kubernetes_takes(overlay: str) -> None:
    assert [why for one in built(f"overlays/{overlay}") for why in refused(one, VERSIONS[-1:])] == []


def test_a_misspelt_field_would_be_noticed() -> None:
    wrong = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "dta": {}}
    assert list(refused(wrong))


# --- what our commands take


@pytest.mark.parametrize("manifest", PODS)
def test_every_command_line_and_variable_is_read(manifest: Manifest) -> None:
    text = (FOLDER / "base" / "kustomization.yaml").read_text("utf-8")
    (generated,) = yaml.safe_load(text)["configMapGenerator"]
    shared = dict(line.split("=", 1) for line in generated["literals"])
    for one in containers(manifest):
        if "args" in one:
            assert problem(one["args"]) is None
        assert environment_problem({**shared, **{item["name"]: item["value"] for item in one.get("env", [])}}) is None


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_command_line_and_variable_of_an_overlay_is_read(overlay: str) -> None:
    manifests = list(built(f"overlays/{overlay}"))
    for one in with_pods(manifests):
        assert [why for each in containers(one) if "args" in each and (why := problem(each["args"]))] == []
    (shared,) = [one["data"] for one in manifests if one["kind"] == "ConfigMap"]
    assert environment_problem(shared) is None


@pytest.mark.parametrize("manifest", PARTS)
def test_ports_are_those_that_the_part_listens_on(manifest: Manifest) -> None:
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert str(ports.pop("metrics")) == variables()["CLICKSTREAM_METRICS_PORT"]
    if ports:
        told = options(container["args"])
        assert ports == {"http": SETTINGS[f"{container['args'][0]}.port"].default} == {"http": int(told["port"])}
        assert told["host"] == "0.0.0.0", "from outside of the pod"
    annotations = manifest["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == variables()["CLICKSTREAM_METRICS_PORT"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_prometheus_asks_every_part_once(overlay: str) -> None:
    """What stays of a pod's ports is what the rules keep."""
    (job,) = yaml.safe_load(PROMETHEUS_IN_A_CLUSTER.read_text("utf-8"))["scrape_configs"]
    (namespace,) = job["kubernetes_sd_configs"][0]["namespaces"]["names"]
    kept = {rule["source_labels"][0]: rule["regex"] for rule in job["relabel_configs"] if rule.get("action") == "keep"}
    for one in with_pods(list(built(f"overlays/{overlay}"))):
        pod = one["spec"]["template"]
        label_of_pod = pod["metadata"]["labels"]["app.kubernetes.io/part-of"]
        assert (one["metadata"]["namespace"], label_of_pod) == (
            namespace,
            kept[f"{POD}_label_app_kubernetes_io_part_of"],
        )
        ports = [port["name"] for each in containers(one) for port in each.get("ports", [])]
        assert ports.count(kept[f"{POD}_container_port_name"]) == (0 if one["kind"] == "Job" else 1)


def test_services_lead_to_ports_of_pods() -> None:
    pods = {one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]: one for one in with_pods(PLAIN)}
    services = [one for one in PLAIN if one["kind"] == "Service"]
    assert services
    for one in services:
        pod = pods[one["spec"]["selector"]["app.kubernetes.io/name"]]
        names = {port["name"] for container in containers(pod) for port in container.get("ports", [])}
        assert {port["targetPort"] for port in one["spec"]["ports"]} <= names


def test_a_stateful_set_has_a_service_of_its_pods() -> None:
    headless = {one["metadata"]["name"] for one in PLAIN if one["kind"] == "Service" and "clusterIP" in one["spec"]}
    assert headless == {one["spec"]["serviceName"] for one in PLAIN if one["kind"] == "StatefulSet"}


# --- a good guest


@pytest.mark.parametrize("manifest", PARTS)
def test_parts_say_whether_they_live_and_are_ready(manifest: Manifest) -> None:
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    ports = {one["name"] for one in container["ports"]}
    wanted = {"http": {"/healthz"}, "metrics": {"/metrics"}}["http" if "http" in ports else "metrics"]
    if container["name"] == "collector":
        wanted = {"/healthz", "/ping"}  # /ping says that it is about to end
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/ping"
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert {probe["path"] for probe in probes} == wanted
    assert {probe["port"] for probe in probes} <= ports


@pytest.mark.parametrize("manifest", PODS)
def test_pods_meet_the_restricted_standard(manifest: Manifest) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and no file system to write."""
    pod = manifest["spec"]["template"]["spec"]
    user, group = (int(number) for number in said("USER")[0].split(":"))
    context = pod["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"], context["runAsGroup"]) == (True, user, group)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    for one in containers(manifest):
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("manifest", PODS)
def test_pods_say_what_they_need(manifest: Manifest) -> None:
    for one in containers(manifest):
        assert set(one["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in one["resources"]["limits"]


@pytest.mark.parametrize("manifest", PARTS)
def test_pods_have_time_to_drain(manifest: Manifest) -> None:
    pod = manifest["spec"]["template"]["spec"]
    delay = options(pod["containers"][0]["args"]).get("drain-delay", "0s")
    drain = max(DRAIN_BY_SIGNAL_S.values()) + float(delay.removesuffix("s"))
    assert pod["terminationGracePeriodSeconds"] >= drain + 10


@pytest.mark.parametrize("manifest", PODS)
def test_what_is_mounted_is_declared_and_what_is_written_is_mounted(manifest: Manifest) -> None:
    pod = manifest["spec"]["template"]["spec"]
    declared = {one["name"] for one in pod["volumes"]}
    declared |= {one["metadata"]["name"] for one in manifest["spec"].get("volumeClaimTemplates", [])}
    mounted = {one["name"] for each in containers(manifest) for one in each["volumeMounts"]}
    assert mounted == declared
    writable = {one["mountPath"] for one in pod["containers"][0]["volumeMounts"] if not one.get("readOnly")}
    assert writable == {variables()["CLICKSTREAM_STATE_DIR"], "/tmp"}


def test_secrets_are_referred_to_and_never_in_the_base() -> None:
    assert [one for one in PLAIN if one["kind"] == "Secret"] == []
    named = {
        one["secret"]["secretName"]
        for each in with_pods(PLAIN)
        for one in each["spec"]["template"]["spec"]["volumes"]
        if "secret" in one
    }
    assert named == {"clickstream-kafka", "clickstream-ui", "clickstream-postgres"}


@pytest.mark.parametrize("name", ["counter", "tables", "collector"])
def test_disruptions_take_one_pod_at_a_time(name: str) -> None:
    (budget,) = [
        one
        for one in PLAIN
        if one["kind"] == "PodDisruptionBudget" and one["metadata"]["name"] == f"clickstream-{name}"
    ]
    assert budget["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": f"clickstream-{name}"}
    assert budget["spec"]["maxUnavailable"] == 1


SCALERS = [one for one in PLAIN if one["kind"] == "HorizontalPodAutoscaler"]


def scaled(scaler: Manifest) -> Manifest:
    """What it decides the number of."""
    reference = scaler["spec"]["scaleTargetRef"]
    named = (reference["kind"], reference["name"])
    (target,) = [one for one in PLAIN if (one["kind"], one["metadata"]["name"]) == named]
    return target


@pytest.mark.parametrize("scaler", SCALERS, ids=label)
def test_what_is_scaled_by_itself_has_no_fixed_number_and_says_what_a_pod_needs(scaler: Manifest) -> None:
    assert "replicas" not in scaled(scaler)["spec"]


def test_what_keeps_something_in_volumes_is_never_scaled_down_by_itself() -> None:
    with_volumes = [one for one in SCALERS if "volumeClaimTemplates" in scaled(one)["spec"]]
    assert [one["metadata"]["name"] for one in with_volumes] == ["clickstream-collector"]
    for one in with_volumes:
        assert one["spec"]["behavior"]["scaleDown"] == {"selectPolicy": "Disabled"}


def test_a_collector_that_catches_up_does_not_start_ten_more() -> None:
    (scaler,) = [one for one in SCALERS if label(one) == "HorizontalPodAutoscaler-clickstream-collector"]
    up = scaler["spec"]["behavior"]["scaleUp"]
    assert up["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 600}]
    assert up["stabilizationWindowSeconds"] >= 300


def test_members_are_no_more_than_partitions() -> None:
    text = (ROOT / "config" / "topics.toml").read_text("utf-8")
    partitions = re.search(r"^\[event-topic\]\npartitions = (\d+)", text, re.MULTILINE)
    (most,) = [
        one["spec"]["maxReplicas"]
        for one in PLAIN
        if one["kind"] == "HorizontalPodAutoscaler" and one["metadata"]["name"] == "clickstream-counter"
    ]
    assert partitions is not None
    assert most == int(partitions[1])


# --- overlays


def test_the_local_overlay_brings_events_and_needs_nothing_else() -> None:
    found = {label(one) for one in built("overlays/local")}
    assert {"Deployment-clickstream-producer", "Deployment-clickstream-generator"} <= found
    assert "Deployment-clickstream-sink-postgres" not in found
    secrets = {one["metadata"]["name"] for one in built("overlays/local") if one["kind"] == "Secret"}
    for one in with_pods(list(built("overlays/local"))):
        volumes = one["spec"]["template"]["spec"]["volumes"]
        assert {each["secret"]["secretName"] for each in volumes if "secret" in each} <= secrets


def test_the_local_token_is_one_that_the_dashboard_takes() -> None:
    (data,) = [one["data"] for one in built("overlays/local") if one["kind"] == "Secret" and "token" in one["data"]]
    assert len(base64.b64decode(data["token"])) >= MIN_CHARACTERS


def test_the_production_overlay_is_in_one_namespace_and_spreads_what_it_scales() -> None:
    found = {label(one): one for one in built("overlays/production")}
    assert {one["metadata"].get("namespace") for one in found.values() if one["kind"] != "Namespace"} == {"clickstream"}
    assert "Deployment-clickstream-producer" not in found
    for name in ("Deployment-clickstream-counter", "StatefulSet-clickstream-collector"):
        pod = found[name]["spec"]["template"]["spec"]
        assert len(pod["topologySpreadConstraints"]) == 2
        assert pod["containers"][0]["image"].startswith("registry.example.com/clickstream:")
    tables = found["StatefulSet-clickstream-tables"]["spec"]["template"]["spec"]["containers"][0]
    assert options(tables["args"])["memory"] == "2GB"
