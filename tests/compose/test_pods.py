"""The pods of deploy/ as containers: their user, environment, command and locks, in Docker.

There is no cluster: names are a network's, and a port of this machine stands for `kubectl
port-forward` and for the kubelet's probes.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from loadtests.catalog import ROOT
from loadtests.runtime.engine import PROJECT, Engine, docker
from loadtests.runtime.process import fetch
from tests.compose.conftest import BUILD_S
from tests.compose.kustomized import Document, built
from tests.contract.client import until

READY_S = 60
RESOURCES = built()
DEPLOYMENTS = {one["metadata"]["name"]: one for one in RESOURCES if one["kind"] == "Deployment"}
MAPS = {one["metadata"]["name"]: one["data"] for one in RESOURCES if one["kind"] == "ConfigMap"}
RUNNING = [name for name, one in DEPLOYMENTS.items() if one["spec"]["replicas"]]
SERVICE = "fastapi"


class Pods:
    """One running container for each Deployment that has replicas."""

    def __init__(self, engine: Engine, project: str) -> None:
        self.engine = engine
        self.project = project

    def start(self, name: str) -> None:
        """Start the container of a Deployment as its manifest says."""
        spec = DEPLOYMENTS[name]["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        image = f"waiting-services-{container['image'].rpartition(':')[2]}"
        ports = [port["containerPort"] for port in container.get("ports", ())]
        status, said = docker(
            *("run", "--detach", "--name", f"{self.project}-{name}"),
            *("--label", f"{PROJECT}={self.project}"),
            *("--network", self.project, "--network-alias", name),
            *(f"--publish=127.0.0.1::{port}" for port in ports),
            *locks(spec, container),
            *(f"--env={key}={value}" for key, value in environment(container).items()),
            *(image, *container.get("command", ())),
        )
        assert not status, said

    def inspect(self, name: str) -> dict[str, Any]:
        """The Engine's view of a container."""
        found: dict[str, Any] = self.engine.ask("GET", f"/containers/{self.project}-{name}/json")
        return found

    def url(self, name: str, port: int) -> str:
        """Where a port of a container is reached from this machine."""
        (published,) = self.inspect(name)["NetworkSettings"]["Ports"][f"{port}/tcp"]
        return f"http://127.0.0.1:{published['HostPort']}"

    def is_ready(self, name: str) -> bool:
        """Ask as the readiness probe does; true where there is none."""
        (container,) = DEPLOYMENTS[name]["spec"]["template"]["spec"]["containers"]
        if "readinessProbe" not in container:
            return True
        asked = container["readinessProbe"]["httpGet"]
        (port,) = [
            one["containerPort"] for one in container["ports"] if one["name"] == asked["port"]
        ]
        try:
            return fetch(self.url(name, port) + asked["path"])[0] == 200
        except (OSError, HTTPException):
            return False


def locks(spec: Document, container: Document) -> list[str]:
    """The options of `docker run` that say what a pod's securityContext and resources say."""
    of_container, limits = container["securityContext"], container["resources"]["limits"]
    (volume,), (mount,) = spec["volumes"], container["volumeMounts"]
    size = volume["emptyDir"]["sizeLimit"].removesuffix("i").lower()
    assert spec["securityContext"]["runAsNonRoot"] and not of_container["allowPrivilegeEscalation"]
    assert spec["shareProcessNamespace"] and of_container["readOnlyRootFilesystem"]
    return [
        *("--init", "--read-only", "--security-opt=no-new-privileges:true"),
        f"--user={spec['securityContext']['runAsUser']}",
        *(f"--cap-drop={one}" for one in of_container["capabilities"]["drop"]),
        *(f"--cpus={limits['cpu']}", f"--memory={limits['memory'].removesuffix('i').lower()}"),
        f"--tmpfs={mount['mountPath']}:size={size},mode=1777",
    ]


def environment(container: Document) -> dict[str, str]:
    """The variables of a container, with those that it takes from ConfigMaps."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= MAPS[source["configMapRef"]["name"]]
    for one in container.get("env", ()):
        key = one["valueFrom"]["configMapKeyRef"]
        found[one["name"]] = MAPS[key["name"]][key["key"]]
    return found


@pytest.fixture(scope="module")
def pods(engine: Engine) -> Iterator[Pods]:
    """The containers of all Deployments with replicas, ready."""
    project = f"waiting-services-pods-{os.getpid()}-{secrets.token_hex(3)}"
    compose = ("compose", "--project-name", project, "--file", str(ROOT / "compose.yaml"))
    images = [name for name in RUNNING if name != "locust-worker"]
    status, said = docker(*compose, "build", *images, timeout_s=BUILD_S)
    assert not status, said[-4000:]
    try:
        network = ("network", "create", "--label", f"{PROJECT}={project}", project)
        status, said = docker(*network)
        assert not status, said
        found = Pods(engine, project)
        for name in RUNNING:
            found.start(name)
        for name in RUNNING:
            assert until(lambda name=name: found.is_ready(name), READY_S), name
        yield found
    finally:
        engine.remove_project(project)


def test_a_service_runs_with_the_manifest_s_settings(pods: Pods) -> None:
    url = pods.url(SERVICE, 8080)
    status, body = fetch(f"{url}/?delay=0.01")
    assert (status, json.loads(body)["delay"]) == (200, 0.01)
    info = json.loads(fetch(f"{url}/info")[1])
    assert (info["service"], info["backend_url"]) == (SERVICE, "http://backend:8080")
    assert info["backend_timeout_s"] == float(MAPS["settings"]["BACKEND_TIMEOUT_S"])


def test_the_worker_loads_the_service_that_the_web_ui_names(pods: Pods) -> None:
    ui = pods.url("locust", 8089)

    def report() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(fetch(f"{ui}/stats/requests")[1])
        return found

    assert until(lambda: len(report().get("workers", ())) == 1, READY_S)
    form = {"user_count": "5", "spawn_rate": "5", "host": "", "service": SERVICE, "delay": "0.05"}
    with urlopen(f"{ui}/swarm", urlencode(form).encode(), timeout=10) as answer:
        assert json.load(answer)["success"]
    assert until(lambda: report()["total_rps"] > 0, READY_S)
    found = report()
    assert found["errors"] == []
    assert [one["name"] for one in found["stats"]] == [f"{SERVICE} /?delay=0.05", "Aggregated"]
    assert fetch(f"{ui}/stop", "POST")[0] == 200
    status, table = fetch(f"{ui}/stats/requests/csv")  # that the page on it says to collect
    assert status == 200 and f"{SERVICE} /?delay=0.05" in table.decode()


def test_pods_end_well_within_their_time(pods: Pods) -> None:
    """Each exits with 0 or, with some server programs, by SIGTERM. They stay stopped."""

    def stop(name: str) -> int:
        grace_s = DEPLOYMENTS[name]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        path = f"/containers/{pods.project}-{name}/stop"
        pods.engine.ask("POST", path, {"t": str(grace_s)}, timeout_s=2 * grace_s)
        return int(pods.inspect(name)["State"]["ExitCode"])

    with ThreadPoolExecutor(len(RUNNING)) as pool:
        codes = dict(zip(RUNNING, pool.map(stop, RUNNING), strict=True))
    assert set(codes.values()) <= {0, 128 + signal.SIGTERM}, codes
