"""Several delays in one profile: each with a service that was started for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import runs
from conftest import Stage

from loadtests.bench import profiles
from loadtests.bench.laps import Laps
from loadtests.bench.measure import measure
from loadtests.bench.plan import Part
from loadtests.catalog import Service
from loadtests.runtime.local import LocalRuntime

MAP = profiles.made(
    "map", title="Map", kind="map", delays=(0.02, 0.1), users=(5, 10), rounds=1,
    warmup_s=0.1, window_s=0.8,
)  # fmt: skip


def test_each_delay_is_a_start_of_its_own() -> None:
    scenarios = [[step.scenario for step in steps] for steps in MAP.starts()]
    assert scenarios == [
        ["map-20ms-5-users", "map-20ms-10-users"],
        ["map-100ms-5-users", "map-100ms-10-users"],
    ]
    assert MAP.turn_s() > 2 * 1.5 + 4 * 0.9 + 2 * 0.12


def test_a_map(stage: Stage, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    start = runtime.service

    @contextmanager
    def counted(service: Service, **settings: Any) -> Iterator[Any]:
        started.append(service.name)
        with start(service, **settings) as running:
            yield running

    monkeypatch.setattr(runtime, "service", counted)
    (service,) = stage("good")
    result = runs.empty("map", services={"good": {"info": None}})
    with runtime:
        points = list(measure(service, 1, Part(MAP, [service], {}, runtime), result, Laps()))
    assert [point.invalid_because for point in points] == [[]] * 4
    assert started == ["good", "good"]
    assert [(point.delay_s, point.users) for point in points] == [
        (0.02, 5), (0.02, 10), (0.1, 5), (0.1, 10),
    ]  # fmt: skip
    for point in points:
        assert point.ceiling_rps == pytest.approx(point.users / point.delay_s)
        assert point.p50_ms is not None
        assert point.p50_ms >= 1000 * point.delay_s
        assert point.requests <= point.users * (point.duration_s / point.delay_s + 1)
