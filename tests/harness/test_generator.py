"""The generator as the bench starts it: what it measures, and what it refuses to measure."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from typing import Any

import pytest
from conftest import Stage
from hdrh.histogram import HdrHistogram

from loadtests.bench.profiles import Profile, made
from loadtests.catalog import Service
from loadtests.load import histogram
from loadtests.runtime.local import LocalRuntime

DELAY: dict[str, Any] = {"users": (5, 10), "delay_s": 0.05}
COMPOSITE = {
    "kind": "composite",
    "users": (3,),
    "delay_s": 0.05,
    "burst_ms": 1.0,
    "cycles": 100,
    "window_s": 0.6,
}
FILE = {"kind": "file", "users": (3,), "size": 300_000}
INTERFERENCE = {
    "kind": "interference",
    "users": (5,),
    "delay_s": 0.01,
    "rate_rps": 50,
    "heavy_rate_rps": 8,
    "burst_ms": 10.0,
    "cycles": 1_000_000,
    "window_s": 1.5,
}
POLLERS = {"kind": "pollers", "users": (4,), "delay_s": 0.01, "rate_rps": 40, "connections": (5, 9)}
CHAT = {"kind": "chat", "connections": (0, 3, 10), "deliveries_rps": 200}

OPEN = {"kind": "open", "rates": (40, 80), "even_rates": (80,), "delay_s": 0.05}
CAPACITY = {"kind": "capacity", "limit_ms": 200, "delay_s": 0.01, "window_s": 1.0}


def profile(**settings: Any) -> Profile:
    """A short one."""
    times = {"rounds": 1, "warmup_s": 0.1, "window_s": 0.5}
    return made("tiny", title="", **{**times, **settings})


def events(
    runtime: LocalRuntime, service: Service, timeout: float = 30, **settings: Any
) -> list[dict[str, Any]]:
    """All lines of one run of the generator."""
    of = profile(**settings)
    with runtime, runtime.service(service) as running:
        plan = {
            "host": running.url,
            "backend": runtime.backend_url,
            "cpus": [],
            "profile": of.flat(),
            "steps": [asdict(step) for step in of.steps()],
            "seed": "1 1",
            "certificate": running.certificate,
        }
        generator = runtime.generator(json.dumps(plan))
        said, complaints = generator.communicate(timeout=timeout)
        assert (generator.returncode, complaints) == (0, "")
    return [json.loads(line) for line in said.splitlines()]


def closed(runtime: LocalRuntime, service: Service, **settings: Any) -> list[dict[str, Any]]:
    """The windows it measured, of which each step has one."""
    ready, *lines = events(runtime, service, **settings)
    assert ready["event"] == "ready", ready
    lines = [line for line in lines if line["event"] != "mark"]
    told = ("opening", "open", "over", "close")
    steps = [(event, step.scenario) for step in profile(**settings).steps() for event in told]
    assert [(line["event"], line["scenario"]) for line in lines] == steps
    return lines[3::4]


def without_lateness(problems: list[str]) -> list[str]:
    """The problems, except that requests were sent late, as happens on a busy machine."""
    return [problem for problem in problems if "requests arrived where" not in problem]


def test_windows(stage: Stage, runtime: LocalRuntime) -> None:
    windows = closed(runtime, stage("good")[0], **DELAY)
    for users, window in zip(DELAY["users"], windows, strict=True):
        rounds = window["duration_s"] / 0.05
        assert 0.5 <= window["duration_s"] < 2
        assert users * rounds / 4 < window["requests"] <= users * math.ceil(rounds)
        assert window["failures"] == 0
        assert window["failure_kinds"] == {}
        assert window["unfinished"] == users  # all wait all the time
        assert abs(window["backend_calls"] - window["requests"]) <= users
        assert 50 <= window["p50_ms"] <= window["p90_ms"] <= window["p99_ms"]
        assert window["p99_ms"] <= window["p999_ms"] <= window["max_ms"]
        assert 0 < window["generator_cpu"] < 1.1
        assert 0 < window["backend_cpu"] < 1.1
        assert 0 <= window["backend_late_p50_ms"] <= window["backend_late_p99_ms"]
        assert window["overslept_p99_ms"] >= 0
        assert window["in_flight"] == pytest.approx(users, rel=0.03)
        assert window["connections"] == users


def test_windows_hold_every_response_time(stage: Stage, runtime: LocalRuntime) -> None:
    """Little's law shows that none is left out: in flight is rate × mean response time."""
    for window in closed(runtime, stage("good")[0], **DELAY):
        assert HdrHistogram.decode(window["histogram"]).total_count == window["requests"]
        for name, figure in histogram.figures(window["histogram"]).items():
            assert window[name] == pytest.approx(figure, rel=1e-3)
        rps = window["requests"] / window["duration_s"]
        # Requests at the edges of a window are counted in full, or not at all.
        assert window["in_flight"] == pytest.approx(rps * window["mean_ms"] / 1000, rel=0.3)


