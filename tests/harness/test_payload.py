"""JSON of several sizes: how it is asked for, checked, and shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import run_costs
from conftest import Stage
from pages import page, shows
from test_generator import closed, events
from test_sections import charts, hollow, spoiled, spread

from loadtests.bench.profiles import UnknownProfile, made
from loadtests.record import Run, Spread, summarise
from loadtests.report.results import parts
from loadtests.report.sections import of as section_of
from loadtests.runtime.local import LocalRuntime
from loadtests.workloads.payload import section
from loadtests.workloads.payload.answer import around_id, right_body

PAYLOAD: dict[str, Any] = {
    "kind": "payload", "users": 4, "delay_s": 0.05, "sizes": (0, 2048, 20_480),
}  # fmt: skip
REQUESTS, CPU = "Requests/s by size, at 200 users × 100 ms", "CPU per request by size"


def test_each_size_is_a_step() -> None:
    times = {"rounds": 1, "warmup_s": 0.0, "window_s": 0.5}
    profile = made("mine", title="", **times, **PAYLOAD)
    assert [(step.scenario, step.users, step.size) for step in profile.steps()] == [
        ("mine-4-users-50ms-0kib", 4, 0),
        ("mine-4-users-50ms-2kib", 4, 2048),
        ("mine-4-users-50ms-20kib", 4, 20_480),
    ]
    assert len(profile.starts()) == 1  # of the same service and the same users
    for sizes, reason in (((2048, 0), "sizes must rise"), ((0, 1000), "whole KiB"),
                          ((0, 2 << 20), "whole KiB, up to 1048576")):  # fmt: skip
        with pytest.raises(UnknownProfile, match=reason):
            made("mine", title="", **times, **(PAYLOAD | {"sizes": sizes}))


@pytest.mark.parametrize("size", [0, 2048, 20_480])
@pytest.mark.parametrize("request_id", ["x", "0.1-f", "x" * 20])
def test_the_right_answer_of_an_id(size: int, request_id: str) -> None:
    begin, end = around_id("0.1", size, len(request_id))
    right = right_body("0.1", request_id, size)
    assert begin + request_id.encode() + end == right
    assert json.loads(right)["id"] == request_id


def test_users_ask_for_more_from_step_to_step(stage: Stage, runtime: LocalRuntime) -> None:
    for window in closed(runtime, stage("good")[0], **PAYLOAD):
        assert window["requests"] > 4
        assert (window["failures"], window["problems"]) == (0, [])
        assert abs(window["backend_calls"] - window["requests"]) <= 4
        assert window["p50_ms"] >= 50


def test_json_that_is_only_passed_on_is_found_out(stage: Stage, runtime: LocalRuntime) -> None:
    *_, last = closed(runtime, stage(bad="relays")[0], **PAYLOAD | {"users": 20})
    assert last["failures"] == last["requests"] > 0
    assert last["failure_kinds"] == {"wrong body": last["failures"]}


def test_a_service_whose_json_is_wrong_is_not_measured(stage: Stage, runtime: LocalRuntime) -> None:
    (only,) = events(runtime, stage(bad="garbles")[0], **PAYLOAD)
    assert only["event"] == "broken"


def measured(services: tuple[str, ...] = ("sanic", "tornado")) -> Run:
    return run_costs.run("payload", services=services)


def test_requests_and_cpu_by_size(tmp_path: Path) -> None:
    run = measured()
    found = page(run, tmp_path).tables
    for caption, field, first in ((REQUESTS, "rps", 1), (CPU, "cpu_ms_per_request", 1)):
        for name, *cells in found[caption]:
            for place, kib in enumerate((0, 2, 20)):
                scenario = f"payload-200-users-100ms-{kib}kib"
                assert shows(cells[first + place], spread(run, name, scenario, field))


def test_a_further_kib_is_of_each_round(tmp_path: Path) -> None:
    """From the shortest answers to the longest, whatever lies between them."""
    run = measured()
    for point in run.points:
        assert point.size is not None
        point.cpu_ms_per_request = 0.3 + point.size / 1024 * (0.01 + 0.001 * point.round)
        point.cpu_ms_per_request += 5.0 * (point.size == 2048)
    run.summary = summarise(run.points)
    for _, *cells in page(run, tmp_path).tables[CPU]:
        assert shows(cells[-1], Spread(0.012, 0.011, 0.013))
    (part,) = parts.split(run)
    kib = section.further_kib_ms(part, "sanic")
    assert kib and kib.rounds == pytest.approx({1: 0.011, 2: 0.012, 3: 0.013})


def test_the_finding_has_both_ends() -> None:
    run = measured(("sanic", "tornado", "flask-gevent"))
    factors = {"sanic": 1.0, "tornado": 2.0, "flask-gevent": 4.0}
    for point in run.points:
        assert point.size is not None
        point.rps = 1000 / factors[point.service]
        point.cpu_ms_per_request = factors[point.service] * (0.2 + 0.01 * point.size / 1024)
    run.summary = summarise(run.points)
    (part,) = parts.split(run)
    assert section_of(part).finding(part) == (
        "At 200 users × 100 ms with 20 KiB of JSON, requests/s: 1,000 in sanic, the most; "
        "250 in flask-gevent, the fewest. CPU for each KiB of them: 0.0100 ms in sanic, the "
        "least; 0.0400 ms in flask-gevent, the most."
    )


def test_the_charts_are_over_kib() -> None:
    drawn = charts(measured())
    assert set(drawn) == {"payload-cpu", "payload-requests"}
    for chart in drawn.values():
        assert {one["level"] for one in chart.records if "level" in one} == {0, 2, 20}
    assert "at 20 KiB: " in drawn["payload-cpu"].alt
    limits = drawn["payload-requests"].spec["spec"]["layer"][0]["data"]["values"]
    assert {one["value"] for one in limits} == {2000}  # 200 users ÷ 100 ms, whatever the size


def test_invalid_points_are_hollow_and_said(tmp_path: Path) -> None:
    before = {name: hollow(chart) for name, chart in charts(measured()).items()}
    bad = spoiled(measured(), "sanic", "the generator was busy")
    for name, chart in charts(bad).items():
        assert hollow(chart) > before[name], name
        assert "(invalid)" in chart.alt, name
    (part,) = parts.split(bad)
    assert "sanic" not in section_of(part).finding(part)
    assert "the generator was busy" in page(bad, tmp_path).text


def test_a_part_in_which_nothing_was_measured_is_still_told(tmp_path: Path) -> None:
    run = measured()
    for point in run.points:
        point.valid, point.invalid_because, point.requests = False, ["did not start"], 0
        point.p50_ms = point.p90_ms = point.p99_ms = point.max_ms = None
        point.cpu_ms_per_request, point.pss_bytes, point.rps = None, None, 0.0
    run.summary = summarise(run.points)
    assert "did not start" in page(run, tmp_path / "failed").text
    run.points, run.summary, run.finished_at = [], [], None
    assert "nothing measured" in page(run, tmp_path / "empty").text.lower()
