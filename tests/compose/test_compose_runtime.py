"""The bench and the web UI in containers: what they measure, what they leave."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from loadtests import catalog
from loadtests.bench import profiles, rounds
from loadtests.bench.plan import Part
from loadtests.catalog import ROOT
from loadtests.runtime import ServiceFailed, compose
from loadtests.runtime.compose import ComposeRuntime
from loadtests.runtime.engine import PROJECT, Engine, docker
from loadtests.runtime.environments import InstallError
from loadtests.runtime.process import fetch
from tests.compose.conftest import SETTINGS

TINY = profiles.made(
    "tiny", title="Tiny", users=(10,), delay_s=0.1, rounds=1, warmup_s=0.3, window_s=1.0
)
COMMAND_S = 90
FAULTY = ROOT / "tests" / "harness" / "faulty_service.py"
FAULTS = SETTINGS | {"CONCURRENCY": "80", "BACKEND_TIMEOUT_S": "1"}


def left(engine: Engine, project: str) -> list[str]:
    """Containers and networks whose project begins with `project`."""
    return [
        f"{path} {item['Id']}"
        for path in ("/containers/json", "/networks")
        for item in engine.ask("GET", path, {"all": "1"})
        if str(item["Labels"].get(PROJECT, "")).startswith(project)
    ]


@pytest.fixture(scope="module")
def runtime(engine: Engine) -> Iterator[ComposeRuntime]:
    """One for all tests that leave it as it was: it takes seconds to come and to go."""
    with ComposeRuntime("a test", ["tornado"], SETTINGS) as runtime:
        yield runtime
    assert left(engine, runtime.project) == []


def plan(runtime: ComposeRuntime, window_s: float) -> str:
    """One user of tornado for `window_s`."""
    one_user = replace(TINY.settings, users=(1,))  # type: ignore[type-var]
    profile = replace(TINY, settings=one_user, warmup_s=0.0, window_s=window_s)
    return json.dumps(
        {
            "host": "http://tornado:8080",
            "backend": runtime.backend_url,
            "cpus": runtime.load_cpus,
            "profile": profile.flat(),
            "steps": [asdict(step) for step in profile.steps()],
        }
    )


def test_a_bench_in_containers(engine: Engine, tmp_path: Path) -> None:
    services = [catalog.load("tornado"), catalog.load("flask-threads")]
    runtime = ComposeRuntime("a test", [service.name for service in services], SETTINGS)

    status = rounds.run("tiny", [Part(TINY, services, {}, runtime)], tmp_path)

    (record,) = tmp_path.glob("*/run.json")
    run = json.loads(record.read_text())
    assert run["runtime"] == "compose"
    assert run["pinned"] == (engine.cores > 1)
    assert {point["service"] for point in run["points"]} == {"tornado", "flask-threads"}
    for point in run["points"]:
        # Other processes may keep the core busy; nothing else may be wrong.
        wrong = [why for why in point["invalid_because"] if "core" not in why]
        assert [why for why in wrong if "the backend was late" not in why] == []
        assert point["failures"] == 0
        assert 0 < point["cpu_ms_per_request"] < 50
        assert 5e6 < point["rss_bytes"] < 1e9
        assert point["generator_cpu"] > 0
        for name in ("strangers_service", "strangers_load", "steal_service", "steal_load"):
            assert (point.get(name) is not None) == engine.here
    assert status == int(not all(point["valid"] for point in run["points"]))
    assert left(engine, runtime.project) == []


def test_a_bench_with_tls_in_containers(engine: Engine, tmp_path: Path) -> None:
    """Of one server that is told by its own options, and of one that has a context of Python's."""
    plain = [catalog.load("tornado"), catalog.load("flask-threads")]
    services = [replace(one, transport=how) for one in plain for how in catalog.TRANSPORTS]
    runtime = ComposeRuntime("a test", [service.name for service in plain], SETTINGS)

    rounds.run("tiny", [Part(TINY, services, {}, runtime)], tmp_path)

    (record,) = tmp_path.glob("*/run.json")
    points = json.loads(record.read_text())["points"]
    assert sorted(point["service"] for point in points) == [
        *("flask-threads", "flask-threads@tls", "tornado", "tornado@tls")
    ]
    for point in points:
        assert point["requests"] > point["users"], point
        assert point["failures"] == 0
        assert 0 < point["cpu_ms_per_request"] < 50
    assert left(engine, runtime.project) == []


