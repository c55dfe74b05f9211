"""deploy/ against Kubernetes' schemas, the folders and compose.yaml. No cluster is needed."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml

from loadtests import catalog
from loadtests.catalog import ROOT
from loadtests.runtime import manifests
from tests.compose.kustomized import DEPLOY, Document, built

ALL = built()
DEPLOYMENTS: dict[str, Document] = {
    one["metadata"]["name"]: one for one in ALL if one["kind"] == "Deployment"
}
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
COMPONENT = "app.kubernetes.io/component"
LOCUST = ["locust", "locust-worker"]
OLDEST, NEWEST = "1.27", "1.37"  # of Kubernetes


def pod(name: str) -> Document:
    return dict(DEPLOYMENTS[name]["spec"]["template"]["spec"])


def main(name: str) -> Document:
    (container,) = pod(name)["containers"]
    return dict(container)


def of_kind(kind: str) -> dict[str, Document]:
    return {one["metadata"]["name"]: one for one in ALL if one["kind"] == kind}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field(version: str) -> None:
    for one in distinct(ALL):
        assert kubernetes_validate.validate(one, version, strict=True) == version


def distinct(resources: list[Document]) -> list[Document]:
    """One of those that differ in nothing but a service's name: a schema takes a while."""
    by_shape = {}
    for one in resources:
        name = re.escape(one["metadata"]["name"])
        by_shape[re.sub(rf"\b{name}\b", "NAME", yaml.safe_dump(one))] = one
    assert 8 < len(by_shape) < 20
    return list(by_shape.values())


@pytest.mark.parametrize(
    ("path", "value"),
    [(["spec", "replicas"], "two"), (["spec", "template", "spec", "nodeSelektor"], {})],
)
def test_a_mistake_is_seen(path: list[str], value: object) -> None:
    one = copy.deepcopy(DEPLOYMENTS["backend"])
    place: Any = one
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(kubernetes_validate.ValidationError, match=r"nodeSelektor|two"):
        kubernetes_validate.validate(one, NEWEST, strict=True)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="there is no kubectl")
