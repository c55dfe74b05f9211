"""`docker compose up`: what runs is locked in, answers, and can be loaded from the web UI."""

from __future__ import annotations

import hashlib
import json
import re
import signal
from concurrent.futures import ThreadPoolExecutor
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
PATHS = ["/?delay=0.01", "/health", "/info"]

ASK = """
import hashlib, http.client, json
def ask(name, path):
    server = http.client.HTTPConnection(name, 8080, timeout=10)
    try:
        server.request("GET", path, headers={"X-Request-ID": "me"})
        response = server.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, "", str(error)
    text = body.decode() if len(body) < 10_000 else hashlib.sha256(body).hexdigest()
    return response.status, response.getheader("Content-Type"), text
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

LOOK_AROUND = """
import json, os, re, resource
from pathlib import Path
def written(path):
    try:
        return Path(path).write_text("here")
    except OSError as error:
        return error.strerror
print(json.dumps({
    "user": os.getuid(),
    "root": written("/srv/here"),
    "temporary": written("/tmp/here"),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    "backlog": int(Path("/proc/sys/net/core/somaxconn").read_text()),
    "capabilities": re.findall(r"Cap[EPB]\\w+:\\s+(\\w+)", Path("/proc/self/status").read_text()),
    "has a way out": reaches(%r, 8089),
}))
"""


@pytest.fixture(scope="module")
def seen(stack: Stack) -> dict[str, dict[str, Any]]:
    """The view from inside each container, of several at once: a start of Python for each."""
    code = CONNECT + LOOK_AROUND % stack.address("locust", "outside")

    def look(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(stack.python_in(name, code))
        return found

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(EVERY_CONTAINER, pool.map(look, EVERY_CONTAINER), strict=True))


@pytest.fixture(scope="module")
def answers(stack: Stack) -> dict[str, list[tuple[int, str, str]]]:
    """The answers that Locust's container gets from each service, those to PATHS."""
    code = f"{ASK}print(json.dumps([[ask(n, p) for p in {PATHS}] for n in {EVERY_SERVICE}]))"
    found = json.loads(stack.python_in("locust", code))
    return {
        name: [(status, kind, text) for status, kind, text in of]
        for name, of in zip(EVERY_SERVICE, found, strict=True)
    }


@pytest.fixture(scope="module")
def exit_codes(stack: Stack) -> dict[str, int]:
    """The exit statuses of all containers but Locust's, several at a time; none runs any more."""
    containers = {name: stack.container(name) for name in ["backend", *EVERY_SERVICE]}

    def stop(container: str) -> int:
        stack.engine.ask("POST", f"/containers/{container}/stop", {"t": "30"}, timeout_s=60)
        return int(stack.engine.state(container)["ExitCode"])

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(containers, pool.map(stop, containers.values()), strict=True))


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
    assert host["PidsLimit"] == 16384
    assert host["Ulimits"] == [{"Name": "nofile", "Hard": 20000, "Soft": 20000}]


@pytest.mark.parametrize("name", EVERY_CONTAINER)
def test_the_locks_hold_inside(seen: dict[str, dict[str, Any]], name: str) -> None:
    inside = seen[name]
    assert inside["user"] == 10001
    assert inside["root"] == "Read-only file system"
    assert inside["temporary"] == len("here")
    assert (inside["files"], inside["backlog"]) == (20000, 4096)
    assert inside["capabilities"] == ["0" * 16] * 3


@pytest.mark.parametrize("name", EVERY_CONTAINER)
def test_only_locust_has_a_way_out(
    stack: Stack, seen: dict[str, dict[str, Any]], name: str
) -> None:
    found = stack.inspect(name)
    networks = {
        network.removeprefix(f"{stack.project}_")
        for network in found["NetworkSettings"]["Networks"]
    }
    published = {port: where for port, where in found["NetworkSettings"]["Ports"].items() if where}
    if name == "locust":
        assert networks == {"inside", "outside"}
        assert published == {"8089/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8089"}]}
        assert seen[name]["has a way out"]
    else:
        assert networks == {"inside"}
        assert published == {}
        assert not seen[name]["has a way out"]


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
def test_a_service_answers_inside(
    answers: dict[str, list[tuple[int, str, str]]], name: str
) -> None:
    answer, health, info = answers[name]
    assert answer == (200, "application/json", '{"delay":0.01,"id":"me"}')
    assert health == (200, "application/json", '{"status":"ok"}')
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
    """The file of 16 MiB, in a container whose root is read-only."""
    code = f"{ASK}print(json.dumps(ask({name!r}, '/file?size={contract.FILE_SIZE}')))"
    answer = json.loads(stack.python_in("locust", code))
    whole = hashlib.sha256(contract.file_block() * 16).hexdigest()
    assert answer == [200, "application/octet-stream", whole]


def test_the_web_ui_offers_every_service(stack: Stack) -> None:
    status, page = fetch(UI)
    assert status == 200
    for name in EVERY_SERVICE:
        assert f'"{name}"' in page.decode()


def test_the_live_page_is_the_master_s(stack: Stack) -> None:
    """Without `make ui` nobody tells it what services use; the backend is there to freeze."""
    status, page = fetch(f"{UI}/live/")
    assert status == 200
    assert all(f">{name}</option>" in page.decode() for name in EVERY_SERVICE)
    status, figures = fetch(f"{UI}/live/figures")
    assert (status, json.loads(figures)["starting"]) == (200, [])
    assert fetch(f"{UI}/live/freeze", "POST") == (200, b"{}\n")


@pytest.mark.parametrize("delay", ["0.05", "lognormal 0.05 1"])
def test_a_run_started_in_the_web_ui_is_made_by_both_workers(stack: Stack, delay: str) -> None:
    def report() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(fetch(f"{UI}/stats/requests")[1])
        return found

    def users() -> list[int]:
        return [worker["user_count"] for worker in report()["workers"]]

    form = {"user_count": "10", "spawn_rate": "10", "host": "", "service": "sanic", "delay": delay}
    with urlopen(f"{UI}/swarm", urlencode(form).encode(), timeout=10) as answer:
        assert json.load(answer)["success"]
    try:
        assert until(lambda: users() == [5, 5], 15)
        assert until(lambda: report()["total_rps"] > 0, 15)
        found = report()
        assert found["errors"] == []
        names = [entry["name"] for entry in found["stats"]]
        assert names == [f"sanic /?delay={delay}", "Aggregated"]
    finally:
        assert fetch(f"{UI}/stop", "POST")[0] == 200
    assert until(lambda: report()["state"] == "stopped", 15)


@pytest.mark.parametrize("name", ["backend", *EVERY_SERVICE])
def test_a_stopped_container_ends_well(exit_codes: dict[str, int], name: str) -> None:
    """A container exits with 0 or, with some server programs, by SIGTERM after its requests."""
    # They stay stopped: this is the last test.
    assert exit_codes[name] in (0, 128 + signal.SIGTERM)