def test_a_user_that_joins_late_is_waited_for(stage: Stage, runtime: LocalRuntime) -> None:
    """A late first answer is a figure of its own, and not a response time of the window."""
    neglected, next_step = closed(runtime, stage(bad="neglects")[0], users=(20, 21), delay_s=0.05)
    assert 1200 < neglected["slowest_first_ms"] < 3000
    assert neglected["max_ms"] < 1000
    assert neglected["connections"] == 20
    assert 50 <= next_step["slowest_first_ms"] < 1000  # of those that are new


def test_users_that_are_not_answered_are_not_waited_for_long(
    stage: Stage, runtime: LocalRuntime
) -> None:
    """The service needs 20 ms for each user: 8 s for all."""
    (only,) = closed(runtime, stage(bad="queues")[0], users=(400,), delay_s=0.05)
    assert only["slowest_first_ms"] is None
    assert 0 < only["requests"] < 60


def test_failures_have_their_kind(stage: Stage, runtime: LocalRuntime) -> None:
    (last,) = closed(runtime, stage(bad="mixes")[0], users=(10,), delay_s=0.05)
    assert last["failures"] == last["requests"] > 0
    assert last["failure_kinds"] == {"wrong body": last["failures"]}
    assert HdrHistogram.decode(last["histogram"]).total_count == last["requests"]


@pytest.mark.parametrize(
    ("fault", "reason"), [("garbles", "GET /?delay=0.01 was"), ("misinforms", "GET /info was")]
)
def test_a_service_against_the_contract_is_not_measured(
    stage: Stage, runtime: LocalRuntime, fault: str, reason: str
) -> None:
    (only,) = events(runtime, stage(bad=fault)[0], **DELAY)
    assert only["event"] == "broken"
    assert reason in only["reason"]


def test_composite(stage: Stage, runtime: LocalRuntime) -> None:
    (window,) = closed(runtime, stage("good")[0], **COMPOSITE)
    assert 3 <= window["requests"] <= 3 * math.ceil(window["duration_s"] / 0.15)
    assert window["failures"] == 0
    assert abs(window["backend_calls"] - 12 * window["requests"]) <= 12 * 3
    assert window["p50_ms"] >= 150


def test_file(stage: Stage, runtime: LocalRuntime) -> None:
    (window,) = closed(runtime, stage("good")[0], **FILE)
    assert window["requests"] > 10
    assert (window["failures"], window["backend_calls"]) == (0, 0)


def test_interference(stage: Stage, runtime: LocalRuntime) -> None:
    """The burns of this service are on its event loop, where the others wait for them."""
    alone, together = closed(runtime, stage("good")[0], **INTERFERENCE)
    for window in (alone, together):
        # 75 are due; on a busy machine some of those before the window end in it.
        assert 50 <= window["requests"] <= 110
        assert window["failures"] == 0
        assert window["problems"] == []
        assert abs(window["backend_calls"] - window["requests"]) <= 15  # in flight at the ends
    assert not {"heavy_requests", "heavy_p50_ms"} & alone.keys()
    assert 6 <= together["heavy_requests"] <= 24  # 12 are due
    assert together["heavy_p50_ms"] > 4
    assert together["p99_ms"] > 10 + 4  # the wait, and most of a burn


def test_heavy_requests_that_fail(stage: Stage, runtime: LocalRuntime) -> None:
    alone, together = closed(runtime, stage(bad="chokes")[0], **INTERFERENCE)
    assert alone["problems"] == []
    (problem,) = together["problems"]
    assert "heavy requests failed" in problem
    assert together["failures"] == 0


def test_pollers(stage: Stage, runtime: LocalRuntime) -> None:
    for window in closed(runtime, stage("good")[0], **POLLERS):
        assert 12 <= window["requests"] <= 40  # 20 are due
        assert (window["failures"], window["problems"]) == (0, [])


def test_an_idle_connection_that_is_closed(stage: Stage, runtime: LocalRuntime) -> None:
    window, _ = closed(runtime, stage(bad="closes")[0], **{**POLLERS, "window_s": 1.0})
    assert window["problems"] == [
        "5 of 5 idle connections were closed: "
        "the service keeps one for less time than the crowd waits"
    ]


