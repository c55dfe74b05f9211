"""`make compare`: what is worse is found, what is noise is not, what cannot be compared refused."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from math import exp
from pathlib import Path

import pytest
import run_kinds
import runs

from loadtests import record
from loadtests.cli.main import run as waits
from loadtests.compare.comparable import obstacles
from loadtests.compare.comparison import nothing_compared
from loadtests.compare.differences import differences
from loadtests.record import Run
from loadtests.record.named import NoSuchRun, find

Compare = Callable[..., tuple[int, str, str]]
TWO = {"sanic": (0.15, 1000), "tornado": (0.25, 1000)}
SCENARIO = "1000-users"
IN_FULL = ("--format", "md", "--all")


def steady(**other: object) -> Run:
    """A run of two services whose rounds differ by a thousandth."""
    run = runs.made_up(TWO, users=(50, 1000), **other)
    for point in run.points:
        usual = 100.0 if point.service == "sanic" else 50.0
        for field in ("rps", "p99_ms", "cpu_ms_per_request"):
            setattr(point, field, usual * (1 + point.round / 1000))
        point.pss_bytes = round(usual * 2**20 * (1 + point.round / 1000))
    return runs.summed(run)


def changed(run: Run, service: str, field: str, factor: float) -> Run:
    for point in run.points:
        if point.service == service:
            value = getattr(point, field) * factor
            setattr(point, field, round(value) if field == "pss_bytes" else value)
    return runs.summed(run)


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Compare:
    """`made(a, b, "--force")`: exit status, stdout and stderr."""

    def make(a: Run, b: Run, *options: str) -> tuple[int, str, str]:
        for name, run in (("2026-a", a), ("2026-b", b)):
            (tmp_path / name).mkdir(exist_ok=True)
            record.save(run, tmp_path / name / "run.json")
        options = options if "--format" in options else (*IN_FULL, *options)
        status = waits(["compare", "2026-a", "2026-b", "--results", str(tmp_path), *options])
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
    assert "**0 worse, 0 better, 16 within noise**" in text
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
        ("pss_bytes", 1.25, "memory is 25 % worse"),
    ],
)
def test_worse_figures_fail(made: Compare, field: str, factor: float, said: str) -> None:
    worse = changed(steady(), "sanic", field, factor)
    status, text, complaints = made(steady(), worse, "--fail-above", "5%")
    assert status == 1
    lines = complaints.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["sanic, 50-users", "sanic, 1000-users"]
    assert all(said in line for line in lines)
    assert "**2 worse, 0 better, 14 within noise**" in text
    assert sum(cell.startswith("**") for cell in row(text, "sanic")) == 1
    assert made(steady(), worse)[0] == 0  # only where a limit is given
    assert made(steady(), worse, "--fail-above", "30%")[0] == 0
    assert made(worse, steady(), "--fail-above", "5%")[0] == 0  # better is not worse


def test_figures_within_noise_do_not_fail(made: Compare) -> None:
    """3 % less is something where the rounds agree, and nothing where they are 3 % apart."""
    noisy, slower = steady(), changed(steady(), "sanic", "rps", 0.97)
    assert made(noisy, slower, "--fail-above", "1%")[0] == 1
    for point in noisy.points:
        point.rps *= 1 + 0.03 * ((point.round + len(point.service)) % 3)
    status, text, _ = made(runs.summed(noisy), slower, "--fail-above", "1%")
    assert status == 0
    assert row(text, "sanic")[3].endswith("] within noise")


def test_of_equal_runs_few_have_a_difference_at_all() -> None:
    """Forty pairs of runs with 32 figures each: one at a time, 5 % of them would differ."""
    rng = random.Random(3)

    def one() -> Run:
        run = runs.made_up(dict.fromkeys("abcd", (0.15, 1000)), users=(50, 1000), rounds=4)
        slow = [rng.gauss(0, 0.05) for _ in range(5)]
        for point in run.points:
            for field in ("rps", "p99_ms", "cpu_ms_per_request", "pss_bytes"):
                setattr(point, field, 1e6 * exp(rng.gauss(slow[point.round], 0.03)))
        return runs.summed(run)

    beyond = 0
    for _ in range(40):
        found = [
            each for rows in differences(one(), one()).values() for row in rows for each in row
        ]
        assert len(found) == found[0].family == 32
        beyond += any(not each.within_noise for each in found)
    assert beyond <= 6


def test_invalid_or_missing_figures_are_shown_and_not_compared(made: Compare) -> None:
    bad = changed(steady(), "sanic", "rps", 0.1)
    for point in bad.points:
        if point.service == "sanic":
            point.valid, point.invalid_because = False, ["the wait was skipped"]
    bad.points = [p for p in bad.points if (p.service, p.users) != ("tornado", 1000)]
    for point in bad.points:
        point.bound = "slots" if point.service == "tornado" else ""
    status, text, _ = made(steady(), runs.summed(bad), "--fail-above", "1%")
    assert status == 0
    assert row(text, "sanic")[2].endswith("(invalid)") and row(text, "sanic")[3] == "–"
    assert row(text, "tornado")[2::3] == row(text, "tornado")[3::3] == ["–"] * 4
    rps, p99 = (row(text, "tornado", "50-users")[at : at + 3] for at in (1, 4))
    assert rps[1].startswith("≥ ") and rps[2] == "–"
    assert p99[1:] == ["–", "–"]
    assert ", 2 within noise**" in text or "1 within noise**" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": {"cpu": "Intel Xeon"}}, "CPU of the machine is AMD EPYC 7B13 in A and Intel"),
        ({"kind": "bare"}, "the kind of sanic is stock in A and bare in"),
        ({"workload": {"load_processes": 2}}, "number of load processes of standard is not set in"),
        ({"machine": {"memory_bytes": 2**32}}, "memory of the machine is 8 GiB in A and 4 GiB in"),
        ({"machine": {"python": "3.11.2"}}, "Python of the machine is 3.13.0 in A and 3.11.2 in B"),
        ({"runtime": "compose"}, "runtime is local in A and compose in B"),
        ({"pinned": False}, "pinning to cores is yes in A and no in B"),
        ({"workload": {"delay_s": 0.2}}, "delay (s) of standard is 0.1 in A and 0.2 in B"),
        ({"workload": {"users": [50]}}, "users of standard is 1, 10, 50, 200, 1000 in A and 50 in"),
        ({"info": {"concurrency": 50}}, "concurrency is 1000 in A and 50 in B (sanic)"),
        ({"info": {"versions": {"python": "3.12.1"}}}, "Python is 3.13.0 in A and 3.12.1 in B"),
        ({"workloads": {"quick": runs.DELAY}}, "the profile is standard in A and quick in B"),
    ],
)
def test_runs_that_are_not_comparable_are_refused(
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
    assert complaints.endswith("; --force compares them (make: FORCE=1)\n")
    status, text, complaints = made(steady(), other, "--force", "--fail-above", "5%")
    assert (status, complaints) == (0, "")
    assert f"**Compared although they are not comparable: {said}" in text


def test_the_kind_of_a_service_is_beside_its_name(made: Compare) -> None:
    one, other = steady(), steady()
    for run in (one, other):
        run.services["sanic"]["kind"] = "bare"
    status, text, _ = made(one, other)
    assert status == 0
    assert "| sanic *bare* | " in text and "| tornado | " in text


def test_reasons_are_told_in_plain_words() -> None:
    one, other = steady(), steady()
    one.machine["thread_siblings"], other.machine["thread_siblings"] = [], ["0", "1"]
    other.machine |= {"quota_cores": 2.0}
    one.machine |= {"quota_cores": None}
    assert obstacles(one, other) == [
        "limit of cores of the machine is none in A and 2.0 in B",
        "which cores share a core of the machine is not known in A and 0, 1 in B",
    ]


def test_other_rounds_services_and_versions_are_comparable() -> None:
    other = runs.made_up({"sanic": (0.15, 1000)}, rounds=5)
    other.workloads["standard"] = other.workloads["standard"] | {"rounds": 5, "title": "x"}
    other.services["sanic"]["info"]["versions"]["sanic"] = "99"
    assert obstacles(steady(), other) == []


def test_values_that_follow_from_the_seed_are_no_settings() -> None:
    one, other = steady(), steady()
    for run, p99_ms in ((one, 56.0), (other, 58.0)):
        loop = {"25 users": {"p99_ms": p99_ms}}
        straight = {"10-users-100ms": {"p99_ms": p99_ms}}
        found = {"perfect_loop": loop, "perfect": straight}
        run.workloads["standard"] = run.workloads["standard"] | found
    assert obstacles(one, other) == []


def test_cycles_that_follow_from_a_burst_are_no_setting() -> None:
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
    assert re.search(r"\*\*0 worse, 0 better, \d\d+ within noise", text)
    at_rest = row(text, "sanic", "chat-0-connections")
    assert at_rest[-1].endswith("within noise") and at_rest[3] == "–"


def test_runs_of_one_round_tell_nothing(made: Compare) -> None:
    once = steady(rounds=1)
    slower = changed(steady(rounds=1), "sanic", "rps", 0.5)
    one = differences(once, slower)[SCENARIO][0][0]
    assert one.ratio == pytest.approx(0.5)
    assert (one.interval, one.within_noise, one.worse) == (None, True, 0.0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "which run? there are 2026-11-21T1405Z-x, 2026-11-20T1405Z-x; A and B may be"),
        (("2026-11-20",), "which run?"),
        (("2026-11-20", "2027"), "no run '2027' in "),
        (
            ("2026-11", "2026-11-20"),
            "'2026-11' begins the name of 2 runs; there are 2026-11-21",
        ),
        (("2026-11-20", "broken"), "run.json: "),
        (
            ("2026-11-20", "2026-11-21", "--fail-above", "5"),
            "--fail-above must be a percentage like",
        ),
        (("base/waits.toml",), "base/waits.toml describes a service of your own: it is compared"),
        (("base/waits.toml", "latest"), "compare base/waits.toml head/waits.toml"),
        (("2026-11-20", "2026-11-21", "--results", "none"), "no runs in none: bench"),
    ],
)
def test_a_bad_command_line_is_answered_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    for name in ("2026-11-20T1405Z-x", "2026-11-21T1405Z-x"):
        (tmp_path / name).mkdir()
        record.save(steady(), tmp_path / name / "run.json")
    if "broken" in arguments:
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "run.json").write_text("{}")
    status = waits(["compare", "--results", str(tmp_path), *arguments])
    shown = capsys.readouterr()
    assert (status, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert said in shown.err


def test_where_nothing_is_compared_it_says_why() -> None:
    """The reason of most points, whatever the numbers in it."""
    a, b = steady(), steady()
    for point in [*a.points, *b.points]:
        busy = f"other processes used {point.round + 5}% of the service's core"
        point.invalid_because = [busy] if point.service == "sanic" else []
    a.points[-1].invalid_because = ["it died"]
    said = nothing_compared(a, b)
    times = sum("other processes" in "".join(one.invalid_because) for one in a.points + b.points)
    assert f"Of {len(a.points + b.points)} points {times} are invalid" in said
    assert "other processes used " in said and said.endswith("measure again")


def test_runs_are_found_by_age_and_by_profile(tmp_path: Path) -> None:
    names = [f"2026-11-2{day}T1405Z-x-{profile}" for day, profile in enumerate(("a", "b", "a"))]
    for name in names:
        (tmp_path / name).mkdir()
        record.save(steady(), tmp_path / name / "run.json")
    found = {"latest": 2, "latest~1": 1, "latest~2": 0, "a": 2, "b": 1}
    for wanted, number in found.items():
        assert find(wanted, tmp_path) == tmp_path / names[number] / "run.json"
    with pytest.raises(NoSuchRun, match="latest~3: there are no more than 3 runs"):
        find("latest~3", tmp_path)


def test_runs_are_found_by_folder_file_and_the_beginning_of_their_name(tmp_path: Path) -> None:
    folder = tmp_path / "2026-11-20T1405Z-x"
    folder.mkdir()
    file = folder / "run.json"
    record.save(steady(), file)
    (tmp_path / "2026-11-20T1500Z-x-ladder").mkdir()
    (tmp_path / "2026-11-20T1500Z-x-ladder" / "run.json").write_text("{}")
    for wanted in ("2026-11-20", folder.name, f"{folder.name}/", str(folder), str(file)):
        assert find(wanted, tmp_path) == file


def test_a_wrong_name_lists_the_nearest_and_the_five_newest(tmp_path: Path) -> None:
    for day in range(10, 18):
        folder = tmp_path / f"2026-11-{day}T1405Z-x-capacity"
        folder.mkdir()
        (folder / "run.json").touch()
    with pytest.raises(NoSuchRun) as caught:
        find("capcity", tmp_path)
    said = str(caught.value)
    assert "(did you mean capacity?); the newest are 2026-11-17" in said
    assert said.count("T1405Z") == 5


def mixed(made: Compare, *options: str) -> str:
    """The comparison of a run with one that is worse in one thing, and better in another."""
    other = changed(changed(steady(), "sanic", "p99_ms", 1.5), "tornado", "cpu_ms_per_request", 0.9)
    other = changed(other, "tornado", "rps", 0.7)
    status, text, complaints = made(steady(), other, *options)
    assert (status, complaints) == (0, "")
    return text


def test_the_summary_is_sorted_by_effect(made: Compare) -> None:
    text = mixed(made, "--format", "text")
    assert text.startswith("4 worse, 2 better, 10 within noise\n")
    changes = re.findall(r"^ *([+-]\d+ %)", text, re.M)
    assert changes == ["+50 %", "+50 %", "-30 %", "-30 %", "-10 %", "-10 %"]


def test_a_program_gets_every_figure(made: Compare) -> None:
    told = json.loads(mixed(made, "--format", "json"))
    assert (told["worse"], told["better"], told["within_noise"]) == (4, 2, 10)
    assert len(told["figures"]) == 16 + told["not_compared"]
    worst = [one for one in told["figures"] if one["verdict"] == "worse"]
    assert {(one["service"], one["figure"]) for one in worst} == {
        ("sanic", "p99"), ("tornado", "requests/s"),
    }  # fmt: skip


def test_a_comment_unfolds_what_is_better(made: Compare) -> None:
    text = mixed(made, "--format", "github")
    assert text.startswith("### 4 worse, 2 better, 10 within noise\n")
    seen, _, folded = text.partition("<details><summary>2 better</summary>")
    assert "| sanic | 1000-users | p99, ms |" in seen and "+50 % |" in seen
    assert "| CPU per request, ms |" in folded and "CPU" not in seen
