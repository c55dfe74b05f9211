"""Each kind of workload is told by its own tables and pictures, and hides nothing."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
import run_kinds
import runs
from pages import Page, build, page, shows

from loadtests.load import histogram
from loadtests.record import Run, Spread, load, summarise
from loadtests.report import sections
from loadtests.report.build import ReportError
from loadtests.report.charts.chart import Chart
from loadtests.report.results import parts
from loadtests.report.tables.cells import CANNOT
from loadtests.workloads.interference import section as interference
from loadtests.workloads.pollers import section as pollers


def charts(run: Run) -> dict[str, Chart]:
    return {c.name: c for part in parts.split(run) for c in sections.of(part).charts(part)}


def hollow(chart: Chart) -> int:
    """The marks of a chart that are not filled, as nothing valid stands behind them."""
    return sum(bool(one.get("state")) for one in chart.records)


def table(run: Run, folder: Path, caption: str) -> dict[str, list[str]]:
    """The cells of a table by service."""
    return {row[0]: row[1:] for row in page(run, folder).tables[caption]}


def spread(run: Run, service: str, scenario: str, field: str) -> Spread | None:
    (row,) = (r for r in run.summary if (r.service, r.scenario) == (service, scenario))
    found: Spread | None = getattr(row, field)
    return found


def spoiled(run: Run, service: str, reason: str, **where: int) -> Run:
    """The run with the points of a service invalid, or those of some idle connections."""
    for point in run.points:
        if point.service == service and all(getattr(point, k) == v for k, v in where.items()):
            point.valid, point.invalid_because = False, [reason]
    run.summary = summarise(run.points)
    return run


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run of all kinds, with two parts of users and a delay."""
    run = run_kinds.run()
    for profile in ("standard", "http-load"):
        more = runs.made_up(users=(10, 50), rounds=2, profile=profile)
        for point in more.points:
            point.scenario = f"{profile}-{point.scenario}"
        run.workloads |= more.workloads
        run.services |= more.services
        run.points += more.points
    run.summary = summarise(run.points)
    return build(run, tmp_path_factory.mktemp("everything"))


def test_every_part_has_its_section_finding_tables_and_pictures(everything: Path) -> None:
    html, markdown = (
        (everything / "report.html").read_text(),
        (everything / "report.md").read_text(),
    )
    run = load(everything / "run.json")
    told = parts.split(run)
    assert len(told) == 7
    for part in told:
        section = sections.of(part)
        assert f'<h2 id="{part.name}">' in html and f"\n## {part.name}\n" in markdown
        assert section.finding(part) and f"**{section.finding(part)[:20]}" in markdown
        for each in section.tables(part):
            assert each.caption in Page(html).tables
            assert each.caption in markdown
        assert f'href="#{part.name}"' in html and f"](#{part.name})" in markdown
    drawn = charts(run)
    assert {path.stem for path in everything.glob("*.svg")} == set(drawn)
    assert html.count("<figure ") == len(drawn) == 5 + 5 + 1 + 2 + 2 + 1 + 2


