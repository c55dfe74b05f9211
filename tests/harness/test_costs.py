"""What waiting costs and what arrivals at a rate do is told by tables and pictures of its own."""

from __future__ import annotations

from pathlib import Path
from statistics import linear_regression, median

import pytest
import run_costs
import runs
from pages import build, page, shows
from test_figures import kept, one
from test_sections import charts, spoiled, spread, table, texts

from loadtests.catalog import PROCESSES
from loadtests.load import histogram
from loadtests.record import Run, Spread, summarise
from loadtests.report import build as reports
from loadtests.report import facts, parts, sections
from loadtests.report.sections import map as over_a_map

KINDS = ("open", "cost", "stall", "capacity", "held", "map")
TWO = ("scratch-epoll", "sanic")


def finding(run: Run) -> str:
    (part,) = parts.split(run)
    return sections.of(part).finding(part)


def row(run: Run, service: str, **where: float) -> str:
    """The scenario of a service with these values."""
    (found,) = (
        r for r in run.summary
        if r.service == service and all(getattr(r, k) == v for k, v in where.items())
    )  # fmt: skip
    return found.scenario


def test_both_times_stand_side_by_side_at_each_rate(tmp_path: Path) -> None:
    run = run_costs.run("open", services=("flask-ioloop", "sanic"))
    found = page(run, tmp_path).tables
    for rate in (100, 4000):
        for name, *cells in found[f"At {rate:,} requests/s"]:
            service = name.removesuffix(" (invalid)")
            at = row(run, service, rate_rps=rate)
            fields = ("p50_ms", "sent_p50_ms", "p99_ms", "sent_p99_ms", "cpu_ms_per_request")
            for cell, field in zip(cells[1:], fields, strict=True):
                assert shows(cell, spread(run, service, at, field)), field
    keeps = {cells[0]: cells[1] for cells in found["At 2,000 requests/s"]}
    assert keeps["sanic"] == "yes"
    assert keeps["flask-ioloop"].startswith("no: answers 1,7")
    drawn = charts(run)
    assert set(drawn) == {"p99", "p50", "cpu"}
    assert {"from the instant it was due", "from the instant it was sent"} <= set(
        texts(drawn["p99"].svg)
    )


def test_the_highest_rate_is_that_with_a_p99_within_the_limit(tmp_path: Path) -> None:
    run = run_costs.run("open", services=("sanic", "tornado"))
    for point in run.points:
        keeps = point.service == "sanic" or (point.rate_rps or 0) <= (
            500 if point.round == 1 else 1000
        )
        point.p99_ms, point.rps = 199.0 if keeps else 201.0, point.rate_rps or 0
    run.summary = summarise(run.points)
    rows = table(run, tmp_path, "The highest rate with a p99 within 200 ms")
    assert rows["sanic"][1] == "≥ 4,000"
    assert rows["tornado"][1] == "1,000 500–1,000"
    assert "1,000 requests/s in tornado, the least" in finding(run)


def test_who_answers_less_than_is_asked_does_not_keep_a_rate(tmp_path: Path) -> None:
    run = run_costs.run("open", services=("sanic",))
    for point in run.points:
        point.p99_ms, point.rps = 105.0, 0.9 * (point.rate_rps or 0)
    run.summary = summarise(run.points)
    assert table(run, tmp_path, "The highest rate with a p99 within 200 ms")["sanic"][1] == "none"


def test_a_single_rate_is_told_by_what_a_request_costs(tmp_path: Path) -> None:
    run = run_costs.run("cost", services=TWO)
    cpu = {"sanic": (0.200, 0.202, 0.205), "scratch-epoll": (0.100, 0.100, 0.104)}
    for point in run.points:
        point.cpu_ms_per_request = cpu[point.service][point.round - 1]
        point.requests, point.voluntary_switches = 2000, 1000 * point.round
        point.involuntary_switches = 30
    run.summary = summarise(run.points)
    rows = table(run, tmp_path, "What a request costs at 200 requests/s")
    assert rows["sanic"][1:5] == ["0.202 0.200–0.205", "2.48", "1.00 0.500–1.50", "0.0150"]
    assert rows["scratch-epoll"][2] == "4.00"
    assert "less than 3 % apart for 1 of 2 services" in finding(run)
    assert set(charts(run)) == {"cpu", "switches"}


