"""A perfect service: the generator straight at the backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import run_clients
import run_costs
import runs
from conftest import Stage
from pages import page
from test_bench import KINDS, parts, profile, run

from loadtests.bench import perfect, rules
from loadtests.bench.generating import plan_of, told
from loadtests.bench.profiles import Profile
from loadtests.bench.progress import Progress
from loadtests.record import Point, Run
from loadtests.report import build
from loadtests.runtime import ServiceFailed
from loadtests.runtime.local import LocalRuntime
from loadtests.workloads import KINDS as ALL_KINDS

MEASURE = perfect.measure  # which the stage replaces
STRAIGHT: dict[str, dict[str, Any]] = {
    "delay": {"users": (5, 10), "delay_s": 0.05},
    "clients": {"users": (5,), "delay_s": 0.05},
    "map": {"users": (5,), "delays": (0.01, 0.05)},
    "open": {**KINDS["open"], "even_rates": (40,)},
    "cost": KINDS["cost"],
    "capacity": KINDS["capacity"],
    "tail": {"delays": ("constant 0.05",), "rate_rps": 40},
}


@pytest.fixture
def real(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is measured, on however busy a machine."""
    monkeypatch.setattr(perfect, "measure", MEASURE)
    monkeypatch.setattr(rules, "MAX_LAG_MS", 1000.0)


def found(runtime: LocalRuntime, of: Profile) -> dict[str, dict[str, Any]]:
    (part,) = parts(runtime, [], of)
    with runtime:
        return perfect.measure(part, "7 1", None)


def test_those_that_can() -> None:
    assert {name for name, kind in ALL_KINDS.items() if kind.straight} == STRAIGHT.keys()
    for kind in ALL_KINDS.values():  # a service answers as the backend does there, and alike
        assert not kind.straight or (kind.route, kind.calls) == ("/", 1)


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("kind", STRAIGHT)
def test_a_kind(runtime: LocalRuntime, kind: str) -> None:
    of = profile(name=kind, kind=kind, **STRAIGHT[kind])
    measured = found(runtime, of)
    assert list(measured) == [step.scenario for step in of.steps()]
    for step, about in zip(of.steps(), measured.values(), strict=True):
        delay_s = of.delay_s_of(step)
        assert about["requests"] > 0
        assert about["failures"] == 0  # each body is the one that was asked for
        assert not [why for why in about["invalid_because"] if "backend received" in why]
        assert about["p50_ms"] >= 1000 * delay_s * rules.SHORTEST_WAIT
        if step.users:
            assert 0 < about["rps"] <= step.users / delay_s * rules.MAX_EFFICIENCY
            assert about["efficiency"] == pytest.approx(
                about["rps"] * delay_s / step.users, abs=1e-3
            )
        assert ("capacity_rps" in about) == (kind == "capacity")
        assert ("lag_p99_ms" in about) <= (kind in ("open", "cost", "capacity", "tail"))
        assert {"generator_cpu", "backend_cpu", "backend_late_p99_ms"} <= about.keys()


@pytest.mark.usefixtures("real")
def test_a_run_keeps_it_beside_its_points(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, result = run(
        runtime, stage("one"), tmp_path / "results", users=(2, 5), delay_s=0.05, rounds=2
    )
    scenarios = ["2-users-50ms", "5-users-50ms"]
    assert list(result.workloads["tiny"]["perfect"]) == scenarios
    assert {row.service for row in result.summary} == set(result.services) == {"one"}
    assert len(result.points) == 4
    assert result.spent and result.spent["perfect_service_s"] > 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("tiny: a perfect service")]
    assert all(f"{scenario} " in line for scenario in scenarios)
    assert lines.index(line) < min(n for n, text in enumerate(lines) if " round 1 " in text)


@pytest.mark.usefixtures("real")
def test_a_kind_of_more_than_a_call_goes_without(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path
) -> None:
    settings = {"kind": "file", **KINDS["file"]}
    _, result = run(runtime, stage("one"), tmp_path / "results", **settings)
    assert "perfect" not in result.workloads["tiny"]
    assert result.spent and "perfect_service_s" not in result.spent


def test_only_a_backend_is_asked_straight(stage: Stage, runtime: LocalRuntime) -> None:
    """A service has no such path, and a backend no other."""
    of = profile(users=(2,), delay_s=0.05)
    (service,) = stage("one")
    with runtime, runtime.service(service) as running:
        for host, straight in ((running.url, True), (runtime.backend_url, False)):
            plan = plan_of(runtime, host, of, of.steps(), "") | {"straight": straight}
            with pytest.raises(ServiceFailed, match=r"was answered with 404|closed after none"):
                list(told(runtime, plan, 30))


