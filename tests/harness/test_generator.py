"""The generator as the bench starts it: what it measures, and what it refuses to measure."""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction
from typing import Any

import pytest
from conftest import Stage

from loadtests.catalog import Service
from loadtests.local import LocalRuntime

PLAN = {"users": [5, 10], "delay_s": 0.05, "warmup_s": 0.1, "window_s": 0.5, "cpus": []}


def events(runtime: LocalRuntime, service: Service, **plan: Any) -> list[dict[str, Any]]:
    """All lines of one run of the generator."""
    with runtime, runtime.service(service) as running:
        where = {"host": running.url, "backend": runtime.backend_url}
        generator = runtime.generator(json.dumps({**PLAN, **where, **plan}))
        said, complaints = generator.communicate(timeout=30)
        assert generator.returncode == 0, complaints
    return [json.loads(line) for line in said.splitlines()]


def test_windows(stage: Stage, runtime: LocalRuntime) -> None:
    ready, *windows = events(runtime, stage("good")[0])
    assert ready["event"] == "ready"
    assert ready["info"]["service"] == "good"
    assert [(w["event"], w["users"]) for w in windows] == [
        ("open", 5), ("close", 5), ("open", 10), ("close", 10),
    ]  # fmt: skip
    for window in windows[1::2]:
        users, rounds = window["users"], window["duration_s"] / 0.05
        assert 0.5 <= window["duration_s"] < 2
        assert users * rounds / 4 < window["requests"] <= users * math.ceil(rounds)
        assert window["failures"] == 0
        assert window["failure_kinds"] == {}
        assert window["unfinished"] == users  # all wait all the time
        assert abs(window["backend_calls"] - window["requests"]) <= users
        assert 50 <= window["p50_ms"] <= window["p90_ms"] <= window["p99_ms"]
        assert window["p99_ms"] <= window["max_ms"] + 0.05  # the one is rounded to 0.1
        assert 0 < window["generator_cpu"] < 1.1


def test_failures_have_their_kind(stage: Stage, runtime: LocalRuntime) -> None:
    *_, last = events(runtime, stage(bad="mixes")[0], users=[10])
    assert last["failures"] == last["requests"] > 0
    assert last["failure_kinds"] == {"wrong body": last["failures"]}


@pytest.mark.parametrize(
    ("fault", "reason"), [("garbles", "GET /?delay=0.01 was"), ("misinforms", "GET /info was")]
)
def test_a_service_against_the_contract_is_not_measured(
    stage: Stage, runtime: LocalRuntime, fault: str, reason: str
) -> None:
    (only,) = events(runtime, stage(bad=fault)[0])
    assert only["event"] == "broken"
    assert reason in only["reason"]


@pytest.fixture
def percentiles(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Importing locust would patch this process."""
    monkeypatch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    from loadtests import generator

    return generator.percentiles


def test_percentiles_are_nearest_rank(percentiles: Any) -> None:
    rng = random.Random(2)
    for size in [*range(1, 30), 99, 100, 101, 200, 999, 1000, 1001]:
        times = sorted(rng.choice([rng.randint(1, 9), rng.expovariate(0.01)]) for _ in range(size))
        counted = {time: times.count(time) for time in rng.sample(times, size)}
        ranks = {p: math.ceil(Fraction(p, 100) * size) for p in (50, 90, 99)}
        assert percentiles(counted) == {f"p{p}_ms": times[rank - 1] for p, rank in ranks.items()}


def test_percentiles_of_nothing(percentiles: Any) -> None:
    assert percentiles({}) == {"p50_ms": None, "p90_ms": None, "p99_ms": None}
