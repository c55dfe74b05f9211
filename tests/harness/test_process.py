"""Services as processes: ready when they say so, gone when they are stopped, with all their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from conftest import SETTINGS, Stage

from loadtests.runtime import ServiceFailed, environments, local, settings_of
from loadtests.runtime.local import LocalRuntime
from loadtests.runtime.ports import free_port, is_free
from loadtests.runtime.process import ServiceProcess, fetch, leashed
from services import folders

NOWHERE = {"BACKEND_URL": "http://127.0.0.1:9", **SETTINGS}


def started(stage: Stage, fault: str, **settings: str) -> ServiceProcess:
    (service,) = stage(one=fault)
    return ServiceProcess(service.name, {**NOWHERE, "PORT": str(free_port()), **settings})


def port(process: ServiceProcess) -> int:
    return int(process.url.rpartition(":")[2])


def group(process: ServiceProcess) -> list[int]:
    """The live processes of its process group."""
    found = []
    for other in psutil.process_iter():
        try:
            if os.getpgid(other.pid) == process.pid and other.status() != psutil.STATUS_ZOMBIE:
                found.append(other.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


@pytest.fixture
def sleeping(tmp_path: Path) -> Iterator[Path]:
    """The file for the pid of a child that a service leaves; it ends with the test."""
    path = tmp_path / "services" / "one" / "child.pid"
    yield path
    if path.exists() and psutil.pid_exists(int(path.read_text())):
        os.kill(int(path.read_text()), signal.SIGKILL)


def test_ready_and_stopped(stage: Stage) -> None:
    with started(stage, "none") as process:
        process.wait_ready()
        assert fetch(f"{process.url}/health") == (200, b'{"status":"ok"}')
        assert (process.returncode, group(process)) == (None, [process.pid])
        assert not is_free(port(process))
    assert process.returncode == 0
    assert is_free(port(process))


def test_exits_at_once(stage: Stage) -> None:
    with (
        pytest.raises(ServiceFailed, match="one exited with 1 before it was ready") as caught,
        started(stage, "exits") as process,
    ):
        process.wait_ready()
    assert caught.value.log_tail == "the last words of a service"


def test_never_ready(stage: Stage) -> None:
    with (
        pytest.raises(ServiceFailed, match=r"one was not ready within 1\.5 s") as caught,
        started(stage, "deaf") as process,
    ):
        process.wait_ready(timeout_s=1.5)
    assert caught.value.log_tail == "listens to nobody"
    assert group(process) == []


def test_ignores_sigterm(stage: Stage) -> None:
    process = started(stage, "stubborn")
    process.wait_ready()
    process.stop(grace_s=0.3)
    assert process.returncode == -signal.SIGKILL
    assert is_free(port(process))


def test_a_second_ctrl_c_while_it_stops(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    process = started(stage, "stubborn")
    process.wait_ready()
    wait = process._process.wait

    def interrupted(timeout: float | None = None) -> int:
        if timeout is not None:
            raise KeyboardInterrupt
        return wait()

    monkeypatch.setattr(process._process, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.stop(grace_s=30)
    assert process.returncode == -signal.SIGKILL


def test_leaves_a_child_behind(stage: Stage, sleeping: Path) -> None:
    with started(stage, "parent") as process:
        process.wait_ready()
        child = int(sleeping.read_text(encoding="utf-8"))
        assert sorted(group(process)) == sorted([process.pid, child])
    assert process.returncode == 0
    assert gone(child)


def gone(pid: int) -> bool:
    """True if the process ended: init may take a moment to reap it."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not tell of it")
def test_nothing_is_started_for_a_harness_that_has_ended() -> None:
    command = leashed(sys.executable, "-c", "print('started')")
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"started\n"
    command[command.index(str(os.getpid()))] = "1"
    done = subprocess.run(command, capture_output=True)
    assert (done.returncode, done.stdout) == (1, b"")