@pytest.mark.usefixtures("real")
def test_what_cannot_be_measured_stops_no_run(
    runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> None:
        raise ServiceFailed("the backend is gone")

    monkeypatch.setattr(perfect, "told", failing)
    assert found(runtime, profile(users=(2,), delay_s=0.05)) == {}
    said = capsys.readouterr().out
    assert said == "tiny: a perfect service could not be measured: the backend is gone\n"


def test_a_step_that_failed_has_no_figures(
    runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    why = {"event": "failed", "reason": "no rate was sustained", "duration_s": 0.0}
    monkeypatch.setattr(perfect, "told", lambda *_: [why])
    monkeypatch.setattr(perfect, "measure", MEASURE)
    assert found(runtime, profile(kind="capacity", **KINDS["capacity"])) == {}
    assert "capacity-10ms-limit-200ms failed: no rate was sustained" in capsys.readouterr().out


def test_too_few_answers_have_no_percentiles() -> None:
    about: dict[str, Any] = {"profile": "x", "service": "", "scenario": "", "round": 0}
    about |= {"users": 2, "rate_rps": None, "delay_s": 0.1, "duration_s": 1.0}
    few = Point(**about, requests=199, p50_ms=100.0, p99_ms=101.0)
    assert perfect.kept(few).keys() & {"p50_ms", "p99_ms", "capacity_rps"} == {"p50_ms"}


def test_the_time_it_takes_is_counted() -> None:
    of = profile(users=(2, 5), delay_s=0.05)
    assert of.straight_s() == of.turn_s() > 2 * (of.warmup_s + of.window_s)
    assert profile(kind="file", **KINDS["file"]).straight_s() == 0


def test_the_time_left_counts_it_once(
    stage: Stage, runtime: LocalRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    of = profile(users=(2,), delay_s=0.05, rounds=2, window_s=60.0)
    services = stage("one")
    progress = Progress(parts(runtime, services, of))
    assert progress._left_s == pytest.approx(3 * of.turn_s() + 2 * 4.5)
    about: dict[str, Any] = {"profile": "tiny", "service": "one", "scenario": "", "users": 2}
    for number in (1, 2):
        about |= {"rate_rps": None, "delay_s": 0.05, "duration_s": 1.0, "round": number}
        progress.show(Point(**about))
    assert [line.split(" left")[0] for line in capsys.readouterr().out.splitlines()] == [
        "[1/2, 1:06", "[2/2, 0:00",
    ]  # fmt: skip


def beside(made: Run) -> Run:
    """The run with a perfect service in each scenario, of a round figure each."""
    about = {"requests": 9000, "failures": 0, "rps": 4321.0, "efficiency": 0.987, "bound": ""}
    about |= {"p50_ms": 123.0, "p99_ms": 134.0, "capacity_rps": 4321.0, "valid": True}
    for name in made.workloads:
        scenarios = dict.fromkeys(row.scenario for row in made.summary if row.profile == name)
        found = {scenario: about | {"invalid_because": []} for scenario in scenarios}
        made.workloads[name] = made.workloads[name] | {"perfect": found}
    return made


REPORTED = {  # how many tables and charts of a kind have it
    "delay": (1, 3),
    "clients": (1, 1),
    "cost": (2, 0),
    "open": (5, 2),
    "capacity": (1, 1),
    "map": (3, 1),
}


def of_kind(kind: str) -> Run:
    if kind == "delay":
        return runs.made_up(users=(10, 1000))
    return run_clients.run() if kind == "clients" else run_costs.run(kind)


@pytest.mark.parametrize("kind", REPORTED)
def test_a_report_has_it_beside_the_services(kind: str) -> None:
    (before,) = build.tell(of_kind(kind))
    (after,) = build.tell(beside(of_kind(kind)))
    tables = [
        (old.rows, new.rows)
        for old, new in zip(before.tables, after.tables, strict=True)
        if old != new
    ]
    for old, (*services, last) in tables:
        assert services == old
        assert last.cells[0].text == "perfect service (no service at all)"
        shown = {cell.text for cell in last.cells[1:]} - {"–"}
        assert shown and shown <= {"4,320", "98.7", "123", "134"}
    pairs = zip(before.charts, after.charts, strict=True)
    drawn = [new for old, new in pairs if old.spec != new.spec]
    assert all("perfect service" in chart.caption for chart in drawn)
    assert (len(tables), len(drawn)) == REPORTED[kind]
    assert after.finding == before.finding
    assert [term for term, _ in after.terms if term not in dict(before.terms)] == [
        "perfect service"
    ]


def test_a_page_of_it_is_well_formed(tmp_path: Path) -> None:
    made = beside(runs.made_up(users=(10, 1000)))
    tables = page(made, tmp_path).tables
    caption = next(name for name in tables if name.startswith("At 1,000 users"))
    assert tables[caption][-1][0] == "perfect service (no service at all)"
    settings = {row[0] for row in tables["Workload: the profile standard"]}
    assert "delay s" in settings and "perfect" not in settings
