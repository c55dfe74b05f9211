"""README's answer and its table: from the run.json of one suite, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

import pytest
import run_clients
import run_costs
import run_overload
import runs
import test_faults

from loadtests import catalog
from loadtests.catalog import ROOT
from loadtests.record import Run, summarise
from loadtests.report.documents import answer, figures, headline
from loadtests.report.results import parts, stored
from loadtests.report.results.stored import Entry, Results
from loadtests.report.results.waiting import thing_that_waits
from loadtests.workloads.overload.section import comes_back

SUITE = stored.read(ROOT / "results", check=False).suite
measured = pytest.mark.skipif(SUITE is None, reason="no suite is published yet")


def results(*of: Run) -> Results:
    return Results([Entry(Path(run.profile), run) for run in of], [], [])


def everything() -> Results:
    return results(runs.made_up(), run_clients.run(), run_costs.run("capacity", "cost", "held"))


def row(found: Results, service: str) -> list[str]:
    table = headline.of(found)
    assert table is not None
    (cells,) = (row.cells for row in table.rows if row.cells[1].text == service)
    return [cell.text + f" [{cell.spread}]" * bool(cell.spread) for cell in cells]


def test_the_named_services_wait_in_different_ways() -> None:
    named, _ = headline.chosen()
    stock = [about for about in map(catalog.load, named) if about.kind == "stock"]
    assert sorted(thing_that_waits(about.waits) for about in stock) == [
        "a callback",
        "a coroutine",
        "a greenlet",
        "a thread",
    ]


def test_a_row_has_what_was_measured() -> None:
    found = everything()
    capacity = next(entry.run for entry in found.entries if "capacity" in entry.run.workloads)
    (known,) = (
        r for r in capacity.summary if (r.service, r.profile) == ("flask-threads", "capacity")
    )
    assert known.capacity_rps
    waits, _, carries, cost, waiting, breaks = row(found, "flask-threads")
    assert (waits, carries) == ("a thread", f"{known.capacity_rps.median:,.0f}")
    assert float(cost) == pytest.approx(run_costs.SERVICES["flask-threads"][0] * 1.2, rel=0.2)
    assert float(waiting) == pytest.approx(run_costs.HELD["flask-threads"][0], rel=0.1)
    assert breaks != "–"


def test_what_the_harness_bound_is_no_breaking_point() -> None:
    run = run_costs.run("capacity", services=("flask-threads",))
    for point in run.points:
        point.bound, point.failed_at_rps = "generator", None
    run.summary = summarise(run.points)
    cells = row(results(run), "flask-threads")
    assert cells[2].startswith("≥ ")
    assert cells[5].startswith("not seen: ") and "generator" in cells[5]


def test_a_row_says_how_many_faults_break_it() -> None:
    found = results(test_faults.made_up())
    cells = [row(found, name)[5] for name in ("flask-threads", "flask-gevent")]
    # One of the 22 is for containers only.
    assert cells == ["21 faults: well in all", "21 faults: hangs in 1"]


def test_its_faults_are_those_of_the_run_with_most_of_its_services() -> None:
    """Another may have more services: other clients, say."""
    ours, others = test_faults.made_up(), test_faults.made_up()
    others.services = {"fastapi-httpx": {}, "fastapi-httpx2": {}, "fastapi-pyqwest": {}}
    for several in ((ours, others), (others, ours)):
        found = results(*several).widest("faults", ["flask-threads", "flask-gevent", "fastapi"])
        assert found and found[1].run.services.keys() == ours.services.keys()


@pytest.mark.parametrize(
    ("back", "said"),
    [
        (8, "back after 3 s, with retries back after 8 s"),
        (3, "back after 3 s, with retries or without"),
        (None, "back after 3 s, with retries not back within 11 s"),
    ],
)
def test_a_row_says_whether_it_comes_back(
    monkeypatch: pytest.MonkeyPatch, back: int | None, said: str
) -> None:
    monkeypatch.setitem(run_overload.BACK["flask-threads"], 3, back)
    overload = run_overload.run()
    assert row(results(overload), "flask-threads")[5] == f"overload: {said}"
    both = results(run_costs.run("capacity", services=("flask-threads",)), overload)
    assert row(both, "flask-threads")[5].endswith(f"; overload: {said}")


def test_a_row_does_not_hide_that_its_points_are_invalid() -> None:
    overload = run_overload.run()
    for point in overload.points:
        if point.service == "tornado" and point.scenario.endswith("retries"):
            point.valid, point.invalid_because = False, ["the generator was late"]
    overload.summary = summarise(overload.points)
    (part,) = parts.split(overload)
    assert comes_back(part, "tornado") == "back after 6 s, with retries not known"


def test_a_row_says_its_rounds_where_they_differ() -> None:
    run = run_costs.run("capacity", services=("flask-threads",))
    for point, rps in zip(run.points, (800.0, 1000.0, 1500.0), strict=True):
        point.capacity_rps, point.cpu_ms_per_request = rps, 0.6
    run.summary = summarise(run.points)
    cells = row(results(run), "flask-threads")
    assert (cells[2], cells[5]) == ("1,000 [800–1,500]", "answers come late, its core 48–90 % busy")
    for point in run.points:
        point.capacity_rps = 1500.0
    run.summary = summarise(run.points)
    cells = row(results(run), "flask-threads")
    assert (cells[2], cells[5]) == ("1,500", "its core is full")


def test_the_load_below_which_it_does_not_matter_names_those_to_which_it_does() -> None:
    """A client measured at the same load may be behind already."""
    found = everything()
    (said, *_) = answer.of(found)
    clients = next(entry.run for entry in found.entries if "clients" in entry.run.workloads)
    level = int(re.findall(r"Up to ([\d,]+) users", said)[0].replace(",", ""))
    exceptions, _, others = said.partition(": of ")
    slow = {
        row.service: row.rps.median
        for row in clients.summary
        if row.users == level and row.rps and row.rps.median * row.delay_s < 0.9 * level
    }
    stock = [name for name in slow if catalog.load(name).kind == "stock" and name not in others]
    slowest = sorted(stock, key=lambda name: slow[name])[:3]
    assert re.findall(r"(\S+) \((?:≥ )?[\d.,]+\)", exceptions) == slowest
    assert f" and {len(stock) - 3} others" in exceptions


def test_nothing_measured_is_nothing_said() -> None:
    assert headline.of(results()) is None
    assert answer.of(results()) == []


def test_the_first_that_falls_behind_is_named() -> None:
    run = runs.made_up()
    for point in run.points:
        point.rps = 0.98 * point.users / point.delay_s if point.users <= 200 else point.rps
    run.services.pop("tornado-blocking")
    run.points = [point for point in run.points if point.service in run.services]
    run.summary = summarise(run.points)
    (first, *_) = answer.of(results(run))
    assert first.startswith("Up to 200 users × 100 ms, 2,000 requests/s, it does not matter")
    assert "; at 1,000 users × 100 ms" in first
    assert "of flask-gevent, flask-threads, sanic and tornado each reaches 98 %" in first


# Of what is published, computed from run.json by other means.


def points(profile: str) -> list[dict[str, Any]]:
    assert SUITE is not None
    document = json.loads((SUITE.folder / "run.json").read_text())
    return [point for point in document["points"] if point["profile"] == profile and point["valid"]]


def of_service(profile: str, service: str, figure: str, **which: Any) -> float:
    found = [
        float(point[figure])
        for point in points(profile)
        if point["service"] == service and all(point[key] == value for key, value in which.items())
    ]
    return median(found)


def documents() -> Iterator[Path]:
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))


@measured
@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_documents_say_what_was_measured(document: Path) -> None:
    """Filled anew nothing changes, and nothing waits to be measured."""
    text, unmeasured = figures.filled(document, stored.read(ROOT / "results", check=False))
    assert unmeasured == []
    assert text == document.read_text(encoding="utf-8")


def block(kind: str) -> str:
    text = (ROOT / "README.md").read_text()
    (found,) = re.findall(rf"<!-- {kind}: -->(.*?)<!-- /{kind} -->", text, re.S)
    return str(found)


def published_rows() -> list[list[str]]:
    """The cells of README's table, without its head."""
    lines = [line for line in block("headline").splitlines() if "|" in line]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def near(said: str, value: float) -> bool:
    return float(said.replace(",", "")) == pytest.approx(value, rel=0.006)


