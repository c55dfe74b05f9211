"""`rounds.run` over small services: what ends up in run.json, and what is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commandline import runs_in
from conftest import Stage
from test_generator import without_lateness

from loadtests import record
from loadtests.bench import measure, rounds, rules
from loadtests.bench.plan import Part
from loadtests.bench.profiles import Profile, made
from loadtests.catalog import Service
from loadtests.record import Point, Run, folders
from loadtests.runtime import ServiceFailed
from loadtests.runtime.local import LocalRuntime
from loadtests.runtime.process import fetch


def profile(**other: Any) -> Profile:
    settings: dict[str, Any] = {"rounds": 1, "warmup_s": 0.1, "window_s": 0.5}
    if "kind" not in other:
        settings |= {"users": (2, 5), "delay_s": 0.05}
    return made(**{"name": "tiny", "title": "", **settings, **other})


def parts(runtime: LocalRuntime, services: list[Service], *of: Profile) -> list[Part]:
    return [Part(one, services, {}, runtime) for one in of or [profile()]]


def run(
    runtime: LocalRuntime, services: list[Service], folder: Path, **other: Any
) -> tuple[int, Run]:
    """The exit status and the record."""
    status = rounds.run("tiny", parts(runtime, services, profile(**other)), folder)
    (left,) = (path for path in folder.iterdir() if path.is_dir())
    assert {"run.json", "report.md", "report.html"} <= {path.name for path in left.iterdir()}
    assert left.name.endswith("-tiny")
    return status, record.load(left / "run.json")


def of(result: Run, name: str) -> list[Point]:
    return [point for point in result.points if point.service == name]


def test_all_is_well(stage: Stage, runtime: LocalRuntime, tmp_path: Path) -> None:
    status, result = run(runtime, stage("one", "two"), tmp_path / "results", rounds=2, users=(5,))
    assert [point.invalid_because for point in result.points] == [[]] * 4
    assert status == 0
    assert result.finished_at
    assert_every_second_is_accounted_for(result)
    assert (result.runtime, result.runtime_because) == ("local", "a test asks for it")
    for point in result.points:
        assert (point.ceiling_rps, point.binding) == (point.users / 0.05, "users")
        assert point.efficiency == pytest.approx(point.rps / point.ceiling_rps, abs=1e-4)
        assert point.rps == pytest.approx(point.requests / point.duration_s, abs=0.01)
        # Not known where a pause came between a window's end and the look at it.
        assert point.cpu_ms_per_request is None or 0 < point.cpu_ms_per_request < 50
        for took in ("strangers_service", "strangers_load", "steal_service", "steal_load"):
            assert sys.platform != "linux" or 0 <= getattr(point, took) <= 1.1
        assert point.backend_late_p99_ms is not None
        assert point.rss_bytes is not None
        assert 5e6 < point.rss_bytes < 1e9
    assert any(point.cpu_ms_per_request for point in result.points)
    assert [(row.service, row.users, row.rounds) for row in result.summary] == [
        (name, 5, 2) for name in dict.fromkeys(p.service for p in result.points)
    ]
    with pytest.raises(OSError, match="refused"):  # nothing is left of the backend
        fetch(f"{runtime.backend_url}/health")


@pytest.mark.parametrize(("between_s", "cpu_ms"), [(8.1, 0.5), (7.9, 0.5), (7.0, None), (9, None)])
def test_cpu_time_is_that_of_the_window(between_s: float, cpu_ms: float | None) -> None:
    """Where the bench looks at its ends too late, it is not known."""
    point = Point(
        profile="p", service="s", scenario="u", round=1, users=1, rate_rps=None, delay_s=0.1,
        duration_s=8.0,
    )  # fmt: skip
    measure.fill(point, {"requests": 1000, "failures": 0}, {"cpu_s": 0.5, "between_s": between_s})
    assert (point.rps, point.cpu_ms_per_request) == (125, cpu_ms)


KINDS: dict[str, dict[str, Any]] = {
    "composite": {"users": (3,), "delay_s": 0.05, "burst_ms": 0.001, "window_s": 1.8},
    "interference": {
        "users": (5,),
        "delay_s": 0.01,
        "rate_rps": 50,
        "heavy_rate_rps": 8,
        "burst_ms": 5.0,
        "window_s": 1.5,
    },
    "chat": {"connections": (0, 5), "deliveries_rps": 100, "window_s": 1.0},
    "pollers": {"users": (4,), "delay_s": 0.01, "rate_rps": 80, "connections": (5,)},
    "file": {"users": (3,), "size": 300_000},
    "payload": {"users": 3, "delay_s": 0.05, "sizes": (0, 20_480)},
    "open": {"rates": (40,), "delay_s": 0.05, "window_s": 1.0},
    "cost": {"rates": (40,), "delay_s": 0.05, "window_s": 1.0},
    "capacity": {"limit_ms": 200, "delay_s": 0.01, "window_s": 1.0},
}
# Of one service and round: the scenarios, and the ceiling and what binds.
EXPECTED: dict[str, tuple[list[str], list[float | None], str]] = {
    "composite": (["composite-3-users-50ms"], [20.0], "users"),
    "interference": (
        ["interference-50rps-5-users-alone", "interference-50rps-5-users-together"],
        [50.0, 50.0],
        "rate",
    ),
    "chat": (["chat-0-connections", "chat-5-connections"], [None, 100.0], "rate"),
    "pollers": (["pollers-80rps-4-users-5-idle"], [80.0], "rate"),
    "file": (["file-3-users-292kib"], [None], ""),
    "payload": (
        ["payload-3-users-50ms-0kib", "payload-3-users-50ms-20kib"],
        [60.0, 60.0],
        "users",
    ),
    "open": (["open-40rps-50ms"], [40.0], "rate"),
    "cost": (["cost-40rps-50ms"], [40.0], "rate"),
    "capacity": (["capacity-10ms-limit-200ms"], [None], ""),
}


def test_every_kind_in_one_run(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile of each kind in one run, as in `make bench PROFILE=everything`."""
    monkeypatch.setattr(rules, "MAX_LAG_MS", 1000.0)
    all_kinds = [profile(name=kind, kind=kind, **of) for kind, of in KINDS.items()]
    status = rounds.run(
        "everything", parts(runtime, stage(slow="queues"), *all_kinds), tmp_path / "results"
    )
    (left,) = runs_in(tmp_path / "results")
    result = record.load(left / "run.json")
    wrong = [without_lateness(point.invalid_because) for point in result.points[:-1]]
    assert wrong == [[]] * 11
    (found,) = of_profile(result, "capacity")
    assert all("generator" in reason for reason in found.invalid_because)  # on a busy machine
    assert status == (0 if all(point.valid for point in result.points) else 1)
    assert (result.profile, list(result.workloads)) == ("everything", list(KINDS))
    assert [of["kind"] for of in result.workloads.values()] == list(KINDS)
    for kind, (scenarios, ceilings, binding) in EXPECTED.items():
        points = [point for point in result.points if point.profile == kind]
        assert [point.scenario for point in points] == scenarios
        assert [point.ceiling_rps for point in points] == ceilings
        assert points[-1].binding == binding
        for point in points:
            assert (point.efficiency is None) == (point.ceiling_rps is None)
            assert point.rss_bytes
    assert found.capacity_rps
    failed = [probe["because"] for probe in found.probes if not probe["sustained"]]
    assert failed and (found.failed_at_rps or found.search_ended)
    (arrived,) = of_profile(result, "open")
    assert arrived.sent_histogram
    assert arrived.arrivals == "poisson" and arrived.due
    (cheap,) = of_profile(result, "cost")
    assert cheap.voluntary_switches is not None
    assert [point.idle_connections for point in of_profile(result, "chat")] == [0, 5]
    assert [point.heavy_requests is None for point in of_profile(result, "interference")] == [
        True,
        False,
    ]