def test_a_page_of_many_parts_is_whole_and_loads_nothing(everything: Path) -> None:
    html = (everything / "report.html").read_text()
    found = Page(html)
    ids = [value for _, name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = [value for _, name, value in found.attributes if name in ("src", "href")]
    used = {link[1:] for link in links if link.startswith("#")}
    used |= set(re.findall(r"url\(#([^)]*)\)", html))
    assert used <= set(ids)
    assert found.open == []
    assert all(link.startswith("#") or link == "run.json" for link in links)


def test_a_service_that_cannot_is_shown_with_the_reason(tmp_path: Path) -> None:
    run = run_kinds.run("chat")
    rows = table(run, tmp_path, "Time to deliver a message, by connections")
    assert set(rows["flask-ioloop"]) == {CANNOT}
    for name in ("report.html", "report.md"):
        assert run_kinds.CANNOT in (tmp_path / name).read_text()
    (memory,) = (c for c in charts(run).values() if c.name == "connection-memory")
    (row,) = (one for one in memory.records if one["service"] == "flask-ioloop")
    assert row["said"] == f"{CANNOT} cannot" and "value" not in row


def test_the_kind_of_a_service_is_beside_its_name_in_every_table(tmp_path: Path) -> None:
    run = run_kinds.run("interference", rounds=1)
    found = page(run, tmp_path)
    lessons = {"flask-ioloop", "scratch-epoll", "scratch-select"}
    marks = {name: mark for name, mark in found.marks.items() if name in run.services}
    assert marks == dict.fromkeys(lessons, "lesson")
    markdown = (tmp_path / "report.md").read_text()
    for name in run.services:
        rows = [line for line in markdown.splitlines() if line.startswith(f"| {name} ")]
        assert len(rows) > 3
        of_kinds = [line for line in rows if line.endswith(("| lesson |", "| stock |"))]
        assert len(of_kinds) == 1
        marked = [line for line in rows if line.startswith(f"| {name} *lesson* |")]
        assert len(marked) == (len(rows) - 1 if name in lessons else 0)


def test_exceptions_of_services_are_under_the_tables(tmp_path: Path) -> None:
    run = run_kinds.run("composite", rounds=1)
    connects = "a new connection to the backend for each call"
    for name in ("sanic", "tornado"):
        run.services[name]["exceptions"] = {"client keep-alive": connects, "masking": "no matter"}
    run.services["flask-gevent"] |= {"limit": "its pool of 40 greenlets"}
    run.services["flask-gevent"]["info"]["slots"] = 40
    found = page(run, tmp_path)
    for said in (
        f"sanic and tornado: {connects}.",
        "flask-gevent: no more than 40 requests wait at once: its pool of 40 greenlets.",
    ):
        assert said in found.text and said in (tmp_path / "report.md").read_text()
    assert "no matter" not in found.text


def test_services_that_a_profile_does_not_have_are_left_out(tmp_path: Path) -> None:
    run = run_kinds.run("pollers")
    rows = table(run, tmp_path, "CPU per request, by the crowd of idle connections")
    assert set(rows) == {"scratch-select", "scratch-epoll"}
    run.finished_at = None
    run.points = [point for point in run.points if point.service == "scratch-epoll"]
    run.workloads["pollers"]["services"] = ["scratch-select", "scratch-epoll"]
    run.summary = summarise(run.points)
    rows = table(run, tmp_path, "CPU per request, by the crowd of idle connections")
    assert set(rows) == {"scratch-epoll", "scratch-select (not measured)"}


def test_composite_is_seen_against_three_delays(tmp_path: Path) -> None:
    run = run_kinds.run("composite")
    rows = table(run, tmp_path, "At 50 users × 100 ms")
    for service, cells in rows.items():
        p50 = spread(run, service, "composite-50-users-100ms", "p50_ms")
        assert shows(cells[1], p50)
        assert shows(cells[3], p50, 1 / 300)
    (chart,) = charts(run).values()
    assert "300 ms" in chart.caption
    assert any(one.get("at") == pytest.approx(300) for one in chart.records)
    assert {one.get("service") for one in chart.records} >= set(rows)


def test_interference_compares_alone_and_together(tmp_path: Path) -> None:
    run = run_kinds.run("interference")
    caption = "Response times of 50 light requests/s over 25 connections"
    for service, cells in table(run, tmp_path, caption).items():
        ends = [f"interference-50rps-25-users-{ending}" for ending in ("alone", "together")]
        alone, together = (spread(run, service, end, "p99_ms") for end in ends)
        assert shows(cells[4], alone) and shows(cells[5], together)
        growths = sorted(
            one.p99_ms / other.p99_ms
            for one in run.points
            for other in run.points
            if one.service == other.service == service and one.round == other.round
            and one.scenario == ends[1] and other.scenario == ends[0]
        )  # fmt: skip
        assert shows(cells[6], Spread(growths[1], growths[0], growths[2]))
        assert shows(cells[7], spread(run, service, ends[1], "heavy_p50_ms"))
    (part,) = parts.split(run)
    assert "lowest" in interference.finding(part)


def test_memory_of_a_connection_is_the_slope_of_each_round(tmp_path: Path) -> None:
    run = run_kinds.run("chat", services=("sanic", "tornado"))
    for point in run.points:
        point.pss_bytes = 50_000_000 + point.idle_connections * (10 + point.round) * 1024
    run.summary = summarise(run.points)
    rows = table(run, tmp_path, "Time to deliver a message, by connections")
    assert rows["sanic"][-1] == "12.0 11.0–13.0"
    assert [cell.partition(" ")[0] for cell in rows["sanic"][1:3]] != ["–", "–"]
    assert len(rows["sanic"]) == 1 + 2 * 3 + 2  # no times without connections


def test_the_generators_share_of_a_broadcast(tmp_path: Path) -> None:
    run = run_kinds.run("chat", services=("sanic", "tornado"))
    for point in run.points:
        if point.idle_connections:
            at_most = point.idle_connections == 5000
            point.broadcast_cpu = (0.1 * point.round if at_most else 0.9) + 0.2
    rows = table(run, tmp_path, "Time to deliver a message, by connections")
    assert rows["sanic"][-1] == "40.0 30.0–50.0"


def test_a_perfect_loop_beside_the_services(tmp_path: Path) -> None:
    """A row without a place, and the share of requests that waited for half a burst."""
    run = run_kinds.run("interference", services=("sanic", "tornado"))
    caption = "Response times of 50 light requests/s over 25 connections"
    before = table(run, tmp_path / "before", caption)
    loop = {"p50_ms": 10.0, "p99_ms": 59.1, "held_up": 0.14}
    run.workloads["interference"] |= {
        "burst_ms": 50.0, "delay_s": 0.01, "perfect_loop": {"25 users": loop},
    }  # fmt: skip
    for point in run.points:
        late = 3 if point.scenario.endswith("together") else 0
        point.histogram = histogram.of([10.0] * (100 - late) + [40.0] * late)
    run.summary = summarise(run.points)
    rows = table(run, tmp_path, caption)
    *services, perfect = rows
    assert services == list(before)
    assert perfect.startswith("a perfect loop")
    assert {"10.0", "59.1", "14.0"} < set(rows[perfect])
    assert rows["sanic"][-2] == "3.00"
    (part,) = parts.split(run)
    assert "59.1 ms, by arithmetic" in interference.finding(part)


def test_growth_is_of_the_largest_crowd_that_was_held(tmp_path: Path) -> None:
    run = run_kinds.run("pollers")
    rows = table(run, tmp_path, "CPU per request, by the crowd of idle connections")
    assert rows["scratch-select"][4] == "failed"
    assert rows["scratch-select"][6] == "100 to 900"
    assert rows["scratch-epoll"][6] == "100 to 4,000"
    first, last = (
        spread(run, "scratch-epoll", f"pollers-200rps-20-users-{n}-idle", "cpu_ms_per_request")
        for n in (100, 4000)
    )
    assert first and last
    grown = float(rows["scratch-epoll"][5].partition(" ")[0])
    assert grown == pytest.approx(last.median / first.median, rel=0.1)
    (part,) = parts.split(run)
    assert "scratch-select, the most" in pollers.finding(part)
    (chart,) = charts(run).values()
    labels = [one["label"] for one in chart.records if "label" in one]
    assert any(label.startswith("scratch-select (failed at 4,000)") for label in labels)


def test_file_is_told_by_the_way_of_reading(tmp_path: Path) -> None:
    run = run_kinds.run("file", services=("sanic", "tornado", "flask-threads"))
    run.services["tornado"]["model"] = "event loop, files by completion"
    run.services["flask-threads"]["model"] = "threads"
    rows = table(run, tmp_path, "At 50 users × 1 MiB")
    assert {name: cells[1] for name, cells in rows.items()} == {
        "sanic": "a pool of threads", "tornado": "completion", "flask-threads": "a plain read",
    }  # fmt: skip
    for service, cells in rows.items():
        assert shows(cells[2], spread(run, service, "file-50-users-1024kib", "rps"))


@pytest.mark.parametrize("kind", ["composite", "interference", "chat", "pollers", "file"])
def test_invalid_points_are_hollow_and_said(tmp_path: Path, kind: str) -> None:
    good = run_kinds.run(kind, services=("scratch-epoll", "sanic"))
    if kind == "pollers":
        good = run_kinds.run(kind, services=("scratch-epoll", "scratch-select"))
    before = {name: hollow(chart) for name, chart in charts(good).items()}
    bad = spoiled(good, "scratch-epoll", "the generator was busy")
    for name, chart in charts(bad).items():
        assert hollow(chart) > before[name], name
        assert "(invalid)" in chart.alt, name
    found = page(bad, tmp_path)
    assert "scratch-epoll (invalid)" in {row[0] for rows in found.tables.values() for row in rows}
    assert "the generator was busy" in found.text


@pytest.mark.parametrize("kind", ["composite", "interference", "chat", "pollers", "file"])
def test_a_part_in_which_nothing_was_measured_is_still_told(tmp_path: Path, kind: str) -> None:
    run = run_kinds.run(kind, rounds=1)
    for point in run.points:
        point.valid, point.invalid_because, point.requests = False, ["did not start"], 0
        point.p50_ms = point.p90_ms = point.p99_ms = point.max_ms = None
        point.cpu_ms_per_request = point.pss_bytes = point.heavy_p50_ms = None
        point.rps = 0.0
    run.summary = summarise(run.points)
    assert "did not start" in page(run, tmp_path / "failed").text
    run.points, run.summary, run.finished_at = [], [], None
    assert "nothing measured" in page(run, tmp_path / "empty").text.lower()


def test_lost_deliveries_are_counted(tmp_path: Path) -> None:
    run = run_kinds.run("chat", services=("sanic",))
    run.points[1].failures = 17
    run.points[-1].failures = 4
    run.summary = summarise(run.points)
    rows = table(run, tmp_path, "Time to deliver a message, by connections")
    assert rows["sanic"][-2] == "21"


@pytest.mark.parametrize("kind", ["tail", "pool"])
def test_two_loads_of_one_distribution_have_a_picture_each(kind: str) -> None:
    """The same with two means, and the same at two rates; another keeps its short name."""
    run, rng = runs.empty(kind), random.Random(1)
    run.workloads = {kind: {"kind": kind, "title": ""}}
    loads = [
        ("lognormal 0.1 1", 100.0), ("lognormal 0.2 1", 100.0), ("lognormal 0.2 1", 200.0),
        ("constant 0.1", 100.0),
    ]  # fmt: skip
    run.points = [
        run_kinds.base(
            kind, "sanic", rng, 1, scenario=f"{kind}-{number}-{slots}", slots=slots, delays=text,
            rate_rps=rate_rps, **run_kinds.times(100, 200), added_p50_ms=1.0, added_p99_ms=5.0,
            added_p999_ms=9.0,
        )
        for number, (text, rate_rps) in enumerate(loads)
        for slots in ((60, 80) if kind == "pool" else (None,))
    ]  # fmt: skip
    run.services = {"sanic": runs.about("sanic", 100)}
    run.summary = summarise(run.points)
    (part,) = parts.split(run)
    names = {chart.name.rpartition(f"{kind}-")[2] for chart in sections.of(part).charts(part)}
    assert names == {
        "lognormal-100rps-1", "lognormal-100rps-2", "lognormal-200rps-3", "constant"
    }  # fmt: skip


def test_two_charts_of_one_name_are_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_kinds.run()
    (part, *_) = parts.split(run)
    section = sections.of(part)
    twice = replace(section, charts=lambda part: 2 * section.charts(part))
    monkeypatch.setitem(sections.SECTIONS, part.kind, twice)
    with pytest.raises(ReportError, match=f"{part.name}: several charts are named "):
        build(run, tmp_path)
