"""The charts show every service, and show what cannot be believed as such."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import runs
from pages import build

from loadtests import record
from loadtests.record import Run
from loadtests.report import facts
from loadtests.report.canvas import Chart
from loadtests.report.parts import split
from loadtests.report.sections import delay
from loadtests.report.style import looks


def drawn(run: Run) -> list[Chart]:
    """The charts of a run of one profile."""
    (part,) = split(run)
    return delay.charts(part)


def requests(run: Run, monkeypatch: pytest.MonkeyPatch) -> Chart:
    """That of the requests/s alone: to draw the others takes time."""
    monkeypatch.setattr(delay, "MEASURES", delay.MEASURES[1:2])
    (chart,) = drawn(run)
    return chart


def hollow(svg: str) -> int:
    """Markers of measured points that are filled with paper."""
    return len(re.findall(r"<use [^>]*fill: #ffffff", svg))


def test_points_without_a_valid_round_are_hollow() -> None:
    for chart in drawn(runs.made_up()):
        assert hollow(chart.svg) == 0
    svgs = {chart.name: chart.svg for chart in drawn(runs.troubled())}
    # One point in the panels; beside lines also the sign of the failed service in the legend.
    assert hollow(svgs.pop("efficiency")) == 1
    assert {hollow(svg) for svg in svgs.values()} == {2}


def test_failed_service_stands_in_every_legend() -> None:
    charts = drawn(runs.troubled())
    assert [chart.name for chart in charts] == ["efficiency", "requests", "p99", "cpu", "memory"]
    assert all("gone (failed)" in chart.svg for chart in charts)


def test_service_that_failed_at_some_users_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs.made_up({"sanic": (0.15, 1000)}, users=(10, 200))
    run.add(runs.failed("sanic", 1000, 1))
    assert "sanic (failed at 1,000)" in requests(run, monkeypatch).svg


def test_one_user_level_is_drawn_as_bars_with_values(tmp_path: Path) -> None:
    run = runs.made_up(users=(200,), delay_s=2.0, profile="http-load")
    run.add(runs.failed("gone", 200, 1, profile="http-load"))
    run.points[-1].delay_s = 2.0
    run.summary = record.summarise(run.points)
    build(run, tmp_path)
    (chart,) = (chart for chart in drawn(run) if chart.name == "requests")
    texts = ["".join(node.itertext()) for node in ElementTree.fromstring(chart.svg).iter()]
    for row in run.summary:
        assert (facts.number(row.rps.median) if row.rps else "failed") in texts
        assert row.service in texts


def test_twenty_services_look_different(monkeypatch: pytest.MonkeyPatch) -> None:
    services = {f"service-{n:02}": (0.1 + n / 50, 1000) for n in range(20)}
    chart = requests(runs.made_up(services, rounds=1), monkeypatch)
    assert all(name in chart.svg for name in services)
    assert len(set(looks(list(services)).values())) == 20


def test_many_services_get_a_panel_each_with_its_value() -> None:
    few, many = runs.made_up(rounds=1), runs.made_up(runs.fifteen(), rounds=1)
    legend = [chart.svg.count('id="legend_') for chart in drawn(few)]
    assert legend == [0, 1, 1, 1, 1]  # efficiency is always in panels
    values = {row.service: row for row in many.summary if row.users == 1000}
    for chart, measure in zip(drawn(many), delay.MEASURES, strict=True):
        assert chart.svg.count('id="axes_') == 15
        texts = ["".join(node.itertext()) for node in ElementTree.fromstring(chart.svg).iter()]
        for row in values.values():
            median = getattr(row, measure.field).median * measure.scale
            assert facts.number(median) + measure.unit in texts
        assert "at 1,000 users × 100 ms" in chart.caption


def test_several_delays_get_a_chart_each() -> None:
    run = runs.made_up(users=(10, 200))
    for point in runs.made_up(users=(10, 200), delay_s=2.0).points:
        point.scenario += "-2s"
        run.points.append(point)
    run.summary = record.summarise(run.points)
    names = [chart.name for chart in drawn(run)]
    assert names[:2] == ["efficiency-0.1s", "efficiency-2s"]
    assert len(names) == len(set(names)) == 2 * len(delay.MEASURES)