def test_what_the_machine_did_to_all_of_a_round_is_told_from_noise() -> None:
    run = run_costs.run("cost", services=("sanic", "tornado", "scratch-epoll"))
    for point in run.points:
        alone = 0.05 if (point.service, point.round) == ("tornado", 2) else 0.0
        point.cpu_ms_per_request = 0.2 * (1.1 if point.round == 3 else 1.0) + alone
    run.summary = summarise(run.points)
    said = "less than 3 % apart for 0 of 3 services, and for 2 of 3 less what all services"
    assert said in finding(run)


def test_a_stall_is_read_from_the_merged_histograms(tmp_path: Path) -> None:
    run = run_costs.run("stall", services=("sanic",))
    rows = table(run, tmp_path, "Response times while the backend freezes for 1 s")
    for place, workload in enumerate(("closed", "open")):
        merged = histogram.merged(
            point.histogram for point in run.points if point.scenario == f"stall-{workload}"
        )
        figures = histogram.figures(merged)
        for column, name in ((0, "p50_ms"), (4, "p99_ms"), (6, "p999_ms"), (8, "max_ms")):
            value = figures[name]
            assert value is not None
            assert shows(rows["sanic"][column + place], Spread(value, value, value)), name
    assert float(rows["sanic"][2]) < 110 < 400 < float(rows["sanic"][3])
    (chart,) = charts(run).values()
    assert "coordinated omission" in chart.caption
    assert "500 are due in the freeze" in chart.caption
    assert "1.1 % of the closed requests and 10 %" in chart.caption or "9." in chart.caption


def test_capacity_stands_beside_the_rate_it_failed_at_and_why(tmp_path: Path) -> None:
    run = run_costs.run("capacity", services=TWO)
    rows = table(
        run, tmp_path, "Capacity: the highest rate with no failure and a p99 within 200 ms"
    )
    for service, cells in rows.items():
        assert shows(cells[1], spread(run, service, "capacity-100ms", "capacity_rps"))
        assert shows(cells[2], spread(run, service, "capacity-100ms", "failed_at_rps"))
        because = [p.probes[-1]["because"] for p in run.points if p.service == service]
        assert cells[3] in because
    (chart,) = charts(run).values()
    failed_at = spread(run, "sanic", "capacity-100ms", "failed_at_rps")
    assert failed_at
    assert f"failed at {facts.number(failed_at.median)}" in chart.alt


def test_a_capacity_beyond_the_generator_is_a_lower_bound(tmp_path: Path) -> None:
    """Whoever is behind it may as well be before it, and whoever is before it is so."""
    run = run_costs.run("capacity", services=(*TWO, "tornado"))
    order = sorted(run.summary, key=lambda row: -row.capacity_rps.median if row.capacity_rps else 0)
    first, second, third = (row.service for row in order)
    because = "the generator's core was 91% busy"
    for point in run.points:
        if point.service == second:
            point.failed_at_rps = None
            point.probes[-1]["because"] = because
    run.summary = summarise(run.points)
    rows = table(
        run, tmp_path, "Capacity: the highest rate with no failure and a p99 within 200 ms"
    )
    assert [rows[name][0] for name in (first, second, third)] == ["1–2", "1–2", "3"]
    at_least, failed_at, why = rows[second][1:4]
    assert at_least.startswith("≥ ")
    assert (failed_at, why) == (facts.NOTHING, because)
    assert not rows[first][1].startswith("≥")
    (chart,) = charts(run).values()
    assert "the generator's limit" in chart.alt
    assert "Nobody can pass 10,000/s" in chart.caption
    assert f" requests/s in {first} and ≥ " in finding(run)