def test_usage_is_that_of_the_container_and_comes_at_once(runtime: ComposeRuntime) -> None:
    with runtime.service(catalog.load("tornado")) as running:
        started = time.monotonic()
        before = running.usage()
        for _ in range(5):
            running.usage()
        took_s = time.monotonic() - started
        stats = runtime.engine.ask(
            "GET", f"/containers/{running.container}/stats", {"stream": "false"}
        )
        after = running.usage()
    assert took_s < 3  # the engine needs a second or more for each
    assert before.cpu_s <= stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9 <= after.cpu_s
    assert 0 < after.rss_bytes <= stats["memory_stats"]["usage"] * 1.1


def test_the_footprint_is_that_of_the_service(runtime: ComposeRuntime) -> None:
    with runtime.service(catalog.load("tornado")) as running:
        usage, plain = running.usage(), running.footprint(switches=False)
        whole = running.footprint(switches=True)
    for found in (plain, whole):
        assert found.threads is not None
        assert found.descriptors is not None
        assert found.pss_bytes is not None
        assert 1 <= found.threads < 50
        assert 3 < found.descriptors < 100
        assert 5e6 < found.pss_bytes < 2 * usage.rss_bytes + 50e6
    assert plain.voluntary_switches is None
    assert (whole.voluntary_switches or 0) > 0


def test_what_runs_in_its_containers_is_no_stranger(
    engine: Engine, runtime: ComposeRuntime
) -> None:
    """Nor are processes that the engine starts there later; those of other containers are."""
    if not engine.here:
        pytest.skip("the containers' processes are another system's")
    with runtime.service(catalog.load("tornado")) as running:
        docker("exec", "--detach", running.container, "sleep", "60")
        path = f"/containers/{running.container}/top"
        own: dict[int, str] = {}
        # The engine answers before its process has become `sleep`; until then it has no words.
        until = time.monotonic() + 10
        while "sleep 60" not in own.values() and time.monotonic() < until:
            table = engine.ask("GET", path, {"ps_args": "-o pid,args"})["Processes"]
            own = {int(pid): command for pid, command in table}
        found = runtime.look()
    assert found
    assert "sleep 60" in own.values()
    here = [pid for pid in own if pid in found.processes]  # a health check may have ended
    assert len(here) > 2
    assert [own[pid] for pid in here if not found.is_own(pid)] == []
    assert found.is_own(os.getpid())
    assert not found.is_own(1)
    assert not replace(found, tops=[os.getpid()]).is_own(min(own))


def test_a_service_that_dies_is_told_from_one_that_runs(runtime: ComposeRuntime) -> None:
    with runtime.service(catalog.load("tornado")) as running:
        runtime.engine.ask("POST", f"/containers/{running.container}/kill")
        with pytest.raises(ServiceFailed, match="tornado exited with 137 in mid-run"):
            running.usage()


def test_a_service_that_does_not_start_says_why(engine: Engine) -> None:
    with ComposeRuntime("a test", ["sanic"], {**SETTINGS, "CONCURRENCY": "many"}) as runtime:
        told = pytest.raises(ServiceFailed, match="sanic exited with 1 before it was ready")
        with told as failed, runtime.service(catalog.load("sanic")):
            pytest.fail("it started")
        assert "CONCURRENCY must be" in failed.value.log_tail
        assert engine.found("containers", runtime.project, "sanic") == []


@pytest.mark.parametrize("workers", [None, "2"])
def test_workers_are_passed_on_where_somebody_asks(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, workers: str | None
) -> None:
    monkeypatch.delenv("WORKERS", raising=False)
    asked = {"WORKERS": workers} if workers else {}
    settings = {"CONCURRENCY": "5", "BACKEND_TIMEOUT_S": "10", **asked}
    with ComposeRuntime("a test", ["tornado"], settings) as runtime:
        with runtime.service(catalog.load("tornado")) as running:
            status, environment = docker("exec", running.container, "env")
        found = dict(line.split("=", 1) for line in environment.splitlines())
    assert status == 0
    assert (found.get("WORKERS"), found["CONCURRENCY"]) == (workers, "5")