def test_the_port_is_still_held(
    stage: Stage, runtime: LocalRuntime, sleeping: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PORT_FREE_S", 0.3)
    (service,) = stage(one="holder")
    message = r"port \d+ was still held after one had stopped"
    with runtime, pytest.raises(ServiceFailed, match=message), runtime.service(service):
        assert psutil.pid_exists(int(sleeping.read_text(encoding="utf-8")))


def test_the_port_of_the_backend_is_free_again(runtime: LocalRuntime) -> None:
    with runtime:
        port = int(runtime.backend_url.rpartition(":")[2])
        assert not is_free(port)
    assert is_free(port)


def test_serve_is_missing(stage: Stage) -> None:
    (service,) = stage("one")
    (service.folder / "serve").unlink()
    with (
        pytest.raises(ServiceFailed, match="one exited with 1 before it was ready") as caught,
        ServiceProcess("one", {**NOWHERE, "PORT": str(free_port())}) as process,
    ):
        process.wait_ready()
    assert caught.value.log_tail.startswith("services/one: serve is missing")


def test_its_python_is_missing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage("one")
    monkeypatch.setattr(environments, "python", lambda name, root: Path("/nowhere/python"))
    with pytest.raises(ServiceFailed, match=r"one cannot be run: .*/nowhere/python"):
        ServiceProcess("one", {**NOWHERE, "PORT": str(free_port())})


def test_an_address_of_ipv6(stage: Stage) -> None:
    with started(stage, "none", HOST="::1", PORT="9") as process:
        assert process.url == "http://[::1]:9"


def test_a_limit_of_its_own_is_left_to_a_service(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Profiles leave CONCURRENCY unset for a service with a limit of its own."""
    usual, special = stage("usual", "special")
    special = replace(special, limit="a pool of 40")
    profile = {"CONCURRENCY": "6000", "BACKEND_TIMEOUT_S": "3"}
    monkeypatch.delenv("CONCURRENCY", raising=False)
    assert settings_of(usual, profile) == profile
    assert settings_of(special, profile) == {"BACKEND_TIMEOUT_S": "3"}
    assert settings_of(special, {}, {"WORKERS": "2"}) == {"WORKERS": "2"}
    monkeypatch.setenv("CONCURRENCY", "50")
    assert settings_of(special, {"CONCURRENCY": "50"}) == {"CONCURRENCY": "50"}


def test_only_its_settings_reach_a_service(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that server programs and libraries read have no effect."""
    (service,) = stage("one")
    (service.folder / "serve").write_text("env\n")
    for name in ("GUNICORN_CMD_ARGS", "UVICORN_WORKERS", "HTTP_PROXY", "PYTHONSAFEPATH"):
        monkeypatch.setenv(name, "1")
    with ServiceProcess("one", {**NOWHERE, "PORT": "1"}) as process:
        process._process.wait(10)
        variables = dict(line.split("=", 1) for line in process.log_tail().splitlines())
    of_a_shell = {"PWD", "OLDPWD", "SHLVL", "_"}
    ours = {"PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "SERVICE", "PORT"}
    assert variables.keys() - {*folders.SYSTEM} - NOWHERE.keys() - of_a_shell == ours
    assert variables["SERVICE"] == "one"


def test_the_cores_are_its_own(stage: Stage) -> None:
    (service,) = stage("one")
    mine = os.sched_getaffinity(0)
    core = {max(mine)}
    settings = {**NOWHERE, "PORT": str(free_port())}
    with ServiceProcess(service.name, settings, core) as process:
        process.wait_ready()
        assert os.sched_getaffinity(process.pid) == core
        assert os.sched_getaffinity(0) == mine


def test_usage_counts_the_whole_tree(stage: Stage, runtime: LocalRuntime, sleeping: Path) -> None:
    (service,) = stage(one="parent")
    with runtime, runtime.service(service) as running:
        top = psutil.Process(int(sleeping.read_text(encoding="utf-8"))).parent()
        assert top is not None
        before = running.usage()
        own = top.memory_info().rss
        assert own < before.rss_bytes < own + 20e6  # `sleep` is small
        for _ in range(200):
            fetch(f"{running.url}/health")
        used = running.usage().cpu_s - before.cpu_s
        times = top.cpu_times()
        assert 0 < used < times.user + times.system + 0.02
        top.kill()
        os.waitid(os.P_PID, top.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet buried
        with pytest.raises(ServiceFailed, match="one exited with -9 in mid-run"):
            running.usage()


def test_cpu_of_a_process_that_has_ended_is_kept(
    stage: Stage, runtime: LocalRuntime, sleeping: Path
) -> None:
    (service,) = stage(one="parent")
    with runtime, runtime.service(service) as running:
        child = psutil.Process(int(sleeping.read_text(encoding="utf-8")))
        before = running.usage()
        child.kill()
        deadline = time.monotonic() + 10
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert running.usage().cpu_s >= before.cpu_s > 0