@measured
def test_the_table_follows_from_run_json() -> None:
    for _, name, carries, cost, waiting, _ in published_rows():
        service = name.split()[0]
        figures_said = [re.sub(r" \[.*", "", cell) for cell in (carries, cost, waiting)]
        if figures_said[0] != "–":  # of the floor it is not asked
            assert near(
                figures_said[0].removeprefix("≥ "), of_service("capacity", service, "capacity_rps")
            )
        assert near(
            figures_said[1], of_service("cost", service, "cpu_ms_per_request", rate_rps=200)
        )
        assert near(figures_said[2], slope(service))


@measured
def test_who_comes_back_follows_from_run_json() -> None:
    """From then on no two seconds in a row fall short; of who does not, one of the last two."""
    told = {
        name.split()[0]: breaks.partition("overload: ")[2]
        for _, name, *_, breaks in published_rows()
    }
    told = {name: said.partition(";")[0] for name, said in told.items()}
    found = points("overload")
    assert {p["service"] for p in found} == {name for name, said in told.items() if said}
    for point in found:
        gives_up, _, retries = told[point["service"]].partition(", with retries ")
        is_alike = retries == "or without" or not point["scenario"].endswith("retries")
        ended = re.search(r"back after (\d+) s", gives_up if is_alike else retries)
        seconds = point["overload"]["seconds"][:29]  # of the last nothing is said
        usual_ms = median(one["p99_ms"] for one in seconds[:5])
        short = [
            one["answered"] < 0.98 * one["due"] or (one["p99_ms"] or 1e9) > 1.4 * usual_ms
            for one in seconds[15:]
        ]
        if ended is None:
            assert any(short[-2:])
        else:
            after = [one["answered"] < 0.9 * one["due"] for one in seconds[14 + int(ended[1]) :]]
            assert not any(one and other for one, other in pairwise(after))