def test_the_price_of_a_waiting_request_is_the_slope_from_a_hundred_up(tmp_path: Path) -> None:
    run = run_costs.run("held", services=("sanic", "flask-threads"))
    rows = table(run, tmp_path, "What a waiting request costs")
    slopes = []
    for turn in (1, 2, 3):
        points = [p for p in run.points if (p.service, p.round) == ("sanic", turn) and p.users]
        slopes.append(
            linear_regression([p.users for p in points], [p.pss_bytes or 0 for p in points]).slope
        )
    assert shows(rows["sanic"][2], Spread(median(slopes), min(slopes), max(slopes)), 1 / 1024)
    assert rows["sanic"][1] == "a coroutine" and rows["flask-threads"][1] == "a thread"
    assert rows["flask-threads"][3] == "1.00" and rows["sanic"][3] == "0"
    assert {"a coroutine", "a thread"} <= set(texts(charts(run)["request-memory"].svg))


def test_the_price_of_a_process_is_the_slope_over_their_number(tmp_path: Path) -> None:
    run = run_costs.run("held", services=("sanic", "flask-ioloop"))
    run.services["flask-ioloop"]["model"] = PROCESSES
    processes = {1: 48, 50: 146, 100: 246}  # MiB: 2 each
    for point in run.points:
        if point.service == "flask-ioloop":
            point.users = {0: 1, 100: 50}.get(point.users, 100)
            point.scenario = f"held-{point.users}-processes"
            point.pss_bytes = processes[point.users] * 2**20
    run.summary = summarise(run.points)
    rows = table(run, tmp_path, "What a waiting request costs")
    assert rows["flask-ioloop"][1] == "a process"
    assert rows["flask-ioloop"][2] == "2,050"  # of three digits
    report = (build(run, tmp_path) / "report.md").read_text()
    header = next(line for line in report.splitlines() if "KiB a request" in line)
    assert "memory at 100, MiB" in header and "memory at 50, MiB" not in header


def test_the_cheapest_is_one_that_delivers(tmp_path: Path) -> None:
    run = run_costs.run("map", services=("sanic", "tornado"))
    cpu = {"sanic": 0.2, "tornado": 0.1}
    for point in run.points:
        point.cpu_ms_per_request = cpu[point.service]
        slow = point.service == "tornado" and point.users > 100
        point.rps = point.users / point.delay_s * (0.5 if slow else 0.95)
        if (point.users, point.delay_s) == (4000, 0.01):
            point.rps = 3000.0 if slow else 2000.0
    run.summary = summarise(run.points)
    (part,) = parts.split(run)
    best = {
        place: found.service
        for place in ((0.1, 10), (0.1, 1000), (0.01, 4000))
        if (found := over_a_map.winner(part, place))
    }
    assert best == {(0.1, 10): "tornado", (0.1, 1000): "sanic", (0.01, 4000): "tornado"}
    shown = charts(run)["cheapest"]
    assert "3,000/s" in texts(shown.svg) or any("3,000/s" in text for text in texts(shown.svg))
    rows = table(run, tmp_path, "Who is cheapest where")
    assert rows["10 users × 100 ms"][:2] == ["tornado", "0.100 ms"]


