"""`make compare`: what is worse is found, what is noise is not, what cannot be compared refused."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import run_kinds
import runs

from loadtests import record
from loadtests.catalog import ROOT
from loadtests.compare import __main__ as compare
from loadtests.compare.comparable import obstacles
from loadtests.compare.differences import differences
from loadtests.record import Run

Compare = Callable[..., tuple[int, str, str]]
TWO = {"sanic": (0.15, 1000), "tornado": (0.25, 1000)}
SCENARIO = "1000-users"


def steady(**other: object) -> Run:
    """A run of two services whose rounds differ by a thousandth."""
    run = runs.made_up(TWO, users=(50, 1000), **other)
    for point in run.points:
        usual = 100.0 if point.service == "sanic" else 50.0
        for field in ("rps", "p99_ms", "cpu_ms_per_request"):
            setattr(point, field, usual * (1 + point.round / 1000))
        point.rss_bytes = round(usual * 2**20 * (1 + point.round / 1000))
    return runs.summed(run)


def changed(run: Run, service: str, field: str, factor: float) -> Run:
    for point in run.points:
        if point.service == service:
            value = getattr(point, field) * factor
            setattr(point, field, round(value) if field == "rss_bytes" else value)
    return runs.summed(run)


@pytest.fixture
def made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Compare:
    """`made(a, b, "--force", "1")`: exit status, stdout and stderr."""

    def make(a: Run, b: Run, *options: str) -> tuple[int, str, str]:
        for name, run in (("2026-a", a), ("2026-b", b)):
            (tmp_path / name).mkdir(exist_ok=True)
            record.save(run, tmp_path / name / "run.json")
        arguments = ["compare", "2026-a", "2026-b", "--results", str(tmp_path), *options]
        monkeypatch.setattr(sys, "argv", arguments)
        status = compare.main()
        said = capsys.readouterr()
        return status, said.out, said.err

    return make


def row(text: str, service: str, scenario: str = SCENARIO) -> list[str]:
    """The cells of a service in a scenario, the name first."""
    table = text.split(f"\n## {scenario}\n")[1].split("\n## ")[0]
    (line,) = (line for line in table.splitlines() if line.startswith(f"| {service} |"))
    return line.strip("| ").split(" | ")


def test_the_same_twice_is_within_noise(made: Compare) -> None:
    run = runs.twice(steady(), "sanic")
    status, text, complaints = made(run, run, "--fail-above", "0%")
    assert (status, complaints) == (0, "")
    assert "0 of 16 figures differ beyond noise" in text
    assert "- Noise floor of standard: 0 % in requests/s, 0 % in p99," in text
    for service in TWO:
        ratios = row(text, service)[3::3]
        assert len(ratios) == 4
        assert all(ratio.startswith("1.00") and ratio.endswith("within noise") for ratio in ratios)
    assert "sanic-again" not in text


@pytest.mark.parametrize(
    ("field", "factor", "said"),
    [
        ("rps", 0.8, "requests/s is 20 % worse"),
        ("p99_ms", 1.2, "p99 is 20 % worse"),
        ("cpu_ms_per_request", 1.2, "CPU per request is 20 % worse"),
        ("rss_bytes", 1.25, "memory is 25 % worse"),
    ],
)
def test_what_is_worse_fails(made: Compare, field: str, factor: float, said: str) -> None:
    worse = changed(steady(), "sanic", field, factor)
    status, text, complaints = made(steady(), worse, "--fail-above", "5%")
    assert status == 1
    lines = complaints.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["sanic, 50-users", "sanic, 1000-users"]
    assert all(said in line for line in lines)
    assert "2 of 16 figures differ beyond noise" in text
    assert sum(cell.startswith("**") for cell in row(text, "sanic")) == 1
    assert made(steady(), worse)[0] == 0  # only where a limit is given
    assert made(steady(), worse, "--fail-above", "30%")[0] == 0
    assert made(worse, steady(), "--fail-above", "5%")[0] == 0  # better is not worse


def test_what_is_below_the_floor_does_not_fail(made: Compare) -> None:
    noisy = changed(runs.twice(steady(), "sanic"), "sanic-again", "rps", 0.95)
    slower = changed(steady(), "sanic", "rps", 0.97)
    status, text, _ = made(noisy, slower, "--fail-above", "1%")
    assert status == 0
    assert "5.3 % in requests/s" in text
    assert row(text, "sanic")[3] == "0.970 [0.968–0.972] within noise"
    assert made(steady(), slower, "--fail-above", "1%")[0] == 1  # where no floor is known


def test_what_is_invalid_or_missing_is_shown_and_not_compared(made: Compare) -> None:
    bad = changed(steady(), "sanic", "rps", 0.1)
    for point in bad.points:
        if point.service == "sanic":
            point.valid, point.invalid_because = False, ["the wait was skipped"]
    bad.points = [p for p in bad.points if (p.service, p.users) != ("tornado", 1000)]
    for point in bad.points:
        point.unfinished = point.requests + (point.service == "tornado")
    status, text, _ = made(steady(), runs.summed(bad), "--fail-above", "1%")
    assert status == 0
    assert row(text, "sanic")[2].endswith("(invalid)") and row(text, "sanic")[3] == "–"
    assert row(text, "tornado")[2::3] == row(text, "tornado")[3::3] == ["–"] * 4
    p99 = row(text, "tornado", "50-users")[4:7]
    assert p99[1].startswith("≥ ") and p99[2] == "–"
    assert "of 3 figures differ" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": {"cpu": "Intel Xeon"}}, "cpu of the machine is AMD EPYC 7B13 in A and Intel"),
        ({"kind": "bare"}, "the kind of sanic is stock in A and bare in"),
        ({"machine": {"memory_bytes": 2**32}}, "memory of the machine is 8 GiB in A and 4 GiB in"),
        ({"machine": {"python": "3.11.2"}}, "python of the machine is 3.13.0 in A and 3.11.2 in B"),
        ({"runtime": "compose"}, "runtime is local in A and compose in B"),
        ({"pinned": False}, "pinned is yes in A and no in B"),
        ({"workload": {"delay_s": 0.2}}, "delay_s of standard is 0.1 in A and 0.2 in B"),
        ({"workload": {"users": [50]}}, "users of standard is 1, 10, 50, 200, 1000 in A and 50 in"),
        ({"info": {"concurrency": 50}}, "concurrency is 1000 in A and 50 in B (sanic)"),
        ({"info": {"versions": {"python": "3.12.1"}}}, "Python is 3.13.0 in A and 3.12.1 in B"),
        ({"workloads": {"quick": runs.DELAY}}, "the profile is standard in A and quick in B"),
    ],
)
def test_what_is_not_comparable_is_refused(
    made: Compare, change: dict[str, object], said: str
) -> None:
    other = steady()
    for name, value in change.items():
        match name, value:
            case "machine", dict():
                other.machine |= value
            case "workload", dict():
                other.workloads["standard"] = other.workloads["standard"] | value
            case "kind", _:
                other.services["sanic"]["kind"] = value
            case "info", dict():
                other.services["sanic"]["info"] |= value
            case _:
                setattr(other, name, value)
    if "workloads" in change:
        for point in other.points:
            point.profile = "quick"
        runs.summed(other)
    status, text, complaints = made(steady(), other)
    assert (status, text, complaints.count("\n")) == (2, "", 1)
    assert complaints.startswith(f"not comparable: {said}")
    assert complaints.endswith("; FORCE=1 compares them\n")
    status, text, complaints = made(steady(), other, "--force", "1", "--fail-above", "5%")
    assert (status, complaints) == (0, "")
    assert f"**Compared although they are not comparable: {said}" in text


def test_what_a_service_is_stands_beside_its_name(made: Compare) -> None:
    one, other = steady(), steady()
    for run in (one, other):
        run.services["sanic"]["kind"] = "bare"
    status, text, _ = made(one, other)
    assert status == 0
    assert "| sanic *bare* | " in text and "| tornado | " in text


def test_other_rounds_services_and_versions_are_comparable() -> None:
    other = runs.made_up({"sanic": (0.15, 1000)}, rounds=5)
    other.workloads["standard"] = other.workloads["standard"] | {"rounds": 5, "title": "x"}
    other.services["sanic"]["info"]["versions"]["sanic"] = "99"
    assert obstacles(steady(), other) == []


def test_the_cycles_of_a_burst_are_what_it_takes_on_the_day() -> None:
    one, other = steady(), steady()
    for run, cycles in ((one, 95_000), (other, 80_000)):
        run.workloads["standard"] = run.workloads["standard"] | {"cycles": cycles}
    assert obstacles(one, other) == ["cycles of standard is 95000 in A and 80000 in B"]
    for run in (one, other):
        run.workloads["standard"] |= {"burst_ms": 1.0}
    assert obstacles(one, other) == []
    del other.workloads["standard"]["cycles"]  # interrupted before they were measured
    assert obstacles(one, other) == []


def test_two_runs_that_share_nothing(made: Compare) -> None:
    other = runs.made_up({"aiohttp": (0.15, 1000)}, users=(50,))
    status, _, complaints = made(steady(), other)
    assert status == 2
    assert complaints.startswith("nothing was compared")


def test_every_kind_can_be_compared_with_itself(made: Compare) -> None:
    run = run_kinds.run()
    status, text, complaints = made(run, run, "--fail-above", "0%")
    assert (status, complaints) == (0, "")
    assert re.search(r"\n0 of \d\d+ figures differ beyond noise", text)
    at_rest = row(text, "sanic", "chat-0-connections")
    assert at_rest[-1].endswith("within noise") and at_rest[3] == "–"


def test_runs_of_one_round_tell_nothing(made: Compare) -> None:
    once = steady(rounds=1)
    slower = changed(steady(rounds=1), "sanic", "rps", 0.5)
    (one, *_) = next(differences(once, slower, SCENARIO))
    assert (one.ratio, one.interval, one.within_noise, one.worse) == (0.5, None, True, 0.0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "which two? make compare A=… B=…, of: 2026-11-20T1405Z-x, 2026-11-21T1405Z-x"),
        (("2026-11-20",), "which two?"),
        (("2026-11-20", "2027"), "no run '2027' in "),
        (("2026-11", "2026-11-20"), "'2026-11' begins the name of several runs: 2026-11-20T1405Z"),
        (("2026-11-20", "broken"), "run.json: "),
        (("2026-11-20", "2026-11-21", "--fail-above", "5"), "FAIL_ABOVE must be a percentage like"),
        (("2026-11-20", "2026-11-21", "--results", "none"), "no runs in none: make bench"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    for name in ("2026-11-20T1405Z-x", "2026-11-21T1405Z-x"):
        (tmp_path / name).mkdir()
        record.save(steady(), tmp_path / name / "run.json")
    if "broken" in arguments:
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "run.json").write_text("{}")
    command = [sys.executable, "-m", "loadtests.compare", "--results", str(tmp_path), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr


def test_runs_are_found_by_folder_file_and_the_beginning_of_their_name(tmp_path: Path) -> None:
    folder = tmp_path / "2026-11-20T1405Z-x"
    folder.mkdir()
    file = folder / "run.json"
    record.save(steady(), file)
    (tmp_path / "2026-11-20T1500Z-x-ladder").mkdir()
    (tmp_path / "2026-11-20T1500Z-x-ladder" / "run.json").write_text("{}")
    for wanted in ("2026-11-20", folder.name, f"{folder.name}/", str(folder), str(file)):
        assert compare.find(wanted, tmp_path) == file