def test_kubectl_builds_the_same() -> None:
    command = ["kubectl", "kustomize", str(DEPLOY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text, times = re.subn(r"\bsettings-[a-z0-9]{10}\b", "settings", done.stdout)
    assert times > len(catalog.names()), "a change of the settings restarts every service"
    assert by_name(list(yaml.safe_load_all(text))) == by_name(ALL)


def by_name(resources: list[Document]) -> dict[tuple[str, str], Document]:
    return {(one["kind"], one["metadata"]["name"]): one for one in resources}


def test_its_services_are_the_folders() -> None:
    """Every service is in services.yaml: `make lock` writes it."""
    text = (DEPLOY / "base" / "services.yaml").read_text()
    assert text == manifests.written(catalog.select(""))
    assert set(DEPLOYMENTS) == {"backend", *catalog.names(), *LOCUST}


def test_locust_offers_what_it_offers_under_compose() -> None:
    targets = COMPOSE["services"]["locust"]["environment"]["TARGETS"]
    offered = of_kind("ConfigMap")["targets"]["data"]["TARGETS"]
    assert f"${{TARGETS:-{offered}}}" == targets


def test_who_names_a_registry_names_it_once() -> None:
    (entry,) = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())["images"]
    tags = {name: name for name in DEPLOYMENTS} | dict.fromkeys(LOCUST, "locust")
    images = {name: main(name)["image"] for name in DEPLOYMENTS}
    assert images == {name: f"{entry['newName']}:{tag}" for name, tag in tags.items()}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_is_locked_in(name: str) -> None:
    spec, container = pod(name), main(name)
    assert not spec["automountServiceAccountToken"]
    assert not spec["enableServiceLinks"]
    assert spec["shareProcessNamespace"]
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    size = spec["volumes"][0]["emptyDir"]["sizeLimit"]
    assert COMPOSE["x-hardened"]["tmpfs"][0].startswith(f"/tmp:size={size[:-2].lower()}m,")


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_has_compose_s_limits_and_its_time_to_end(name: str) -> None:
    resources = main(name)["resources"]
    assert resources["requests"] == resources["limits"]
    limits = {"cpu": COMPOSE["x-on-service-core"]["cpus"], "memory": "1Gi"}
    assert f"${{SERVICE_CPUS:-{resources['limits']['cpu']}}}" == limits["cpu"]
    assert resources["limits"]["memory"] == limits["memory"]
    grace = f"{pod(name)['terminationGracePeriodSeconds']}s"
    assert grace == COMPOSE["x-on-service-core"]["stop_grace_period"]


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS.keys() - {"locust-worker"}))
def test_a_pod_is_ready_when_it_answers(name: str) -> None:
    container = main(name)
    probe = container["readinessProbe"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = ports[probe["httpGet"]["port"]], probe["httpGet"]["path"]
    assert asked == ((8089, "/") if name == "locust" else (8080, "/health"))
    health = COMPOSE["x-health"]
    assert (probe["timeoutSeconds"], probe["failureThreshold"]) == (5, health["retries"])
    assert health["timeout"] == "5s" and health["interval"].endswith("10s}")
    assert "livenessProbe" not in container
    (port, *_) = of_kind("Service")[name]["spec"]["ports"]
    assert port["port"] in ports.values()


@pytest.mark.parametrize("name", of_kind("Service"))
def test_a_service_s_name_is_its_pod_s(name: str) -> None:
    spec = of_kind("Service")[name]["spec"]
    labels = DEPLOYMENTS[name]["spec"]["template"]["metadata"]["labels"]
    assert spec["selector"].items() <= labels.items()
    assert DEPLOYMENTS[name]["spec"]["selector"]["matchLabels"] == spec["selector"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_service_backend_and_load_are_on_nodes_of_their_own(name: str) -> None:
    component = DEPLOYMENTS[name]["spec"]["template"]["metadata"]["labels"][COMPONENT]
    assert DEPLOYMENTS[name]["metadata"]["labels"][COMPONENT] == component
    rule = "requiredDuringSchedulingIgnoredDuringExecution"
    (term,) = pod(name)["affinity"]["podAntiAffinity"][rule]
    (away,) = term["labelSelector"]["matchExpressions"]
    assert (away["key"], term["topologyKey"]) == (COMPONENT, "kubernetes.io/hostname")
    assert {component, *away["values"]} == {"service", "backend", "load"}
    assert component not in away["values"]


@pytest.mark.parametrize("name", catalog.names())
def test_a_service_has_the_settings_and_no_others(name: str) -> None:
    container = main(name)
    assert container["envFrom"] == [{"configMapRef": {"name": "settings"}}]
    assert not container.keys() & {"env", "command", "args"}
    settings = of_kind("ConfigMap")["settings"]["data"]
    compose = COMPOSE["services"][name]["environment"]
    assert settings["BACKEND_URL"] == "http://backend:8080"
    assert settings.keys() <= compose.keys()


@pytest.mark.parametrize("name", LOCUST)
def test_locust_is_started_as_under_compose(name: str) -> None:
    assert main(name)["command"] == COMPOSE["services"][name]["command"]


def test_pods_reach_each_other_and_a_name_server_only() -> None:
    spec = of_kind("NetworkPolicy")["inside"]["spec"]
    assert (spec["podSelector"], spec["policyTypes"]) == ({}, ["Ingress", "Egress"])
    inside = [{"podSelector": {}}]
    assert spec["ingress"] == [{"from": inside}]
    to, names = spec["egress"]
    assert to == {"to": inside}
    assert {(one["protocol"], one["port"]) for one in names["ports"]} == {("UDP", 53), ("TCP", 53)}
    labels = of_kind("Namespace")["waiting-services"]["metadata"]["labels"]
    assert labels == {"pod-security.kubernetes.io/enforce": "restricted"}