def test_a_crowd_that_cannot_be_held(stage: Stage, runtime: LocalRuntime) -> None:
    """The step is left out, with the reason, and the one after it measured."""
    settings = {**POLLERS, "connections": (5, 30)}
    ready, _, _, _, first, refused = events(runtime, stage(bad="full")[0], **settings)
    assert (ready["event"], first["event"], first["problems"]) == ("ready", "close", [])
    assert refused["event"] == "failed"
    assert re.match(r"only \d+ of 30 connections could be held: reset", refused["reason"])


def test_chat(stage: Stage, runtime: LocalRuntime) -> None:
    rest, *windows = closed(runtime, stage("good")[0], **CHAT)
    assert (rest["requests"], rest["p50_ms"], rest["problems"]) == (0, None, [])
    assert rest["histogram"] == ""
    for window, messages, others in zip(windows, (50, 11), (2, 9), strict=True):
        assert window["requests"] == messages * others
        assert (window["failures"], window["failure_kinds"], window["problems"]) == (0, {}, [])
        assert 0 < window["p50_ms"] <= window["p99_ms"] <= window["max_ms"] < 5000
        assert HdrHistogram.decode(window["histogram"]).total_count == window["requests"]
        assert window["broadcast_cpu"] > 0


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        ("forgets", {"lost": 11}),
        ("repeats", {"repeated": 99}),
        ("echoes", {"repeated": 11}),
    ],
)
def test_deliveries_that_are_lost_or_repeated(
    stage: Stage,
    runtime: LocalRuntime,
    fault: str,
    kinds: dict[str, int],
) -> None:
    (window,) = closed(runtime, stage(bad=fault)[0], **{**CHAT, "connections": (10,)})
    assert (window["requests"], window["failure_kinds"]) == (99, kinds)
    assert window["failures"] == sum(kinds.values())


def test_open(stage: Stage, runtime: LocalRuntime) -> None:
    windows = closed(runtime, stage("good")[0], **{**OPEN, "window_s": 1.0})
    for rate, window in zip((40, 80, 80), windows, strict=True):
        due = rate * window["duration_s"]
        assert abs(window["requests"] - due) < 0.5 * due
        assert (window["failures"], window["dropped"]) == (0, 0)
        assert without_lateness(window["problems"]) == []
        assert 50 <= window["sent_p50_ms"] <= window["p50_ms"]
        assert window["sent_p99_ms"] <= window["p99_ms"]
        assert window["lag_p99_ms"] is not None
        assert 0 <= window["unfinished"] == window["backlog"] < due / 2
        assert abs(window["due"] - window["requests"]) < 0.5 * due
        assert 0 <= window["drain_s"] < 5
        assert window["undrained"] == 0


def test_a_rate_that_is_too_high(stage: Stage, runtime: LocalRuntime) -> None:
    """A service that answers 50 of 150/s: the rest waits, and is answered afterwards."""
    of = {"kind": "open", "rates": (150,), "delay_s": 0.01, "window_s": 1.5}
    (window,) = closed(runtime, stage(slow="queues")[0], **of)
    assert window["due"] > window["requests"]
    assert window["backlog"] > 50
    assert window["growth_rps"] > 30
    assert window["drain_s"] > 1


def test_unanswered_requests_are_not_waited_for_long(stage: Stage, runtime: LocalRuntime) -> None:
    """A service that answers 50 of 300/s, and is not asked for a higher rate while it is busy."""
    of = {"kind": "open", "rates": (300, 600), "delay_s": 0.01, "window_s": 1.5}
    _, _, _, _, cut, left = events(runtime, stage(slow="queues")[0], **of)
    assert cut["drain_s"] >= 5 and cut["undrained"] > 0
    assert left["event"] == "failed"
    assert "requests of a lower rate were not answered" in left["reason"]


def test_capacity(stage: Stage, runtime: LocalRuntime) -> None:
    """The service needs 20 ms for each request, one after the other: 50/s is more than it can."""
    (_, *opened, window) = events(runtime, stage(slow="queues")[0], timeout=60, **CAPACITY)
    assert {line["event"] for line in opened} == {"opening", "open", "over"}
    assert 5 < window["capacity_rps"] < 60
    tried = [(probe["rate_rps"], probe["sustained"]) for probe in window["probes"]]
    assert (window["capacity_rps"], True) in tried
    assert (100, True) not in tried
    if window["failed_at_rps"]:
        assert window["capacity_rps"] < window["failed_at_rps"]
        assert (window["failed_at_rps"], False) in tried
    else:  # on a busy machine
        assert window["search_ended"]
    assert all(probe["because"] for probe in window["probes"] if not probe["sustained"])
    assert window["p99_ms"] <= 210
