"""Service and backend on another machine, which is a second Engine behind a link of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests import catalog, runtime
from loadtests.bench import profiles, rounds
from loadtests.bench.plan import Part
from loadtests.catalog import ROOT
from loadtests.errors import Failure, UsageError
from loadtests.runtime.engine import Engine
from loadtests.runtime.lease import LAPSES_S
from loadtests.runtime.places import VARIABLES
from loadtests.runtime.ports import free_port
from loadtests.runtime.project import Project, a_name, variables
from tests.compose import another_machine
from tests.compose.another_machine import HERE, HOST, AnotherMachine, relayed
from tests.compose.conftest import SETTINGS

IMAGES = ("waiting-services-backend", "waiting-services-tornado")
TINY = profiles.made(
    "tiny", title="Tiny", users=(5, 10), delay_s=0.1, rounds=1, warmup_s=0.3, window_s=1.0
)
# A run of two points that are long enough to be cut off in the second one.
LONG = """
import sys
from pathlib import Path
from loadtests import catalog
from loadtests.bench import rounds
from loadtests.bench.plan import Part
from loadtests.runtime import choose
from tests.compose.test_hosts import SETTINGS, TINY, long
services = [catalog.load("tornado")]
part = Part(long(TINY), services, {}, choose("compose", services, SETTINGS))
sys.exit(rounds.run("tiny", [part], Path(sys.argv[1])))
"""


def long(profile: profiles.Profile) -> profiles.Profile:
    """The same with windows of 15 s."""
    return replace(profile, window_s=15.0)


@pytest.fixture(scope="module")
def machine(engine: Engine) -> Iterator[AnotherMachine]:
    """The other one, with the images of this checkout."""
    if reason := another_machine.why_not():
        pytest.skip(reason)
    Project(engine, a_name(), variables([], [], [], spread=False)).build("backend", "tornado")
    with AnotherMachine() as machine:
        machine.bring(*IMAGES)
        yield machine


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SERVICE_HOST", HOST)
    monkeypatch.setenv("BUILD", "0")


def measured(results: Path) -> dict[str, object]:
    """`run.json` of a run of TINY."""
    services = [catalog.load("tornado")]
    there = runtime.choose("compose", services, SETTINGS)
    rounds.run("tiny", [Part(TINY, services, {}, there)], results)
    (record,) = results.glob("*/run.json")
    run: dict[str, object] = json.loads(record.read_text())
    return run


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.5)
    return true()


def test_a_bench_over_a_link_of_a_millisecond(
    machine: AnotherMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = free_port(), free_port()
    monkeypatch.setenv("SERVICE_ADDRESS", f"127.0.0.1:{ports[0]}")
    monkeypatch.setenv("BACKEND_ADDRESS", f"127.0.0.1:{ports[1]}")
    with relayed(*ports):
        run = measured(tmp_path)
    assert run["runtime"] == "compose"
    for role in ("service", "backend"):
        about = run["machines"][role]  # type: ignore[index]
        assert (about["host"], about["cores"]) == (HOST, machine.engine.cores)
        assert about["cpu"] == run["machine"]["cpu"]  # type: ignore[index]
    trips = run["instruments"]["round_trips"]  # type: ignore[index]
    assert trips["load_service"]["least_ms"] >= 1
    assert trips["load_backend"]["least_ms"] >= 1
    assert 0 < trips["service_backend"]["least_ms"] < 1  # they are beside each other
    points = run["points"]
    assert isinstance(points, list)
    assert [point["users"] for point in points] == [5, 10]
    for point in points:
        assert (point["failures"], point["backend_apart"]) == (0, True), point
        assert point["requests"] > 0
        assert point["max_ms"] >= 101
        assert 0 < point["cpu_ms_per_request"] < 50
        assert 5e6 < point["rss_bytes"] < 1e9
        assert point["threads"] == 1  # the lease is none of the service's
        # A user's wait and the way there: no service can do more.
        least_s = 0.1 + (trips["load_service"]["least_ms"] + 0.01) / 1000
        assert point["ceiling_rps"] < point["users"] / least_s
        for name in ("strangers_service", "strangers_load", "steal_service", "shared_cores"):
            assert name not in point  # not seen from here
    report = next(tmp_path.glob("*/report.md")).read_text()
    assert "Round trip between machines: " in report
    assert f"SERVICE_HOST={HOST}" in report
    assert machine.containers(running=False) == []


def test_the_backend_on_a_machine_of_its_own(
    machine: AnotherMachine, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it is the first Engine's, which the service reaches over the link."""
    monkeypatch.setenv("BACKEND_HOST", engine.endpoint)
    monkeypatch.setenv("BACKEND_ADDRESS", f"{HERE}:{free_port(HERE)}")
    run = measured(tmp_path)
    assert run["machines"]["service"]["host"] == HOST  # type: ignore[index]
    assert run["machines"]["backend"]["host"] == engine.endpoint  # type: ignore[index]
    points = run["points"]
    assert isinstance(points, list)
    assert [point["failures"] for point in points] == [0, 0]
    assert all(point["backend_calls"] > 0 for point in points)
    assert machine.containers(running=False) == []


def test_a_link_that_is_cut_leaves_nothing(machine: AnotherMachine, tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-c", LONG, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout is not None
        said = ""
        try:
            for line in run.stdout:
                said += line
                if "[1/2" in line:
                    machine.cut()
            assert run.wait(60) == 1, said
        finally:
            run.kill()
    try:
        assert f"SERVICE_HOST={HOST} does not answer: the link to it was cut" in said
        assert "cannot be reached: what runs there ends by itself" in said
        (record,) = tmp_path.glob("*/run.json")
        first, second = json.loads(record.read_text())["points"]
        assert first["requests"] > 0
        assert "does not answer" in second["invalid_because"][0]
        # Nobody can reach them: they end by themselves, and go when the link is back.
        assert wait_until(lambda: machine.containers(running=True) == [], 3 * LAPSES_S), said
    finally:
        machine.mend()
    assert wait_until(lambda: machine.containers(running=False) == [], 90)


def test_a_killed_harness_leaves_nothing(machine: AnotherMachine, tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-c", LONG, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert any("round trip between machines" in line for line in run.stdout)
        assert machine.containers(running=True)
        run.kill()
    assert wait_until(lambda: machine.containers(running=False) == [], 90)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"SERVICE_ADDRESS": "198.18.255.254:8080"},
            "198.18.255.254:8080 is not reached from here",
        ),
        (
            {"BACKEND_HOST": "FIRST"},
            "BACKEND_ADDRESS must say where it is reached",
        ),
        (
            {"BACKEND_HOST": "FIRST", "BACKEND_ADDRESS": "127.0.0.1:18081"},
            "127.0.0.1:18081 is not reached from the service's machine",
        ),
    ],
)
def test_an_address_that_is_not_reached_is_told(
    machine: AnotherMachine,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str],
    told: str,
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value.replace("FIRST", engine.endpoint))
    services = [catalog.load("tornado")]
    with pytest.raises(UsageError, match=told), runtime.choose("auto", services, SETTINGS):
        pytest.fail("it started")
    assert machine.containers(running=False) == []


def test_an_image_that_is_not_there_is_told(machine: AnotherMachine) -> None:
    there = runtime.choose("auto", [catalog.load("sanic")], SETTINGS)
    lacking = (
        f"lacks waiting-services-sanic: docker save waiting-services-sanic | docker --host {HOST}"
    )
    with pytest.raises((Failure, UsageError), match=re.escape(lacking)), there:
        pytest.fail("it started")
