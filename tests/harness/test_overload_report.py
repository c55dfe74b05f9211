"""An overload in a report: which services come back, and what they held meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import run_overload
from pages import page
from test_sections import charts, hollow, spoiled, table

from loadtests.record import Run, summarise
from loadtests.report import sections
from loadtests.report.results import parts

GIVE_UP = "callers that give up after 1 s"
RETRY = f"{GIVE_UP} and retry at once, 2 times at most"
COURSE = "Does it come back? "


def finding(run: Run) -> str:
    (part,) = parts.split(run)
    return sections.of(part).finding(part)


def test_the_finding_names_who_comes_back(tmp_path: Path) -> None:
    said = finding(run_overload.run())
    assert said.startswith("Callers that give up after 1 s: back are sanic after 1 s, ")
    assert "flask-threads after 3 s and tornado after 6 s." in said
    assert "sanic after 2 s and flask-threads after 8 s; not within 11 s tornado." in said


def test_how_it_goes(tmp_path: Path) -> None:
    run = run_overload.run()
    rows = table(run, tmp_path, COURSE + GIVE_UP.capitalize())
    assert list(rows) == ["sanic", "flask-threads", "tornado"]
    assert [cells[0] for cells in rows.values()] == ["900", "800", "600"]
    assert [cells[1].partition(" ")[0] for cells in rows.values()] == ["40.0"] * 3
    assert [cells[2] for cells in rows.values()] == ["1", "3", "6"]
    retried = table(run, tmp_path, COURSE + RETRY.capitalize())
    assert [cells[1] for cells in retried.values()] == ["3.00"] * 3  # attempts a request
    assert [cells[3] for cells in retried.values()] == ["2", "8", "> 11"]
    assert [cells[5] for cells in retried.values()] == ["0.500", "0.500", "> 5"]


def test_rounds_that_differ_are_shown(tmp_path: Path) -> None:
    run = run_overload.run(services=("sanic",))
    first = run.points[0].overload["seconds"]
    for second in first[run_overload.USUAL_S :]:
        second["answered"] = 0
    run.summary = summarise(run.points)
    assert table(run, tmp_path, COURSE + GIVE_UP.capitalize())["sanic"][2] == "1 1–> 11"


def test_what_it_held(tmp_path: Path) -> None:
    rows = table(run_overload.run(), tmp_path, f"Memory, connections and threads: {RETRY}")
    for cells in rows.values():
        assert cells == ["90.0", "7.00", "2,060", "0", "120", "20"]


def test_strips_are_of_each_services_own_capacity(tmp_path: Path) -> None:
    drawn = charts(run_overload.run())
    assert set(drawn) == {"overload-gives-up", "overload-retries"}
    for chart in drawn.values():
        assert chart.svg.startswith("<svg")
        of_strips = [one for one in chart.records if "due" in one]
        assert len(of_strips) == 3 * (27 + 1)  # the last second's figure lasts
        for one in of_strips:
            over = 5 <= one["second"] < 15
            assert one["due"] == pytest.approx(1.5 if over else 0.5, abs=0.05)
            assert 0 <= one["answered"] <= one["due"]
        assert "not back" not in chart.alt or chart.name == "overload-retries"
    assert "tornado not back within 11 s" in drawn["overload-retries"].alt
    told = json.dumps(drawn["overload-gives-up"].spec)
    assert "tornado: back after 6 s" in told


def test_invalid_points_are_faint_and_said(tmp_path: Path) -> None:
    run = run_overload.run()
    assert all(hollow(chart) == 0 for chart in charts(run).values())
    bad = spoiled(run, "sanic", "the generator was busy")
    for chart in charts(bad).values():
        assert hollow(chart) == 27 + 1
        assert "sanic (invalid)" in chart.alt
    assert "sanic" not in finding(bad)
    found = page(bad, tmp_path)
    assert "sanic (invalid)" in {row[0] for rows in found.tables.values() for row in rows}


def test_a_service_of_which_nothing_was_measured(tmp_path: Path) -> None:
    run = run_overload.run(rounds=1)
    for point in run.points:
        if point.service == "sanic":
            point.valid, point.invalid_because, point.requests = False, ["did not start"], 0
            point.overload, point.looks, point.pss_bytes, point.rps = {}, [], None, 0.0
    run.summary = summarise(run.points)
    assert "did not start" in page(run, tmp_path / "failed").text
    assert "sanic failed" in charts(run)["overload-retries"].alt
    run.points, run.summary, run.finished_at = [], [], None
    assert "nothing measured" in page(run, tmp_path / "empty").text.lower()


def test_figures_that_can_be_compared() -> None:
    (part,) = parts.split(run_overload.run())
    derived = sections.of(part).derived
    back = derived["gives_up_back_s"](part, "tornado")
    assert back and back.spread.median == 6
    assert derived["retries_back_s"](part, "tornado") is None  # which is no number
    share = derived["retries_in_time_percent"](part, "tornado")
    assert share and share.spread.median == pytest.approx(40, abs=1)