def of_profile(result: Run, name: str) -> list[Point]:
    return [point for point in result.points if point.profile == name]


def test_one_service_under_two_names(stage: Stage, runtime: LocalRuntime, tmp_path: Path) -> None:
    one, two = stage("one", "two")
    again = replace(one, again=True)
    status, result = run(runtime, [one, two, again], tmp_path / "results", users=(5,), rounds=2)
    assert [point.invalid_because for point in result.points] == [[]] * 6
    assert status == 0
    names = {"one", "two", "one-again"}
    for number in (1, 2):
        assert {point.service for point in result.points if point.round == number} == names
    assert {row.service for row in result.summary} == set(result.services) == names
    assert result.services["one-again"] == result.services["one"] | {"again_of": "one"}
    assert "again_of" not in result.services["one"]


def test_connections_are_not_counted_where_a_service_keeps_none(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path
) -> None:
    keeps, closes = stage("keeps", "closes")
    closes = replace(closes, exceptions={"keep-alive": "a worker would only wait"})
    _, result = run(runtime, [keeps, closes], tmp_path / "results", users=(5,))
    assert [point.connections for point in of(result, "keeps")] == [5]
    assert [point.connections for point in of(result, "closes")] == [None]


def test_services_left_out_are_recorded_with_the_reason(
    stage: Stage,
    runtime: LocalRuntime,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good, unable = stage("good", "unable")
    one = Part(profile(kind="file", **KINDS["file"]), [good], {unable: "it reads nothing"}, runtime)
    rounds.run("tiny", [one], tmp_path / "results")
    result = record.load(next((tmp_path / "results").glob("*/run.json")))
    assert {point.service for point in result.points} == {"good"}
    assert result.workloads["tiny"]["left_out"] == {"unable": "it reads nothing"}
    assert result.workloads["tiny"]["route"] == "/file"
    assert result.services["unable"]["info"] is None
    assert "tiny: without unable: it reads nothing\n" in capsys.readouterr().out


def test_calls_that_are_not_made(stage: Stage, runtime: LocalRuntime, tmp_path: Path) -> None:
    status, result = run(
        runtime, stage(lazy="skimps"), tmp_path / "results", kind="composite", **KINDS["composite"]
    )
    (point,) = result.points
    assert (status, point.failures) == (1, 0)
    assert any(reason.endswith("requests of 12 calls each") for reason in point.invalid_because)


def test_a_step_that_cannot_be_measured(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path
) -> None:
    crowds = {**KINDS["pollers"], "connections": (5, 30)}
    status, result = run(
        runtime, stage(small="full"), tmp_path / "results", kind="pollers", **crowds
    )
    held, refused = result.points
    assert (status, held.invalid_because) == (1, [])
    (reason,) = refused.invalid_because
    assert "of 30 connections could be held" in reason
    assert (refused.idle_connections, refused.requests, refused.p50_ms) == (30, 0, None)


def assert_every_second_is_accounted_for(result: Run) -> None:
    assert result.spent is not None
    seconds = dict(result.spent)
    wall_s = seconds.pop("wall_s")
    assert wall_s == pytest.approx(sum(seconds.values()), abs=0.5)
    windows_s = sum(point.duration_s for point in result.points)
    assert windows_s - 0.5 <= seconds["measuring_s"] <= windows_s + 2
    names = {"installing_s", "starting_s", "warming_up_s", "stopping_s", "reporting_s"}
    assert names <= seconds.keys()
    assert min(seconds.values()) >= 0


def test_the_order_differs_by_round_and_follows_from_the_seed() -> None:
    services = [Service(name, *[""] * 6, "stock") for name in "abcdefgh"]
    turns = list(rounds._order(services, 3, seed=5))
    assert turns == list(rounds._order(services, 3, seed=5))
    assert turns != list(rounds._order(services, 3, seed=6))
    orders = [[s.name for s, number in turns if number == of_round] for of_round in (1, 2, 3)]
    assert [sorted(order) for order in orders] == [list("abcdefgh")] * 3
    assert len({tuple(order) for order in orders}) == 3
    assert [number for _, number in turns] == [1] * 8 + [2] * 8 + [3] * 8


@pytest.mark.usefixtures("impatient")
def test_the_others_go_on(stage: Stage, runtime: LocalRuntime, tmp_path: Path) -> None:
    faults = {
        "exits": "exited with 1 before it was ready",
        "deaf": "was not ready within 3 s",
        "garbles": "GET /?delay=0.01 was answered with 200",
        "misinforms": "GET /info was answered with 200",
        "poses": "/info is that of 'another'",
        "holder": "was still held",
        "skips": "the wait was skipped",
        "ignores": "the backend received 0 calls",
        "mixes": "wrong body)",
    }
    services = stage("good", **{name: name for name in faults})
    status, result = run(runtime, services, tmp_path / "results", users=(5,))
    os.kill(int((services[0].folder.parent / "holder" / "child.pid").read_text()), signal.SIGKILL)
    assert status == 1
    assert [point.valid for point in of(result, "good")] == [True]
    for name, reason in faults.items():
        (point,) = of(result, name)
        assert not point.valid, name
        assert any(reason in because for because in point.invalid_because), point.invalid_because
    assert of(result, "exits")[0].log_tail == "the last words of a service"
    assert of(result, "deaf")[0].log_tail == "listens to nobody"
    assert {row.service for row in result.summary if row.valid} == {"good"}
    report = runs_in(tmp_path / "results")[0] / "report.md"
    assert "the last words of a service" in report.read_text()


def test_a_service_that_dies_in_mid_run(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path
) -> None:
    """The service ends after 30 requests: enough for two users, and no more."""
    status, result = run(
        runtime, stage(mortal="dies"), tmp_path / "results", users=(1, 5), window_s=1.0
    )
    alive, dead = of(result, "mortal")
    assert status == 1
    assert alive.requests > 5
    assert not dead.valid
    assert dead.invalid_because == ["mortal exited with 7 in mid-run"]
    assert dead.log_tail.endswith("the last words of a service")


def test_a_generator_that_crashes_or_hangs(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash, hang = "raise SystemExit('out of luck')", "import time; time.sleep(300)"
    todo = iter([crash, hang])

    def generator(plan: str) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([sys.executable, "-c", next(todo)], text=True, **pipes)

    monkeypatch.setattr(runtime, "generator", generator)
    monkeypatch.setattr(measure, "SLACK_S", 1.0)
    status, result = run(runtime, stage("one"), tmp_path / "results", users=(5,), rounds=2)
    crashed, hung = result.points
    assert status == 1
    assert crashed.invalid_because == ["the generator ended with 1"]
    assert crashed.log_tail == "out of luck"
    assert hung.invalid_because == ["the generator ended with -9"]


def test_the_backend_does_not_start(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = stage("one")
    link = tmp_path / "services" / "backend"
    link.unlink()
    link.mkdir()
    (link / "serve").write_text("#!/bin/sh\necho no core for me\nexit 4\n")
    (link / "serve").chmod(0o755)
    with pytest.raises(ServiceFailed, match="backend exited with 4") as caught:
        rounds.run("tiny", parts(runtime, services), tmp_path / "results")
    assert caught.value.log_tail == "no core for me"
    assert not (tmp_path / "results").exists()


def test_an_interrupt_keeps_the_points_that_are_done(
    stage: Stage,
    runtime: LocalRuntime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def show(self: object, point: Point) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rounds.Progress, "show", show)
    status, result = run(runtime, stage("one", "two"), tmp_path / "results")
    assert status == 130
    assert len(result.points) == 1
    assert result.finished_at is None
    assert "interrupted: 1 of 4 points are in the report" in capsys.readouterr().out


def test_measured_points_are_kept_whatever_happens(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(self: object, point: Point) -> None:
        if point.round == 2:
            raise RuntimeError("a defect")

    monkeypatch.setattr(rounds.Progress, "show", show)
    with pytest.raises(RuntimeError, match="a defect"):
        run(runtime, stage("one"), tmp_path / "results", rounds=2, users=(5, 10))
    (left,) = (tmp_path / "results").glob("*/run.json")
    assert [(p.round, p.users) for p in record.load(left).points] == [(1, 5), (1, 10), (2, 5)]


def test_an_interrupt_before_the_first_point(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generator(plan: str) -> subprocess.Popen[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(runtime, "generator", generator)
    assert rounds.run("tiny", parts(runtime, stage("one")), tmp_path / "results") == 130
    assert not (tmp_path / "results").exists()


def test_runs_of_the_same_second_have_a_folder_each(tmp_path: Path) -> None:
    of_run = ("2026-11-20T14:05:00Z", "amd-epyc-2c", "tiny")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: folders.new(tmp_path, *of_run), range(8)))
    names = sorted(folder.name for folder in made)
    first = "2026-11-20T140500Z-amd-epyc-2c-tiny"
    assert names == [first, *(f"{first}-{number}" for number in range(2, 9))]
