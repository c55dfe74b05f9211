"""Requests that are held open: how many wait, what is read meanwhile, how they end."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import runs
from conftest import Stage
from test_generator import closed, events

from loadtests.bench import measure
from loadtests.bench.laps import Laps
from loadtests.bench.plan import Part
from loadtests.bench.profiles import made
from loadtests.bench.verdict import judge
from loadtests.catalog import PROCESSES, Service
from loadtests.record import Point
from loadtests.runtime.local import LocalRuntime
from loadtests.runtime.process import fetch
from loadtests.workloads import KINDS

# Long enough for a slow machine to send a few requests and measure two short windows.
HELD: dict[str, Any] = {
    "kind": "held", "held": (0, 5, 12), "delay_s": 4.0, "warmup_s": 0.05, "window_s": 0.6,
}  # fmt: skip


def test_so_many_wait_and_all_are_answered(stage: Stage, runtime: LocalRuntime) -> None:
    windows = closed(runtime, stage("good")[0], **HELD)
    assert [window["unfinished"] for window in windows] == [0, 5, 12]
    assert [window["connections"] for window in windows] == [0, 5, 12]
    assert [window["problems"] for window in windows] == [[], [], []]
    assert [window["backend_calls"] for window in windows] == [0, 0, 0]


def test_a_wrong_answer_in_the_end(stage: Stage, runtime: LocalRuntime) -> None:
    before, last = closed(runtime, stage(bad="mixes")[0], **{**HELD, "held": (0, 40)})
    assert before["problems"] == []
    (problem,) = last["problems"]
    assert problem == "40 of 40 held requests were not answered as asked (40 wrong body)"


def test_a_service_that_answers_too_early_is_not_measured(
    stage: Stage, runtime: LocalRuntime
) -> None:
    _, *lines = events(runtime, stage(bad="skips")[0], **HELD)
    failed = [line["reason"] for line in lines if line["event"] == "failed"]
    early = r"of \d+ requests \d+ did not wait until the end \(\d+ right\): delay_s is too short"
    assert [bool(re.match(early, reason)) for reason in failed] == [True, True]


def test_a_service_with_too_few_slots_fails_with_their_number(
    stage: Stage, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps that fit are measured, and their requests are answered."""
    monkeypatch.setitem(runtime.settings, "CONCURRENCY", "8")
    _, *lines = events(runtime, stage("good")[0], **HELD)
    assert [line["event"] for line in lines] == [
        *["opening", "open", "over", "close"] * 2,
        "failed",
    ]
    assert lines[-1]["reason"] == "it can hold 8 requests, not 12"
    assert lines[-2]["problems"] == []


def test_as_many_processes_as_requests(stage: Stage, runtime: LocalRuntime) -> None:
    service = replace(stage("good")[0], model=PROCESSES)
    of = made("held", **{**HELD, "delay_s": 1.5}, title="", rounds=2, processes=(1, 3))
    part = Part(of, [service], {}, runtime)
    result = runs.empty("held", services={"good": {"info": None}})
    with runtime:
        points = list(measure.measure(service, 1, part, result, Laps()))
        workers = [running_with(runtime, service, number) for number in (1, 3)]
    assert [point.invalid_because for point in points] == [[], []]
    assert [(point.scenario, point.users, point.connections) for point in points] == [
        ("held-1-processes", 1, 1), ("held-3-processes", 3, 3),
    ]  # fmt: skip
    assert workers == [1, 3]
    assert part.points() == 2 * len(points)


def running_with(runtime: LocalRuntime, service: Service, workers: int) -> int:
    with runtime.service(service, given={"WORKERS": str(workers)}) as running:
        said: int = json.loads(fetch(f"{running.url}/info")[1])["workers"]
    return said


def test_nobody_needs_to_be_answered_in_the_window() -> None:
    point = Point(
        profile="held", service="one", scenario="held-5", round=1, users=5, rate_rps=None,
        delay_s=20.0, duration_s=1.0, generator_cpu=9.9,
    )  # fmt: skip
    judge(point, KINDS["held"])
    assert (point.valid, point.invalid_because) == (True, [])


def test_memory_is_read_while_requests_wait(
    stage: Stage, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is read with all requests waiting: after the last window they are answered."""
    (service,) = stage("good")
    with runtime, runtime.service(service) as running:
        of = made("held", title="", rounds=1, **HELD)
        looks = measure.windows(running, of, of.steps(), runtime, service, Laps(), "")
        measured = [used for _, _, used in looks]
    descriptors = [used["descriptors"] for used in measured]
    assert descriptors[1] >= descriptors[0] + 2 * 5
    assert descriptors[2] == descriptors[1] + 2 * 7
    assert all(used["rss_bytes"] > 0 and used["threads"] > 0 for used in measured)
