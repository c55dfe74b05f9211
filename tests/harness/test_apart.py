"""Machines of their own in the record, in the rules, in the report and between two runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import runs
from servers import Request, Server, response

from loadtests import record
from loadtests.advise import sources
from loadtests.bench.verdict import judge, set_ceiling
from loadtests.load import round_trip
from loadtests.record import Point, Run, fingerprint, round_trips
from loadtests.report import build
from loadtests.report.results import facts
from loadtests.workloads import KINDS
from loadtests.workloads.faults import skipped
from loadtests.workloads.kind import Step

TRIPS = {
    "load_service": {"least_ms": 10.0, "p50_ms": 11.0, "p99_ms": 15.0},
    "load_backend": {"least_ms": 1.0, "p50_ms": 2.0, "p99_ms": 3.0},
    "service_backend": {"least_ms": 5.0, "p50_ms": 6.0, "p99_ms": 7.0},
}
MACHINE = {
    "name": "far", "host": "ssh://far", "address": "10.0.0.1:8080", "cpu": "Fast CPU", "cores": 4,
    "memory_bytes": 2**33, "system": "Debian 12, Linux 6.1 x86_64", "engine": "28.2.2",
}  # fmt: skip
INSTRUMENTS = {
    "generator_ceiling_rps": 50_000.0, "added_p50_ms": 0.2, "added_p99_ms": 0.5,
    "backend_late_p50_ms": 0.1, "backend_late_p99_ms": 0.4, "burn_cycles_per_ms": 90_000.0,
}  # fmt: skip
TOLD = (
    "round trip between machines: 11 ms (p99 15) between load and service, 6 ms (p99 7) between "
    "service and backend, 2 ms (p99 3) between load and backend"
)


def apart() -> Run:
    """A run with the service and the backend on other machines than the load."""
    run = runs.made_up(runs.fifteen())
    run.runtime = "compose"
    run.machines = {"service": {**MACHINE}, "backend": {**MACHINE, "name": "farther"}}
    run.instruments = {**INSTRUMENTS, "round_trips": TRIPS}
    return run


def measured(**other: Any) -> Point:
    values = {"requests": 1000, "backend_calls": 1000, "unanswered": 0, **other}
    return Point(
        profile="one", service="one", scenario="s", round=1, users=10, rate_rps=None,
        delay_s=0.1, duration_s=10.0, rps=100.0, **values,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "slots", "ceiling", "binding"),
    [
        ("delay", 1000, 10 / 0.115, "users"),  # the way to the service, and on to the backend
        ("delay", 1, 1 / 0.105, "slots"),  # which a request has while it calls
        ("composite", 1000, 10 / (3 * 0.105 + 0.01), "users"),  # waits three times
    ],
)
def test_the_arithmetic_limit_knows_of_the_way(
    kind: str, slots: int, ceiling: float, binding: str
) -> None:
    info = {"workers": 1, "slots": slots, "client_pool": 1000, "concurrency": 1000}
    point = measured()
    set_ceiling(point, info, KINDS[kind], Step("s", 10), TRIPS)
    assert (point.ceiling_rps, point.binding) == (round(ceiling, 3), binding)


def test_a_backend_elsewhere_takes_nothing_from_the_generator_s_core() -> None:
    busy = {"generator_cpu": 0.5, "backend_cpu": 0.5}
    beside, elsewhere = measured(**busy), measured(**busy, backend_apart=True)
    judge(beside, KINDS["delay"])
    judge(elsewhere, KINDS["delay"])
    assert (beside.bound, elsewhere.bound) == ("generator", "")


def test_it_is_kept_and_read_again(tmp_path: Path) -> None:
    run = apart()
    run.points[0].backend_apart = True
    record.save(run, tmp_path / "run.json")
    again = record.load(tmp_path / "run.json")
    assert (again.machines, again.instruments) == (run.machines, run.instruments)
    assert again.points[0].backend_apart


def test_runs_of_other_machines_are_told_apart() -> None:
    here, there, another = runs.made_up(runs.fifteen()), apart(), apart()
    assert fingerprint.differences(there, apart()) == []
    another.machines["service"]["cores"] = 8
    (said,) = fingerprint.differences(there, another)
    assert said == "cores of the service's machine is 4 in A and 8 in B"
    assert "the backend has a machine of its own only in B" in (
        fingerprint.differences(here, there)
    )


def test_advice_keeps_them_apart() -> None:
    here, there = runs.made_up(runs.fifteen()), apart()
    here.runtime = there.runtime
    assert sources._where(there) == f"{sources._where(here)}, service on far, backend on farther"


def test_the_round_trip_stands_beside_the_response_times(tmp_path: Path) -> None:
    assert round_trips.told(TRIPS) == TOLD
    run = apart()
    build.write(tmp_path, run, build.tell(run), among=tmp_path)
    for name in ("report.md", "report.html"):
        text = (tmp_path / name).read_text()
        assert TOLD[1:] in text
        assert "Fast CPU, 4 cores, Debian 12" in text
        assert "containers on machines of their own" in text
    assert facts.reproduce(run).endswith(" SERVICE_HOST=ssh://far BACKEND_HOST=ssh://far")
    assert facts.round_trips_told(runs.made_up(runs.fifteen())) == ""


@pytest.mark.parametrize("status", ["200 OK", "502 Bad Gateway"])
def test_a_round_trip_is_the_backend_s_and_not_a_proxy_s(status: str) -> None:
    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"{}", status=status))

    with Server(answer) as server:
        address = urlsplit(server.url)
        assert address.hostname
        assert address.port
        if status == "200 OK":
            times_ms = round_trip.times_ms(address.hostname, address.port)
            assert 0 < len(times_ms) <= round_trip.TIMES
            assert all(time > 0 for time in times_ms)
        else:
            with pytest.raises(ConnectionRefusedError, match="no backend of this project"):
                round_trip.times_ms(address.hostname, address.port)


@pytest.mark.parametrize(
    ("fault", "plan", "is_skipped"),
    [
        ("kill", {"runtime": "compose", "backend_apart": True}, True),
        ("kill", {"runtime": "compose"}, False),
        ("refuse", {"runtime": "compose", "backend_apart": True}, False),
        ("no-name", {"runtime": "local"}, True),
        ("no-name", {"runtime": "compose"}, False),
    ],
)
def test_a_fault_that_takes_a_command_is_had_nearby(
    fault: str, plan: dict[str, Any], is_skipped: bool
) -> None:
    assert bool(skipped(fault, plan)) is is_skipped