def test_what_is_not_valid_is_never_the_cheapest() -> None:
    run = run_costs.run("map", services=TWO)
    (part,) = parts.split(spoiled(run, "scratch-epoll", "the generator was busy"))
    for delay_s in (0.01, 1.0):
        found = over_a_map.winner(part, (delay_s, 10))
        assert found and found.service == "sanic" and not found.ties


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_invalid_looks_so_and_is_said(tmp_path: Path, kind: str) -> None:
    good = run_costs.run(kind, services=TWO, rounds=2)
    before = {name: chart.svg for name, chart in charts(good).items()}
    bad = spoiled(good, "scratch-epoll", "the generator was busy")
    for name, chart in charts(bad).items():
        assert chart.svg != before[name], name
        if name != "cheapest":  # which leaves it out
            assert "(invalid)" in chart.alt, name
            assert chart.svg.count("fill: #ffffff") > before[name].count("fill: #ffffff"), name
    found = page(bad, tmp_path)
    assert "scratch-epoll (invalid)" in {cells[0] for t in found.tables.values() for cells in t}
    assert "scratch-epoll" not in finding(bad)


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_in_which_nothing_was_measured_is_still_told(tmp_path: Path, kind: str) -> None:
    run = run_costs.run(kind, rounds=1, services=TWO)
    run.points = [
        runs.failed(p.service, p.users, p.round, profile=p.profile, because="did not start")
        for p in run.points
    ]
    for number, point in enumerate(run_costs.run(kind, rounds=1, services=TWO).points):
        run.points[number].scenario = point.scenario
        run.points[number].rate_rps, run.points[number].delay_s = point.rate_rps, point.delay_s
    run.summary = summarise(run.points)
    assert "did not start" in page(run, tmp_path / "failed").text
    run.points, run.summary, run.finished_at = [], [], None
    assert "nothing measured" in page(run, tmp_path / "empty").text.lower()


@pytest.mark.parametrize(
    ("kind", "field", "unit"),
    [
        ("held", "request_bytes", " KiB"),
        ("held", "request_descriptors", ""),
        ("open", "kept_rps", ""),
        ("cost", "voluntary_per_request", ""),
        ("stall", "open_p95_ms", " ms"),
    ],
)
def test_documents_can_quote_what_comes_of_many_points(
    tmp_path: Path, kind: str, field: str, unit: str
) -> None:
    run = run_costs.run(kind, services=("sanic",))
    (part,) = parts.split(run)
    found = sections.of(part).derived[field](part, "sanic")
    assert found
    expected = facts.number(found.spread.median * (1 / 1024 if unit == " KiB" else 1)) + unit
    assert one(tmp_path, f"{kind} sanic all {field}", kept(tmp_path, run)) == expected


def test_the_readme_has_the_capacity_beside_the_standard_run(tmp_path: Path) -> None:
    standard = runs.made_up()
    capacity = run_costs.run("capacity", services=("sanic", "tornado"))
    readme = tmp_path / "README.md"
    results = tmp_path / "results"
    build(standard, results / "standard")
    build(capacity, results / "capacity")
    readme.write_text(f"# It\n{reports.BEGIN}\n{reports.END}\n")
    reports.rebuild(results, readme)
    text = readme.read_text()
    head, _, *lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert head.startswith("| service | place | capacity, requests/s | requests/s |")
    cells = {line.split(" | ")[0].lstrip("| "): line.split(" | ")[2] for line in lines}
    found = spread(capacity, "sanic", "capacity-100ms", "capacity_rps")
    assert found and cells["sanic"].startswith(facts.number(found.median))
    assert cells["flask-threads"] == "–"
    assert "p99 within 200 ms, from the [run of" in text
    # Of another machine it would not be comparable.
    capacity.machine["name"] = "another"
    build(capacity, results / "capacity")
    reports.rebuild(results, readme)
    assert "capacity, requests/s" not in readme.read_text()


def test_the_appendix_says_where_the_time_went(tmp_path: Path) -> None:
    run = runs.made_up(rounds=1)
    run.spent = {"wall_s": 200.0, "measuring_s": 130.0, "starting_s": 70.0}
    rows = table(run, tmp_path, "Of 200 s of wall clock 65.0 % were spent in windows")
    assert rows["starting"] == ["70.0 s (35.0 %)"]


def test_the_full_table_has_the_high_percentile_where_it_was_measured(tmp_path: Path) -> None:
    run = run_costs.run("cost", services=("sanic",))
    build(run, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "| p99.9, ms | max, ms | p50 from sent, ms |" in text