@measured
def test_how_many_faults_break_each_follows_from_run_json() -> None:
    (folder,) = re.findall(r"Faults: .*/(\S+)/report.md", block("headline"))
    found = json.loads((ROOT / "results" / folder / "run.json").read_text())["points"]
    for _, name, *_, breaks in published_rows():
        met = [p["fault"] for p in found if p["service"] == name.split()[0] and p["valid"]]
        told = re.search(r"; (\d+) faults: ([^;]*)$", breaks)
        assert bool(told) == bool(met), breaks
        if told:
            assert int(told[1]) == len(met)
            ill = sum(map(int, re.findall(r" in (\d+)", told[2])))
            assert ill >= sum(bool(about["wrong"] or about["none"]) for about in met)
            assert bool(ill) != (told[2] == "well in all")


def slope(service: str, field: str = "pss_bytes") -> float:
    """KiB of a waiting request, by least squares over each round."""
    slopes = []
    for turn in {point["round"] for point in points("held")}:
        held = {
            p["users"]: p[field] / 1024
            for p in points("held")
            if (p["service"], p["round"]) == (service, turn) and p["users"] >= 100
        }
        if len(held) < 2:  # the others of the round are not valid
            continue
        slopes.append(linear_regression(list(held), list(held.values())).slope)
    return median(slopes)


def said(form: str) -> list[tuple[str, ...]]:
    """The places in README's answer that have this form; there is one at least."""
    found = re.findall(form, block("answer"))
    assert found
    return [one if isinstance(one, tuple) else (one,) for one in found]


@measured
def test_what_one_change_does_follows_from_run_json() -> None:
    """Of pairs that cannot be told apart only the report speaks."""
    named = re.findall(r"×([\d.]+) with [^(]*\((\S+) ÷ ([^),]+)\)", block("answer"))
    for times, other, one in named:
        first, second = (
            of_service("cost", name, "cpu_ms_per_request", rate_rps=200) for name in (one, other)
        )
        assert float(times) == pytest.approx(second / first, rel=0.03)  # of two digits
    assert SUITE is not None
    report = (SUITE.folder / "report.md").read_text(encoding="utf-8")
    assert named or "rounds are too few to tell from no change" in report


@measured
def test_the_load_below_which_it_does_not_matter_follows_from_run_json() -> None:
    """Of all stock services of the profile, and no others."""
    ((most, named, share),) = said(r"Up to ([\d,]+) users × 100 ms.*: of (.*) each reaches (\d+) %")
    users = int(most.replace(",", ""))
    services = {p["service"].removesuffix("-again") for p in points("standard")}
    assert set(re.split(r", | and ", named)) == {
        name for name in services if catalog.load(name).kind == "stock"
    }
    shares = [of_service("standard", name, "rps", users=users) * 0.1 / users for name in services]
    assert min(shares) >= int(share) / 100 >= 0.9
    ((users_said, worst, rps, best, most_rps),) = said(
        r"at ([\d,]+) users × 100 ms (\S+) answers ([\d,]+) of [\d,]+ requests/s, (\S+) ([\d,]+)\."
    )
    for name, rate in ((worst, rps), (best, most_rps)):
        level = int(users_said.replace(",", ""))
        assert near(rate, of_service("standard", name, "rps", users=level))


@measured
def test_the_cost_of_a_client_follows_from_run_json() -> None:
    ((level, dear, few, cheap, many, more_ms, less_ms),) = said(
        r"at ([\d,]+) users × 100 ms (\w+) answers ([\d.,]+) of [\d,]+ requests/s and (\w+) "
        r"([\d.,]+); a request takes ([\d.]+) ms of CPU time with the one and ([\d.]+) ms"
    )
    users = int(level.replace(",", ""))
    for client, rps, cpu_ms in ((dear, few, more_ms), (cheap, many, less_ms)):
        (service,) = {
            name
            for name in {p["service"] for p in points("clients")}
            if catalog.load(name).client == client and catalog.load(name).framework == "FastAPI"
        }
        assert near(rps, of_service("clients", service, "rps", users=users))
        assert near(cpu_ms, of_service("clients", service, "cpu_ms_per_request", users=users))


@measured
def test_what_a_blocking_call_does_follows_from_run_json() -> None:
    ((wrong, few, right, many),) = said(
        r"× 2 s (\S+) answers ([\d.]+) requests/s, (\S+) ([\d.]+)\."
    )
    for service, rps in ((wrong, few), (right, many)):
        assert near(rps, of_service("http-load", service, "rps"))


@measured
def test_what_a_waiting_request_costs_follows_from_run_json() -> None:
    for own, of_kernel, service in said(r"([\d.]+) \+ ([\d.]+) KiB in (\S+) \("):
        assert near(own, slope(service))
        assert near(of_kernel, slope(service, "kernel_bytes"))
