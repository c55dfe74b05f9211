"""The tables and charts of what waiting costs and of arrivals at a rate."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import linear_regression, median

import pytest
import run_costs
import runs
from pages import build, page, shows
from test_figures import kept, one
from test_sections import charts, hollow, spoiled, spread, table

from loadtests.catalog import PROCESSES
from loadtests.record import Run, Spread, summarise
from loadtests.report import sections
from loadtests.report.results import facts, parts
from loadtests.workloads.delay_map import section as over_a_map
from loadtests.workloads.open_rate import section as open_rate

KINDS = ("open", "cost", "stall", "capacity", "held", "map")
TWO = ("scratch-epoll", "sanic")
STALLED = ("recovery_ms", "burst_cpu_ms", "closed_p95_ms", "open_p95_ms")


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


def test_a_service_has_response_times_or_where_it_falls_behind_a_queue(tmp_path: Path) -> None:
    run = run_costs.run("open", services=("flask-ioloop", "sanic"))
    found = page(run, tmp_path).tables
    times = ("p50_ms", "p99_ms", "sent_p99_ms")
    for rate in (100, 4000):
        for name, *cells in found[f"At {rate:,} requests/s"]:
            service = name.removesuffix(" (invalid)")
            at = row(run, service, rate_rps=rate)
            if rate == 100 or service == "sanic":
                assert cells[0] == "yes"
                for cell, field in zip(cells[1:4], times, strict=True):
                    assert shows(cell, spread(run, service, at, field)), field
                assert cells[4:] == ["–"] * 3
            else:
                assert cells[0].startswith("no: answers 1,7")
                assert cells[1:4] == ["–"] * 3
                points = [p for p in run.points if (p.service, p.scenario) == (service, at)]
                for cell, field in ((cells[4], "backlog"), (cells[5], "growth_rps")):
                    values = sorted(getattr(point, field) for point in points)
                    assert shows(cell, Spread(values[1], values[0], values[2])), field
                assert cells[6].startswith("≥ ")  # nobody waited until all were answered
    drawn = charts(run)
    assert set(drawn) == {"p99", "p50", "cpu"}
    told = json.dumps(drawn["p99"].spec)
    assert "from the instant it was due" in told and "from the instant it was sent" in told


def test_even_arrivals_are_beside_random_ones(tmp_path: Path) -> None:
    run = run_costs.run("open", services=("sanic",))
    for point in run.points:
        if point.rate_rps == 500:
            point.p99_ms = 104.0 if point.arrivals == "even" else 140.0
    run.summary = summarise(run.points)
    rows = table(run, tmp_path, "At 500 requests/s, even and random")
    assert rows["sanic"][2:] == ["104", "140"]
    assert table(run, tmp_path, "At 500 requests/s")["sanic"][2] == "140"


def test_the_highest_rate_is_that_with_a_p99_within_the_limit(tmp_path: Path) -> None:
    run = run_costs.run("open", services=("sanic", "tornado"))
    for point in run.points:
        keeps = point.service == "sanic" or (point.rate_rps or 0) <= (
            500 if point.round == 1 else 1000
        )
        point.p99_ms, point.requests = 199.0 if keeps else 201.0, point.due or 0
    run.summary = summarise(run.points)
    rows = table(run, tmp_path, "The highest rate with a p99 within 200 ms")
    assert rows["sanic"][1] == "≥ 4,000"
    assert rows["tornado"][1] == "1,000 500–1,000"
    assert "1,000 requests/s in tornado, the least" in finding(run)


def test_a_rate_is_not_kept_where_answers_are_missing(tmp_path: Path) -> None:
    run = run_costs.run("open", services=("sanic",))
    for point in run.points:
        point.p99_ms, point.requests = 105.0, round(0.9 * (point.due or 0))
    run.summary = summarise(run.points)
    assert table(run, tmp_path, "The highest rate with a p99 within 200 ms")["sanic"][1] == "none"


def test_the_cost_of_a_request_at_low_rates(tmp_path: Path) -> None:
    run = run_costs.run("cost", services=TWO)
    cpu = {"sanic": (0.200, 0.202, 0.205), "scratch-epoll": (0.100, 0.100, 0.104)}
    for point in run.points:
        point.cpu_ms_per_request = cpu[point.service][point.round - 1]
        point.due = point.requests = 2000
        point.voluntary_switches = 1000 * point.round
        point.involuntary_switches = 30
    run.summary = summarise(run.points)
    for rate in ("200", "1,000"):
        rows = table(run, tmp_path, f"CPU per request at {rate} requests/s")
        cells = ["yes", "0.202 0.200–0.205", "2.48", "1.00 0.500–1.50", "0.0150"]
        assert rows["sanic"][1:6] == cells
        assert rows["scratch-epoll"][3] == "4.00"
        assert f"at {rate} requests/s: 0.100 ms in scratch-epoll, the least" in finding(run)
    assert "less than 3 % apart for 2 of the 4 costs" in finding(run)
    assert set(charts(run)) == {"cpu", "switches"}


def test_a_service_that_falls_behind_has_no_cost(tmp_path: Path) -> None:
    """A service that answers less than it is asked has no place by the cost of a request."""
    run = run_costs.run("cost", services=("sanic", "tornado"))
    for point in run.points:
        if (point.service, point.rate_rps) == ("tornado", 1000.0):
            point.requests, point.rps, point.cpu_ms_per_request = 5000, 500.0, 0.01
    run.summary = summarise(run.points)
    rows = table(run, tmp_path, "CPU per request at 1,000 requests/s")
    assert rows["tornado"][:3] == ["–", "no: answers 500/s", "–"]
    assert rows["sanic"][0] == "1"
    assert "tornado" not in finding(run).partition("at 1,000")[2]
    assert "tornado" in finding(run)


def test_a_stall_is_ranked_by_recovery(tmp_path: Path) -> None:
    run = run_costs.run("stall", services=("sanic", "tornado"))
    rows = table(run, tmp_path, "A backend that freezes for 1 s")
    assert (rows["sanic"][0], rows["tornado"][0]) == ("1", "2")
    (part,) = parts.split(run)
    for name, cells in rows.items():
        for cell, field in zip(cells[1:], STALLED, strict=True):
            found = sections.of(part).derived[field](part, name)
            assert found and shows(cell, found.spread), field
    assert float(rows["sanic"][3].split()[0]) < 110 < 400 < float(rows["sanic"][4].split()[0])
    (chart,) = charts(run).values()
    for said in (chart.caption, finding(run)):
        assert "delay + freeze - 5 % of the window, 600 ms" in said
    assert "coordinated omission" in chart.caption
    assert "500 are due in the freeze" in chart.caption
    assert "in sanic, the soonest" in finding(run)


def test_capacity_stands_beside_the_rate_it_failed_at_and_why(tmp_path: Path) -> None:
    run = run_costs.run("capacity", services=TWO)
    rows = table(run, tmp_path, "Capacity: the highest rate sustained with a p99 within 200 ms")
    for service, cells in rows.items():
        assert shows(cells[1], spread(run, service, "capacity-100ms", "capacity_rps"))
        assert shows(cells[2], spread(run, service, "capacity-100ms", "failed_at_rps"))
        because = [p.probes[-1]["because"] for p in run.points if p.service == service]
        assert cells[3] in because
    (chart,) = charts(run).values()
    failed_at = spread(run, "sanic", "capacity-100ms", "failed_at_rps")
    assert failed_at
    assert f"failed at {facts.number(failed_at.median)}" in chart.alt


def test_the_rate_it_failed_at_is_that_of_the_round_whose_capacity_is_shown(tmp_path: Path) -> None:
    """The round with the most has come to none: the median of the others is below a capacity."""
    run = run_costs.run("capacity", services=TWO)
    of_sanic = [point for point in run.points if point.service == "sanic"]
    found = ((500.0, 520.0), (900.0, 930.0), (990.0, None))
    for point, (capacity_rps, failed_at_rps) in zip(of_sanic, found, strict=True):
        point.capacity_rps, point.failed_at_rps = capacity_rps, failed_at_rps
    run.summary = summarise(run.points)
    cells = table(run, tmp_path, "Capacity: the highest rate sustained with a p99 within 200 ms")
    assert [text.split()[0] for text in cells["sanic"][1:3]] == ["900", "930"]
    assert "sanic 900, failed at 930" in charts(run)["capacity"].alt


def test_a_capacity_beyond_the_generator_is_a_lower_bound(tmp_path: Path) -> None:
    """A service behind a lower bound may be before it; one before it stays so."""
    run = run_costs.run("capacity", services=(*TWO, "tornado"))
    order = sorted(run.summary, key=lambda row: -row.capacity_rps.median if row.capacity_rps else 0)
    first, second, third = (row.service for row in order)
    because = "the generator's core was 91% busy"
    for point in run.points:
        if point.service == second:
            point.failed_at_rps, point.bound = None, "generator"
            point.probes[-1]["because"] = because
    run.summary = summarise(run.points)
    rows = table(run, tmp_path, "Capacity: the highest rate sustained with a p99 within 200 ms")
    assert [rows[name][0] for name in (first, second, third)] == ["1–2", "1–2", "3"]
    at_least, failed_at, why = rows[second][1:4]
    assert at_least.startswith("≥ ")
    assert failed_at == facts.NOTHING
    assert why.startswith("set by the generator")
    assert not rows[first][1].startswith("≥")
    (chart,) = charts(run).values()
    assert "set by the generator" in chart.alt
    assert f" requests/s in {first} and ≥ " in finding(run)


def test_a_capacity_names_what_has_set_it(tmp_path: Path) -> None:
    run = run_costs.run("capacity", services=TWO)
    for point in run.points:
        point.bound = "slots" if point.service == "sanic" and point.round < 3 else ""
    run.summary = summarise(run.points)
    rows = table(run, tmp_path, "Capacity: the highest rate sustained with a p99 within 200 ms")
    assert rows["sanic"][3] == "set by the slots that CONCURRENCY gives"
    assert rows["scratch-epoll"][3].startswith("p99 ")
    (chart,) = charts(run).values()
    assert "set by the slots" in chart.alt


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
    assert {one["model"] for one in charts(run)["request-memory"].records} >= {
        "coroutine",
        "thread",
    }


def test_the_kernel_s_part_of_a_waiting_request_is_named(tmp_path: Path) -> None:
    run = run_costs.run("held", services=("sanic", "flask-threads"))
    for point in run.points:
        point.kernel_bytes = 10**8 + point.users * (8 + point.round) * 1024
    rows = table(run, tmp_path, "What a waiting request costs")
    assert rows["sanic"][3] == "10.0 9.00–11.0"
    assert re.fullmatch(
        r"A waiting request costs, in user space, [\d.]+ KiB, and 10\.0 in the kernel "
        r"\(a coroutine\) in sanic, the least; [\d.]+ KiB, and 10\.0 in the kernel \(a thread\) "
        r"in flask-threads, the most\. The kernel's part has both ends of its two connections\.",
        finding(run),
    )
    (chart,) = (one for one in charts(run).values() if one.name == "request-memory")
    assert chart.title.startswith("User-space memory") and chart.alt.startswith("user-space memory")


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
    assert "3,000/s" in {one["value"] for one in shown.records}
    rows = table(run, tmp_path, "Who is cheapest where")
    assert rows["10 users × 100 ms"][:2] == ["tornado", "0.100 ms"]


def test_an_invalid_result_is_never_the_cheapest() -> None:
    run = run_costs.run("map", services=TWO)
    (part,) = parts.split(spoiled(run, "scratch-epoll", "the generator was busy"))
    for delay_s in (0.01, 1.0):
        found = over_a_map.winner(part, (delay_s, 10))
        assert found and found.service == "sanic" and not found.ties


@pytest.mark.parametrize("kind", KINDS)
def test_invalid_points_look_so_and_are_said(tmp_path: Path, kind: str) -> None:
    good = run_costs.run(kind, services=TWO, rounds=2)
    before = {name: hollow(chart) for name, chart in charts(good).items()}
    bad = spoiled(good, "scratch-epoll", "the generator was busy")
    for name, chart in charts(bad).items():
        if name != "cheapest":  # which leaves it out
            assert "(invalid)" in chart.alt, name
            assert hollow(chart) > before[name], name
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
def test_documents_can_quote_derived_figures(
    tmp_path: Path, kind: str, field: str, unit: str
) -> None:
    run = run_costs.run(kind, services=("sanic",))
    (part,) = parts.split(run)
    found = sections.of(part).derived[field](part, "sanic")
    assert found
    expected = facts.number(found.spread.median * (1 / 1024 if unit == " KiB" else 1)) + unit
    assert one(tmp_path, f"{kind} sanic all {field}", kept(tmp_path, run)) == expected


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


def test_a_capacity_of_services_that_are_all_bound_has_no_order(tmp_path: Path) -> None:
    run = run_costs.run("capacity", services=TWO)
    for point in run.points:
        point.bound = "slots"
    run.summary = summarise(run.points)
    said = "set by the slots that CONCURRENCY gives in every service, so that no order follows"
    assert said in finding(run)
    rows = table(run, tmp_path, "Capacity: the highest rate sustained with a p99 within 200 ms")
    assert {cells[0] for cells in rows.values()} == {"1–2"}


def test_a_rate_is_kept_by_the_longest_time_where_the_p99_is_not_known() -> None:
    """Of 100 answers none took longer than 150 ms: no p99 is longer. Bound there is no time."""
    run = run_costs.run("open", services=("sanic",))
    (part,) = parts.split(run)
    lowest = min(part.rates())
    for point in run.points:
        if point.rate_rps == lowest:
            point.requests, point.due, point.max_ms, point.p99_ms = 100, 100, 150.0, 149.0
        else:
            point.bound = "generator"
    run.summary = summarise(run.points)
    (part,) = parts.split(run)
    found = open_rate.kept(part, "sanic")
    assert found and found.spread.median == lowest
    assert f"≥ {lowest}" in finding(run)
    for point in run.points:
        point.max_ms = 250.0
    (part,) = parts.split(run)
    found = open_rate.kept(part, "sanic")
    assert found and found.spread.median == 0