def test_a_file_env_counts_for_nothing(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings come only from the environment, as in the local runtime."""
    names = ("WORKERS", "CONCURRENCY", "BACKEND_TIMEOUT_S")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    (tmp_path / ".env").write_text("".join(f"{name}=3\n" for name in names))
    monkeypatch.setattr("loadtests.runtime.project.ROOT", tmp_path)
    status, said = docker(*ComposeRuntime("a test", [], SETTINGS).command("config"))
    assert status == 0
    assert all(re.search(rf"^ +{name}: null$", said, re.M) for name in names)
    assert all(f'{name}: "3"' not in said for name in names)


def test_a_killed_harness_leaves_no_container(engine: Engine) -> None:
    script = """
import time
from loadtests.runtime.compose import ComposeRuntime
with ComposeRuntime("a test", [], {}) as runtime:
    print(runtime.project, flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        project = next(line.strip() for line in harness.stdout if line.startswith("waiting-"))
        assert left(engine, project)
        harness.kill()
    deadline = time.monotonic() + 30
    while left(engine, project) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left(engine, project) == []


@pytest.mark.parametrize("after_s", [0.0, 0.3, 2.0])
def test_a_killed_generator_is_gone_and_another_can_start(
    engine: Engine, runtime: ComposeRuntime, after_s: float
) -> None:
    with runtime.service(catalog.load("tornado")):
        generator = runtime.generator(plan(runtime, window_s=60))
        with pytest.raises(subprocess.TimeoutExpired):
            generator.wait(after_s)
        generator.kill()
        generator.communicate(timeout=10)
        assert engine.found("containers", runtime.project, "locust") == []
        another = runtime.generator(plan(runtime, window_s=0.1))
        _, complaints = another.communicate(timeout=20)
        assert another.returncode == 0, complaints


def test_the_generator_speaks_as_it_goes(runtime: ComposeRuntime) -> None:
    with runtime.service(catalog.load("tornado")):
        generator = runtime.generator(plan(runtime, window_s=2.0))
        assert generator.stdout is not None
        events = [(json.loads(line)["event"], time.monotonic()) for line in generator.stdout]
        assert generator.wait(20) == 0
        generator.kill()
        generator.communicate()
    assert [name for name, _ in events] == ["ready", "opening", "open", "over", "close"]
    assert 1.8 < events[3][1] - events[2][1] < 4


def test_one_core_is_not_split(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    class OneCore(Engine):
        def __init__(self) -> None:
            super().__init__()
            self.cores = 1

    monkeypatch.setattr(compose, "Engine", OneCore)
    with ComposeRuntime("a test", [], SETTINGS) as runtime:
        assert (runtime.pinned, runtime.load_cpus) == (False, [])
        backend = engine.ask("GET", f"/containers/{runtime.container('backend')}/json")
        assert backend["HostConfig"]["CpusetCpus"] == ""


def test_an_image_that_cannot_be_built_is_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_IMAGE", "Not An Image")
    runtime = ComposeRuntime("a test", ["tornado"], SETTINGS)
    with pytest.raises(InstallError, match="could not be built") as failed, runtime:
        pytest.fail("it was built")
    assert "Not An Image" in str(failed.value)
    assert left(engine, runtime.project) == []


class Command:
    """`python -m loadtests …` as at a terminal: its group gets the signals of the keyboard."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "loadtests", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.project = f"waiting-services-{self.process.pid}-"
        self.said = ""
        self._watchdog = threading.Timer(COMMAND_S, self.process.kill)
        self._watchdog.start()

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self._watchdog.cancel()

    def wait_for(self, text: str) -> None:
        """Read until a line holds `text`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if text in line:
                return
        pytest.fail(f"it never said {text!r}:\n{self.said}")

    def end(self, number: signal.Signals) -> int:
        """Signal the whole group, as a terminal does; the exit status."""
        os.killpg(self.process.pid, number)
        output, _ = self.process.communicate(timeout=COMMAND_S)
        self.said += output
        return self.process.returncode


@pytest.mark.parametrize("at", ["building", "[1/"])
def test_ctrl_c_leaves_nothing(engine: Engine, tmp_path: Path, at: str) -> None:
    services = ("--services", "sanic tornado", "--results", str(tmp_path))
    with Command("bench", "--profile", "smoke", "--runtime", "compose", *services) as command:
        command.wait_for(at)
        assert command.end(signal.SIGINT) == 130, command.said
    assert "Traceback" not in command.said
    assert bool(list(tmp_path.glob("*/report.html"))) == (at == "[1/")
    assert left(engine, command.project) == []


def test_the_web_ui_until_sigterm(engine: Engine) -> None:
    with Command("ui", "--runtime", "compose", "--services", "sanic tornado") as command:
        command.wait_for("Locust's web UI: http://127.0.0.1:8089")
        page = fetch("http://127.0.0.1:8089/")[1].decode()
        assert '"sanic"' in page
        assert '"tornado"' in page
        assert '"flask-gevent"' not in page
        assert command.end(signal.SIGTERM) == 0, command.said
    assert "Traceback" not in command.said
    assert left(engine, command.project) == []


@pytest.mark.parametrize("fault", ["kill", "freeze", "no-name"])
def test_a_backend_that_was_disturbed_is_mended(runtime: ComposeRuntime, fault: str) -> None:
    """Its container does not answer by its name meanwhile, and does again once it is mended."""
    code = f"import urllib.request as u; u.urlopen('{runtime.backend_url}/health', timeout=1)"

    def answers() -> bool:
        return docker("exec", runtime._locust(), "python", "-c", code)[0] == 0

    assert answers()
    runtime.disturb(fault)
    assert not answers()
    runtime.mend()
    assert answers()
    runtime.mend()  # nothing is to be undone


def points_of(runtime: ComposeRuntime, folder: Path, *faults: str) -> list[dict[str, Any]]:
    """The points that a run of these faults over flask-threads keeps."""
    profile = profiles.made(
        "faults", kind="faults", title="", faults=faults, delay_s=0.05,
        rate_rps=20, fault_s=1.0, timeout_s=8.0, rounds=1, warmup_s=0.3, window_s=12.0,
    )  # fmt: skip
    rounds.run("faults", [Part(profile, [catalog.load("flask-threads")], {}, runtime)], folder)
    (record,) = folder.glob("*/run.json")
    points: list[dict[str, Any]] = json.loads(record.read_text())["points"]
    assert [point["fault"]["kind"] for point in points] == list(faults)
    for point in points:
        assert point["problems"] == [], point
        assert "skipped" not in point["fault"]
    return points


def test_faults_in_containers(engine: Engine, tmp_path: Path) -> None:
    runtime = ComposeRuntime("a test", ["flask-threads"], FAULTS)
    for point in points_of(runtime, tmp_path, "kill", "freeze", "no-name"):
        about = point["fault"]
        assert (about["wrong"], about["none"]) == (0, 0), about
        # A busy engine may take longer than a timeout; a second attempt may hide what is short.
        assert about["right"] > 0, about
        assert about["error"] > 0 or about["kind"] != "kill", about
        assert point["recovery_s"] is not None
    assert left(engine, runtime.project) == []


def test_a_container_that_hides_that_there_is_no_name(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.yaml"
    program = f"{FAULTY}:/faulty.py:ro"
    command = ["python", "/faulty.py", "flask-threads", "makes-up"]
    changed = {"command": command, "volumes": [program]}
    other.write_text(json.dumps({"services": {"flask-threads": changed}}), encoding="utf-8")
    monkeypatch.setattr(compose.own_container, "written", lambda *_: nullcontext([other]))
    runtime = ComposeRuntime("a test", ["flask-threads"], FAULTS)
    (point,) = points_of(runtime, tmp_path / "results", "no-name")
    about = point["fault"]
    assert about["wrong"] >= about["during"] - about["right_during"] > 0, about
    assert about["right"] > about["right_during"], about  # afterwards it is well
