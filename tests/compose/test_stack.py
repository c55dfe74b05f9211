"""`docker compose up`: what runs is locked in, answers, and can be loaded from the web UI."""

from __future__ import annotations

import hashlib
import json
import re
import signal
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from loadtests import catalog
from loadtests.runtime.engine import Engine, docker
from loadtests.runtime.process import fetch
from services import contract, folders
from tests.compose.conftest import EVERY_CONTAINER, EVERY_SERVICE, Stack
from tests.contract.client import until

UI = "http://127.0.0.1:8089"

ASK = """
import hashlib, http.client, json
def ask(name, path):
    server = http.client.HTTPConnection(name, 8080, timeout=10)
    server.request("GET", path, headers={"X-Request-ID": "me"})
    response = server.getresponse()
    body = response.read()
    text = body.decode() if len(body) < 10_000 else hashlib.sha256(body).hexdigest()
    return response.status, response.getheader("Content-Type"), text
"""

LOOK_AROUND = """
id -u
touch /srv/here 2>&1
touch /tmp/here && echo writable
ulimit -n
cat /proc/sys/net/core/somaxconn
grep '^Cap[EPB]' /proc/self/status
"""

CONNECT = """
import socket
def reaches(host, port):
    try:
        socket.create_connection((host, port), 0.5).close()
    except OSError:
        return False
    return True
"""


@pytest.mark.parametrize("name", EVERY_CONTAINER)
def test_a_container_is_locked_in(stack: Stack, name: str) -> None:
    found = stack.inspect(name)
    host = found["HostConfig"]
    assert found["Config"]["User"] == "app"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert list(host["Tmpfs"]) == ["/tmp"]
    assert not host["Binds"]
    assert host["RestartPolicy"]["Name"] == "no"


@pytest.mark.parametrize("name", EVERY_CONTAINER)
def test_a_container_has_its_limits(stack: Stack, engine: Engine, name: str) -> None:
    host = stack.inspect(name)["HostConfig"]
    core = "0" if name in EVERY_SERVICE else "1"
    assert host["CpusetCpus"] == (core if engine.cores > 1 else "")
    assert host["NanoCpus"] == 1_000_000_000
    assert host["Memory"] == 1 << 30
    assert host["PidsLimit"] == 8192
    assert host["Ulimits"] == [{"Name": "nofile", "Hard": 20000, "Soft": 20000}]


@pytest.mark.parametrize("name", EVERY_CONTAINER)
def test_the_locks_hold_inside(stack: Stack, name: str) -> None:
    _, said = stack.run_in(name, "sh", "-c", LOOK_AROUND)
    user, root, temporary, files, backlog, *capabilities = said.splitlines()
    assert user == "10001"
    assert "Read-only file system" in root
    assert temporary == "writable"
    assert (files, backlog) == ("20000", "4096")
    assert [line.split()[1] for line in capabilities] == ["0" * 16] * 3


@pytest.mark.parametrize("name", EVERY_CONTAINER)
def test_only_locust_has_a_way_out(stack: Stack, name: str) -> None:
    found = stack.inspect(name)
    networks = {
        network.removeprefix(f"{stack.project}_")
        for network in found["NetworkSettings"]["Networks"]
    }
    published = {port: where for port, where in found["NetworkSettings"]["Ports"].items() if where}
    outside = f"print(reaches({stack.address('locust', 'outside')!r}, 8089))"
    has_a_way_out = stack.python_in(name, CONNECT + outside)
    if name == "locust":
        assert networks == {"inside", "outside"}
        assert published == {"8089/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8089"}]}
        assert has_a_way_out == "True"
    else:
        assert networks == {"inside"}
        assert published == {}
        assert has_a_way_out == "False"


def test_the_backend_cannot_be_reached_from_outside(stack: Stack) -> None:
    locust, backend = stack.address("locust", "outside"), stack.address("backend", "inside")
    targets = [(locust, 8089), (backend, 8080), ("backend", 8080)]
    code = f"{CONNECT}print([reaches(*target) for target in {targets}])"
    outside = ("run", "--rm", "--network", f"{stack.project}_outside", "waiting-services-locust")
    status, reached = docker(*outside, "python", "-c", code)
    assert (status, reached) == (0, "[True, False, False]")


def own_workers(name: str) -> int:
    """How many workers the `serve` of `name` starts where nobody asks for a number."""
    serve = folders.find(name, "serve", catalog.SERVICES)
    found = re.search(r"WORKERS:?-(\d+)", serve.read_text())
    return int(found[1]) if found else 1


@pytest.mark.parametrize("name", EVERY_SERVICE)
def test_a_service_answers_inside(stack: Stack, name: str) -> None:
    paths = ["/?delay=0.01", "/health", "/info"]
    code = f"{ASK}print(json.dumps([ask({name!r}, path) for path in {paths}]))"
    answer, health, info = json.loads(stack.python_in("locust", code))
    assert answer == [200, "application/json", '{"delay":0.01,"id":"me"}']
    assert health == [200, "application/json", '{"status":"ok"}']
    settings = json.loads(info[2])
    assert settings["service"] == name
    assert settings["backend_url"] == "http://backend:8080"
    assert settings["workers"] == own_workers(name)
    assert (settings["concurrency"] == 1000) == (not catalog.load(name).limit)
    assert settings["versions"]["python"].startswith("3.14.")


@pytest.mark.parametrize(
    "name", [name for name in EVERY_SERVICE if catalog.load(name).has("/file")]
)
def test_a_service_has_its_file(stack: Stack, name: str) -> None:
    """16 MiB, in a root that is read-only."""
    code = f"{ASK}print(json.dumps(ask({name!r}, '/file?size={contract.FILE_SIZE}')))"
    answer = json.loads(stack.python_in("locust", code))
    whole = hashlib.sha256(contract.file_block() * 16).hexdigest()
    assert answer == [200, "application/octet-stream", whole]


def test_the_web_ui_offers_every_service(stack: Stack) -> None:
    status, page = fetch(UI)
    assert status == 200
    for name in EVERY_SERVICE:
        assert f'"{name}"' in page.decode()


def test_a_run_started_in_the_web_ui_is_made_by_both_workers(stack: Stack) -> None:
    def report() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(fetch(f"{UI}/stats/requests")[1])
        return found

    def users() -> list[int]:
        return [worker["user_count"] for worker in report()["workers"]]

    form = {"user_count": "10", "spawn_rate": "10", "host": "", "service": "sanic", "delay": "0.05"}
    with urlopen(f"{UI}/swarm", urlencode(form).encode(), timeout=10) as answer:
        assert json.load(answer)["success"]
    try:
        assert until(lambda: users() == [5, 5], 15)
        assert until(lambda: report()["total_rps"] > 0, 15)
        found = report()
        assert found["errors"] == []
        assert [entry["name"] for entry in found["stats"]] == ["/?delay=0.05", "Aggregated"]
    finally:
        assert fetch(f"{UI}/stop", "POST")[0] == 200
    assert until(lambda: report()["state"] == "stopped", 15)


@pytest.mark.parametrize("name", ["backend", *EVERY_SERVICE])
def test_a_stopped_container_ends_well(stack: Stack, name: str) -> None:
    """With 0 or, where a server program of PyPI has finished what was in flight, by SIGTERM."""
    container = stack.container(name)
    stack.engine.ask("POST", f"/containers/{container}/stop", {"t": "30"}, timeout_s=60)
    assert stack.engine.state(container)["ExitCode"] in (0, 128 + signal.SIGTERM)
    # It stays stopped: this is the last test.
