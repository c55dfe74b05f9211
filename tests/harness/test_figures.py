"""Numbers in documents come from the newest results, and from nowhere else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import run_kinds
import runs

from loadtests import record
from loadtests.ladder import record as ladder
from loadtests.record import Run
from loadtests.report import build
from loadtests.report.documents import figures, quote
from loadtests.report.results import facts, stored
from loadtests.report.results.stored import Results


def kept(tmp_path: Path, *found: Run) -> Results:
    """Runs in a folder of results, in folders named by their number."""
    folder = tmp_path / "results"
    for number, run in enumerate(found):
        (folder / str(number)).mkdir(parents=True)
        record.save(run, folder / str(number) / "run.json")
    folder.mkdir(exist_ok=True)
    return stored.read(folder)


def climbed(folder: Path, **other: Any) -> None:
    """A run of the ladder as its command leaves it."""
    folder.mkdir(parents=True)
    rung = {
        "module": "rung2_threads", "in_flight": 50, "round": 1, "limit_rps": 50.0, "threads": 50,
        "idle_share": 0.98, "cpu_ms_per_request": 0.21, "start_lag_ms": None, "rounds": 3,
        "title": "50 threads", "rps_min": 49.0, "rps_max": 50.0,
    }  # fmt: skip
    rungs = [
        rung | {"rung": "rung2_threads_50", "delay_s": 1.0, "rps": 49.6},
        rung | {"rung": "rung2_threads_50", "delay_s": 0.1, "rps": 487.0, "limit_rps": 500.0},
    ]
    machine = runs.empty().machine
    document = {
        "schema": ladder.SCHEMA, "profile": "ladder", "started_at": "2026-11-23T10:00:00Z",
        "commit": "1f0c3a9d2b7e", "machine": machine, "rungs": rungs,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(document | other))


def filled(tmp_path: Path, text: str, found: Results) -> tuple[str, list[str]]:
    document = tmp_path / "doc.md"
    document.write_text(text)
    unmeasured = figures.fill(document, found)
    once = document.read_text()
    assert figures.fill(document, found) == unmeasured
    assert document.read_text() == once
    return once, unmeasured


def one(tmp_path: Path, words: str, found: Results) -> str:
    """The text that is written for a figure."""
    text, _ = filled(tmp_path, f"It is <!-- figure: {words} -->old<!-- /figure -->.\n", found)
    match = re.fullmatch(rf"It is <!-- figure: {words} -->(.*)<!-- /figure -->\.\n", text)
    assert match is not None
    return match[1]


def median(run: Run, service: str, scenario: str, field: str) -> float:
    (row,) = (r for r in run.summary if (r.service, r.scenario) == (service, scenario))
    return float(getattr(row, field).median)


@pytest.mark.parametrize(
    ("words", "field", "scale", "shape"),
    [
        ("efficiency", "efficiency", 100, "{} %"),
        ("rps", "rps", 1, "{}"),
        ("p99_ms", "p99_ms", 1, "{} ms"),
        ("p99_ms plain", "p99_ms", 1, "{}"),
        ("p99_ms seconds", "p99_ms", 0.001, "{} s"),
        ("pss_bytes", "pss_bytes", 1 / 2**20, "{} MiB"),
        ("cpu_ms_per_request", "cpu_ms_per_request", 1, "{} ms"),
    ],
)
def test_a_figure_is_the_median_of_the_newest_run(
    tmp_path: Path, words: str, field: str, scale: float, shape: str
) -> None:
    older = runs.made_up(started_at="2026-11-18T14:05:00Z", rounds=1)
    newest = runs.made_up(started_at="2026-11-20T14:05:00Z")
    unfinished = runs.made_up(started_at="2026-11-22T14:05:00Z", finished_at=None, rounds=2)
    found = kept(tmp_path, older, newest, unfinished)
    expected = facts.number(median(newest, "sanic", "1000-users", field) * scale)
    assert one(tmp_path, f"standard sanic 1000-users {words}", found) == shape.format(expected)
    assert one(tmp_path, f"delay sanic 1000-users {words}", found) == shape.format(expected)


def test_a_range_has_the_lowest_and_the_highest_round(tmp_path: Path) -> None:
    found = kept(tmp_path, runs.made_up())
    text = one(tmp_path, "standard sanic 1000-users p99_ms range", found)
    assert re.fullmatch(r"[\d,.]+ ms \[[\d,.]+–[\d,.]+\]", text)


def test_a_run_of_all_services_is_preferred_to_a_newer_one_of_fewer(tmp_path: Path) -> None:
    whole = runs.made_up(started_at="2026-11-18T14:05:00Z")
    one_only = runs.made_up({"sanic": (0.5, 1000)}, started_at="2026-11-20T14:05:00Z")
    found = kept(tmp_path, whole, one_only)
    expected = facts.number(median(whole, "sanic", "1000-users", "rps"))
    assert one(tmp_path, "standard sanic 1000-users rps", found) == expected


def test_invalid_figures_are_marked(tmp_path: Path) -> None:
    found = kept(tmp_path, runs.troubled(), run_kinds.run("chat", "pollers"))
    assert one(tmp_path, "standard sanic 1000-users rps", found).endswith(" (invalid)")
    assert one(tmp_path, "standard gone 1000-users rps", found) == "failed"
    assert one(tmp_path, "standard tornado-blocking 1000-users p99_ms", found).startswith("≤ ")
    assert one(tmp_path, "chat flask-ioloop 5000-connections p99_ms", found) == "—"
    cpu = "pollers scratch-select 4000-idle cpu_ms_per_request"
    assert one(tmp_path, cpu, found) == "failed"


def test_scenarios_are_named_by_a_part_of_them(tmp_path: Path) -> None:
    run = run_kinds.run()
    found = kept(tmp_path, run)
    for words, scenario, field in (
        ("interference sanic together", "interference-50rps-25-users-together", "p99_ms"),
        ("chat sanic 1000-connections", "chat-1000-connections", "p99_ms"),
        ("pollers scratch-epoll 900-connections", "pollers-200rps-20-users-900-idle", "p50_ms"),
        ("composite sanic all", "composite-50-users-100ms", "p50_ms"),
        ("interference sanic together", "interference-50rps-25-users-together", "heavy_p50_ms"),
    ):
        service = words.split()[1]
        expected = facts.number(median(run, service, scenario, field))
        assert one(tmp_path, f"{words} {field}", found) == f"{expected} ms"


def test_figures_of_several_scenarios(tmp_path: Path) -> None:
    found = kept(tmp_path, run_kinds.run())
    grown = one(tmp_path, "pollers scratch-select all growth plain", found)
    assert float(grown) == pytest.approx(2.3, abs=0.4)  # of the largest crowd that it held
    assert float(one(tmp_path, "pollers scratch-epoll all growth plain", found)) < 1.2
    kib = float(one(tmp_path, "chat sanic all connection_bytes plain", found))
    assert kib == pytest.approx(4 + 80 * 0.15, rel=0.05)
    assert one(tmp_path, "interference sanic all p99_growth", found).startswith("×")


def test_the_ladder_is_a_profile_too(tmp_path: Path) -> None:
    climbed(tmp_path / "results" / "ladder")
    found = kept(tmp_path)
    assert one(tmp_path, "ladder rung2_threads_50 1s rps", found) == "49.6"
    assert one(tmp_path, "ladder rung2_threads_50 100ms idle_share", found) == "98.0 %"
    lag = one(tmp_path, "ladder rung2_threads_50 1s start_lag_ms", found)
    assert lag == figures.NOT_YET


def test_missing_figures_are_said_and_listed(tmp_path: Path) -> None:
    text = (
        "# T\n\nSo <!-- figure: chat sanic 100-connections p99_ms -->7 ms<!-- /figure -->\n\n"
        "<!-- table: pollers -->\n<!-- /table -->\n"
    )
    text, unmeasured = filled(tmp_path, text, kept(tmp_path, runs.made_up()))
    assert text.count(figures.NOT_YET) == 2
    assert "7 ms" not in text
    assert [line.split(":")[1] for line in unmeasured] == ["3", "5"]
    assert unmeasured[0].endswith(
        "doc.md:3: not measured yet: figure chat sanic 100-connections p99_ms"
    )


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ("a <!-- figure: standard sanic 10-users speed --><!-- /figure -->", "no field 'speed'"),
        ("a <!-- figure: standard snail 10-users rps --><!-- /figure -->", "no service 'snail'"),
        ("a <!-- figure: fast sanic 10-users rps --><!-- /figure -->", "no profile 'fast'"),
        ("a <!-- figure: standard sanic 10-users rps x --><!-- /figure -->", "no format 'x'"),
        ("a <!-- figure: standard sanic rps --><!-- /figure -->", "a figure needs"),
        ("a <!-- figure: standard sanic all rps --><!-- /figure -->", "fits several scenarios"),
        ("a <!-- figure: standard sanic all growth --><!-- /figure -->", "of pollers only"),
        ("a <!-- figure: ladder rung9 1s rps --><!-- /figure -->", "no rung 'rung9'"),
        ("a <!-- figure: standard sanic 10-users rps -->", "is missing"),
        ("a <!-- /figure -->", "is missing"),
        ("- <!-- figure: standard sanic 10-users rps --><!-- /figure -->", "must not begin a line"),
        ("<!-- chart: standard size --><!-- /chart -->", "there is no size.svg"),
    ],
)  # fmt: skip
def test_a_marker_that_means_nothing_is_named_with_its_line(
    tmp_path: Path, marker: str, told: str
) -> None:
    found = kept(tmp_path, runs.made_up(rounds=1))
    document = tmp_path / "doc.md"
    text = f"x\n\ny <!-- figure: standard sanic 10-users rps -->0<!-- /figure -->\n\n{marker}\n"
    document.write_text(text)
    with pytest.raises(quote.WrongMarker, match=rf"doc\.md:5: .*{re.escape(told)}"):
        figures.fill(document, found)
    assert document.read_text() == text


def test_comments_in_code_are_left_alone(tmp_path: Path) -> None:
    text = (
        "Write `<!-- figure: a b c d -->`, or\n\n```\n<!-- figure: x -->\n<!-- /table -->\n```\n\n"
        "and ``<!-- table: ` -->`` too.\n"
    )
    assert filled(tmp_path, text, kept(tmp_path)) == (text, [])


def test_a_table_and_a_chart_of_the_newest_run(tmp_path: Path) -> None:
    climbed(tmp_path / "results" / "ladder")
    found = kept(tmp_path, run_kinds.run())
    build.rebuild(tmp_path / "results")
    text, _ = filled(
        tmp_path,
        "a\n\n<!-- table: chat --><!-- /table -->\n\nb\n\n<!-- chart: chat delivery -->\n"
        "<!-- /chart -->\n\n<!-- table: ladder --><!-- /table -->\n",
        found,
    )
    assert "-->\n\n| service | place | p50 at 100, ms |" in text
    assert f"flask-ioloop cannot do this: {run_kinds.CANNOT}." in text
    assert "| 50 threads | 100 ms | 487 |" in text
    targets = re.findall(r"\]\((.*?)\)", text)
    assert "results/0/chat-delivery.svg" in targets
    assert all((tmp_path / target).is_file() for target in targets if "ladder" not in target)


def test_make_report_fills_documents_and_lists_the_ladder(tmp_path: Path) -> None:
    kept(tmp_path, runs.made_up(users=(10,), rounds=1))
    climbed(tmp_path / "results" / "ladder")
    climbed(tmp_path / "results" / "broken", rungs=[{"rung": "rung1_blocking"}])
    document = tmp_path / "how.md"
    document.write_text(
        "x <!-- figure: standard sanic 10-users rps -->?<!-- /figure -->\n"
        "y <!-- figure: chat sanic all connection_bytes -->?<!-- /figure -->\n"
    )
    with pytest.raises(build.ReportError, match=r"broken/run\.json: without .*\brps\b"):
        build.rebuild(tmp_path / "results", [document])
    assert "?" not in document.read_text()
    index = (tmp_path / "results" / "README.md").read_text()
    assert "| [ladder](ladder/report.md) | The ladder of clients |" in index
    assert (tmp_path / "results" / "ladder" / "report.md").is_file()
    (tmp_path / "results" / "broken" / "run.json").unlink()
    (tmp_path / "results" / "broken").rmdir()
    said = build.rebuild(tmp_path / "results", [document]).unmeasured
    assert any("how.md:2: not measured yet: figure chat sanic all" in line for line in said)
