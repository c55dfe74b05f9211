"""A run of several profiles: it goes on where it was left, on the same machine only."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import runs
from commandline import runs_in
from conftest import Stage

from loadtests import catalog, record
from loadtests.bench import instruments, machine, perfect, profiles, rounds, suite
from loadtests.bench.plan import Part
from loadtests.bench.profiles import Profile
from loadtests.bench.progress import SERVICE_START_S
from loadtests.catalog import ROOT, Service
from loadtests.record import Point, Run
from loadtests.report import build
from loadtests.report.documents import answer, headline
from loadtests.report.results import stored
from loadtests.runtime.local import LocalRuntime

SPEED = {"generator_ceiling_rps": 80_000.0, "burn_cycles_per_ms": 100_000.0}
SLOWER = {"burn_cycles_per_ms": 89_000.0}
REST = {"added_p50_ms": 0.1, "added_p99_ms": 0.5}
REST |= {"backend_late_p50_ms": 0.1, "backend_late_p99_ms": 0.5}
AT_MOST_MINUTES = 75

Bench = Callable[..., tuple[int, list[Run]]]


def part(name: str, services: list[Service], runtime: LocalRuntime, **other: Any) -> Part:
    settings = {"rounds": 2, "warmup_s": 0.1, "window_s": 0.2, "delay_s": 0.05, "users": [3]}
    return Part(profiles.made(name, title="", **(settings | other)), services, {}, runtime)


@pytest.fixture
def bench(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    """`bench("x", "y", stop=3)`: run these profiles, up to the third point; all runs that are left.

    Nothing is measured: points are made up.
    """
    services = stage("one", "two")
    monkeypatch.setattr(LocalRuntime, "__enter__", lambda self: self)
    monkeypatch.setattr(instruments, "measure", lambda runtime: SPEED | REST)

    def run(*names: str, stop: int = 1000, fresh: bool = False, **other: Any) -> Any:
        left = iter(range(1, stop))

        def measure(service: Service, turn: int, part: Part, *_: object) -> Iterator[Point]:
            if next(left, None) is None:
                raise KeyboardInterrupt
            name = part.profile.name
            yield Point(
                profile=name, service=service.label, scenario=f"{name}-3-users", round=turn,
                users=3, rate_rps=None, delay_s=0.05, duration_s=0.2, requests=12, rps=60.0,
            )  # fmt: skip

        monkeypatch.setattr(rounds, "measure", measure)
        parts = [part(name, services, runtime, **other) for name in names]
        status = rounds.run("several", parts, tmp_path / "results", fresh)
        files = sorted((tmp_path / "results").glob("*/run.json"))
        return status, [record.load(file) for file in files]

    return run


def turns(run: Run) -> list[tuple[str, str, int]]:
    return sorted((point.profile, point.service, point.round) for point in run.points)


def test_an_interrupted_one_goes_on(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    status, (cut,) = bench("x", "y", stop=7)  # four points of x, two of y
    assert (status, cut.finished_at, len(cut.points)) == (130, None, 6)
    assert [name for name, about in cut.workloads.items() if about["measured"]["finished_at"]] == [
        "x"
    ]
    assert "the same command goes on" in capsys.readouterr().out
    status, (whole,) = bench("x", "y")
    assert status == 0
    assert whole.finished_at
    assert whole.started_at == cut.started_at
    assert turns(whole) == sorted(
        (name, service, turn) for name in "xy" for service in ("one", "two") for turn in (1, 2)
    )
    assert whole.points[:4] == cut.points[:4]  # of a profile that was cut everything is measured
    assert [row.rounds for row in whole.summary] == [2] * 4
    assert whole.spent and cut.spent and whole.spent["wall_s"] >= cut.spent["wall_s"]
    said = capsys.readouterr().out
    assert re.search(r"going on with \S+-several, .* kept: x\n", said)


def test_a_complete_one_is_extended_or_begun_anew(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench("x")
    _, (one,) = bench("x", "y")
    assert turns(one)[0][0] == "x" and turns(one)[-1][0] == "y"
    assert "kept: x" in capsys.readouterr().out
    assert len(bench("x", "y")[1]) == 2
    assert "does not go on: that one is complete" in capsys.readouterr().out


def test_a_perfect_service_is_kept_with_its_profile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def measure(part: Part, *_: object) -> dict[str, Any]:
        asked.append(part.profile.name)
        about = {"requests": 9, "failures": 0, "rps": 60.0, "bound": ""}
        about |= {"valid": True, "invalid_because": []}
        return {f"{part.profile.name}-3-users": about | {"p99_ms": 100.0 + len(asked)}}

    monkeypatch.setattr(perfect, "measure", measure)
    bench("x", "y", stop=6)  # x and the first point of y
    _, (one,) = bench("x", "y")
    assert asked == ["x", "y", "y"]
    found = {name: about["perfect"] for name, about in one.workloads.items()}
    assert {name: [of["p99_ms"] for of in each.values()] for name, each in found.items()} == {
        "x": [101.0],
        "y": [103.0],
    }


def test_a_fresh_suite_leaves_the_unfinished_one(bench: Bench) -> None:
    bench("x", "y", stop=6)
    _, found = bench("x", "y", fresh=True)
    assert sorted(len(run.points) for run in found) == [5, 8]


def test_other_settings_are_measured_anew(bench: Bench) -> None:
    bench("x", "y", stop=6)
    _, (one,) = bench("x", "y", users=[5])
    assert {about["users"][0] for about in one.workloads.values()} == {5}
    assert len(one.points) == 8


@pytest.mark.parametrize(
    ("of", "name", "value", "reason"),
    [
        (instruments, "measure", SPEED | REST | SLOWER, "100,000 in the kept one and 89,000 now"),
        (instruments, "measure", None, "the machine's speed was not measured"),
        (machine, "describe", machine.describe() | {"system": "Linux 7"}, "system of the machine"),
        (suite, "services_digest", "other", "the files of the services have changed"),
    ],
)
def test_a_suite_does_not_go_on_where_the_machine_differs(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    of: Any,
    name: str,
    value: object,
    reason: str,
) -> None:
    bench("x", "y", stop=6)
    monkeypatch.setattr(of, name, lambda *_: value)
    _, found = bench("x", "y")
    assert sorted(len(run.points) for run in found) == [5, 8]
    assert re.search(f"does not go on: .*{reason}", capsys.readouterr().out)


def test_the_digest_is_of_the_services_programs(stage: Stage, tmp_path: Path) -> None:
    stage("one")
    before = suite.services_digest()
    (tmp_path / "services" / "one" / "README.md").write_text("about it")
    assert suite.services_digest() == before
    (tmp_path / "services" / "one" / "app.py").write_text("pass")
    assert suite.services_digest() != before


def test_a_real_one_is_interrupted_and_goes_on(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruments, "measure", lambda runtime: SPEED | REST)
    services = stage("one")
    # So long that a pause of the machine makes no point invalid.
    long = {"rounds": 1, "users": [2], "window_s": 2.0}
    parts = [part(name, services, runtime, **long) for name in "xy"]
    show = rounds.Progress.show

    def stop(self: rounds.Progress, point: Point) -> None:
        show(self, point)
        if point.profile == "y":
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(rounds.Progress, "show", stop)
        assert rounds.run("several", parts, tmp_path / "results") == 130
    assert rounds.run("several", parts, tmp_path / "results") == 0
    (folder,) = runs_in(tmp_path / "results")
    run = record.load(folder / "run.json")
    assert [(point.profile, point.invalid_because) for point in run.points] == [
        ("x", []),
        ("y", []),
    ]
    assert "## x\n" in (folder / "report.md").read_text()


def published() -> tuple[dict[str, Any], dict[str, Profile]]:
    """The suite that is published: what profiles.toml says of its parts, and the profiles."""
    table = tomllib.loads(profiles.PROFILES.read_text())[stored.SUITE]["suite"]
    return table, {profile.name: profile for profile in profiles.select(stored.SUITE)}


def test_the_published_one_keeps_to_its_budget() -> None:
    table, found = published()
    assert sum(about["minutes"] for about in table.values()) <= AT_MOST_MINUTES
    for name, profile in found.items():
        taken = [*profile.services, *set(profile.again) & set(profile.services)]
        models = [catalog.load(service).model for service in taken]
        turns_s = (
            profile.turn_s(model) + SERVICE_START_S * len(profile.starts(model)) for model in models
        )
        minutes = (profile.straight_s() + profile.rounds * sum(turns_s)) / 60
        assert minutes <= table[name]["minutes"], f"{name} takes {minutes:.1f} minutes"


def test_the_published_suite_has_all_quoted_profiles() -> None:
    _, found = published()
    marker = re.compile(r"<!-- (?:figure|table|chart): ([a-z-]+)")
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    quoted = {name for path in documents for name in marker.findall(path.read_text())}
    quoted |= {*answer.SENTENCES, *headline.KINDS}
    assert quoted - {"ladder", stored.SUITE} <= found.keys()
    for profile in found.values():
        for service in profile.services:
            assert catalog.load(service).has(profile.of_kind.route)


def suite_of(folder: Path, started_at: str, **other: Any) -> Run:
    """A run of standard and capacity, saved as one suite."""
    run = runs.made_up(users=(10, 1000), rounds=2, started_at=started_at, **other)
    run.profile = stored.SUITE
    run.workloads = {
        "standard": runs.DELAY | {"measured": _measured(started_at)},
        "stall": {"kind": "stall", "title": "", "measured": _measured(started_at, False)},
    }
    name = f"{started_at.replace(':', '')}-publish"
    (folder / name).mkdir(parents=True)
    record.save(run, folder / name / "run.json")
    return run


def _measured(at: str, finished: bool = True, **speed: float) -> dict[str, Any]:
    end = at if finished else None
    about = {"started_at": at, "finished_at": end, "commit": "c", "services": "d"}
    return about | {"instruments": SPEED | speed}


def test_documents_draw_from_the_newest_suite_alone(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    for name, at in (("standard", "2026-11-27"), ("quick", "2026-11-28")):
        run = runs.made_up(users=(10,), rounds=1, profile=name, started_at=f"{at}T08:00:00Z")
        (folder / f"{at}-{name}").mkdir(parents=True)
        record.save(run, folder / f"{at}-{name}" / "run.json")
    document = tmp_path / "page.md"
    marker = "At <!-- figure: {} sanic 10-users rps --><!-- /figure -->"
    document.write_text(
        f"From <!-- source: --><!-- /source -->.\n{marker.format('standard')}\n"
        f"{marker.format('quick')}\n<!-- table: standard --><!-- /table -->\n"
    )
    assert build.rebuild(folder, [document]).unmeasured == []
    assert "quick of 2026-11-28, standard of 2026-11-27" in document.read_text()
    assert "standard run of 2026-11-27 08:00 UTC" in document.read_text()

    suite_of(folder, "2026-11-26T08:00:00Z", finished_at=None)
    unmeasured = build.rebuild(folder, [document]).unmeasured
    assert [line.split(": ", 1)[1] for line in unmeasured] == [
        "not measured yet: figure quick sanic 10-users rps"
    ]
    text = document.read_text()
    assert "2026-11-26 08:00 UTC, AMD EPYC 7B13, 2 cores, Python 3.13.0, local processes" in text
    assert "2026-11-27" not in text
    assert text.count("2026-11-26 08:00") == 1


def test_a_run_of_two_speeds_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    run = suite_of(folder, "2026-11-26T08:00:00Z")
    run.workloads["stall"]["measured"] = _measured("2026-11-27T08:00:00Z", burn_cycles_per_ms=9e4)
    (file,) = folder.glob("*/run.json")
    record.save(run, file)
    with pytest.raises(build.ReportError, match=r"no one run: .*100,000 in standard and 90,000 in"):
        build.rebuild(folder)
