"""The cost of clients, compared within one service; a client that serves nobody is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import run_clients
from pages import page

from loadtests.record import Run, summarise
from loadtests.report import sections
from loadtests.report.charts.chart import Chart
from loadtests.report.results import parts, variants
from loadtests.report.results.parts import Part

CAPTION = "Requests/s with each client, before a 100 ms backend"
FASTAPI = ("fastapi", "fastapi-httpx", "fastapi-httpx2", "fastapi-pyqwest")


def part(run: Run) -> Part:
    (only,) = parts.split(run)
    return only


def finding(run: Run) -> str:
    return sections.of(part(run)).finding(part(run))


def charts(run: Run) -> list[Chart]:
    return sections.of(part(run)).charts(part(run))


def test_families_have_one_framework_and_one_way_of_waiting() -> None:
    found = variants.members(part(run_clients.run()))
    assert list(found) == [
        "aiohttp", "Django, event loop", "Django, threads", "FastAPI", "Flask, greenlets",
        "Flask, threads", "Sanic", "Tornado",
    ]  # fmt: skip
    assert found["FastAPI"][-1] == "fastapi-httpx"  # the fewest requests/s
    assert found["Django, event loop"] == ["django-gunicorn-httpx2"]
    of_flask = [
        variants.client(part(run_clients.run()), name) for name in found["Flask, greenlets"]
    ]
    assert of_flask == ["bare", "urllib3", "requests", "httpx2"]


def test_another_server_is_another_family() -> None:
    run = run_clients.run("fastapi", "fastapi-httpx2", "sanic")
    run.services["fastapi-httpx2"]["server"] = "Granian"
    assert list(variants.members(part(run))) == [
        "FastAPI, event loop, Granian", "FastAPI, event loop, its own", "Sanic",
    ]  # fmt: skip


def test_a_sentence_says_what_a_client_costs() -> None:
    run = run_clients.run()
    rows = {row.service: row for row in run.summary if row.users == 50}
    httpx, aiohttp = rows["fastapi-httpx"].rps, rows["fastapi"].rps
    assert httpx and aiohttp
    assert finding(run).startswith(
        "In FastAPI on an event loop at 50 users × 100 ms httpx answers "
        f"{httpx.median:.1f} of 500 requests/s and aiohttp {aiohttp.median:.0f}; a request takes "
    )


def test_where_all_keep_up_with_few_users_the_most_decide() -> None:
    run = run_clients.run("sanic", "sanic-httpx2", "sanic-bare")
    assert finding(run).startswith(
        "In Sanic on an event loop at 200 users × 100 ms httpx2 answers "
    )
    only = run_clients.run("sanic", "sanic-bare")  # nobody runs the other
    assert finding(only).startswith("At 1,000 users × 100 ms the arithmetic limit is")


def test_a_client_that_serves_nobody_is_shown_with_zero(tmp_path: Path) -> None:
    run = run_clients.run(*FASTAPI)
    found = page(run, tmp_path)
    rows = {row[0]: row[1:] for row in found.tables[CAPTION]}
    assert set(rows) == set(FASTAPI)
    client, *cells = rows["fastapi-httpx"]
    levels = len({point.users for point in run.points})
    assert (client, cells[levels - 1]) == ("httpx", "0 nobody served")
    assert "invalid" not in "".join([cells[0], *cells[levels:]])
    assert "nobody was served: none of 1,000 users had an answer" in found.text
    cost, share = charts(run)
    assert "fastapi-httpx 0, nobody served" in cost.alt
    assert share.alt.endswith(", 0 at 1,000")
    (row,) = (one for one in cost.records if one.get("note") == "nobody served" and "value" in one)
    assert (row["service"], row["said"], row["value"]) == ("fastapi-httpx", "0", 0)


def test_users_that_were_not_served_are_counted(tmp_path: Path) -> None:
    run = run_clients.run(*FASTAPI)
    for point in run.points:
        if (point.service, point.users) == ("fastapi-httpx2", 1000):
            point.served = 800 + point.round
    run.summary = summarise(run.points)
    rows = {row[0]: row[1:] for row in page(run, tmp_path).tables[CAPTION]}
    assert any(cell.endswith(", 801 of 1,000 users served") for cell in rows["fastapi-httpx2"])
    assert not any("served" in cell for cell in rows["fastapi"])


def test_all_failed_is_nobody_served() -> None:
    run = run_clients.run(*FASTAPI)
    for point in run.points:
        if (point.service, point.users) == ("fastapi-httpx", 50):
            point.rps, point.failures, point.valid = 0.0, point.requests, False
            point.invalid_because = ["all failed"]
    run.summary = summarise(run.points)
    assert finding(run).startswith(
        "In FastAPI on an event loop at 50 users × 100 ms httpx answers none of 500"
    )


def test_every_client_is_in_both_pictures() -> None:
    run = run_clients.run()
    cost, share = charts(run)
    assert (cost.name, share.name) == ("clients", "clients-share")
    for chart in (cost, share):
        headings = [one["service"] for one in chart.records if one.get("heading")]
        assert set(headings) == set(variants.members(part(run)))
        assert {one["service"] for one in chart.records} == {*headings, *run.services}
    rows = [row for row in run.summary if row.users == 50 and row.cpu_ms_per_request]
    assert len(rows) == len(run_clients.SERVICES)


@pytest.mark.parametrize("name", ["fastapi", "fastapi-httpx", "sanic-bare"])
def test_a_single_service_is_told(tmp_path: Path, name: str) -> None:
    run = run_clients.run(name)
    assert [row[0] for row in page(run, tmp_path).tables[CAPTION]] == [name]


def test_one_number_of_users(tmp_path: Path) -> None:
    run = run_clients.run(*FASTAPI)
    run.points = [point for point in run.points if point.users == 1000]
    run.summary = summarise(run.points)
    (first, *_) = page(run, tmp_path).tables[CAPTION]
    assert len(first) == 4
    assert finding(run).startswith(
        "In FastAPI on an event loop at 1,000 users × 100 ms httpx answers none of"
    )


def test_a_run_in_which_nothing_was_measured() -> None:
    run = run_clients.run()
    run.points, run.summary = [], []
    assert (finding(run), charts(run)) == ("", [])
    assert sections.of(part(run)).tables(part(run)) == []
