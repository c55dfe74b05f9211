"""Findings say whose a figure is: a service's, or the instrument's, and of how many rounds."""

from __future__ import annotations

import random
from typing import Any

import run_kinds
import runs

from loadtests.record import Run
from loadtests.report import sections
from loadtests.report.results import parts


def finding(run: Run) -> str:
    (part,) = parts.split(run)
    return sections.of(part).finding(part)


def tail(added_ms: dict[str, float], alone: dict[str, Any]) -> Run:
    """One round of delays that are drawn: what each service adds, and the generator alone."""
    scenario, rng = "tail-500rps-constant", random.Random(1)
    run = runs.empty("tail")
    run.workloads = {"tail": {"kind": "tail", "title": "", "perfect": {scenario: alone}}}
    run.services = {name: runs.about(name, 1000) for name in added_ms}
    run.points = [
        run_kinds.base(
            "tail", name, rng, 1, scenario=scenario, delays="constant 0.1", rate_rps=500.0,
            added_p50_ms=1.0, added_p99_ms=added / 2, added_p999_ms=added,
        )
        for name, added in added_ms.items()
    ]  # fmt: skip
    return runs.summed(run)


def test_a_tail_within_that_of_the_generator_alone_is_not_the_service_s() -> None:
    added = {"sanic": 8.0, "tornado": 9.89, "flask-gevent": 13.2, "flask-threads": 44.0}
    said = finding(tail(added, {"added_p999_ms": 9.41}))
    assert "8.00 ms" not in said and "9.89 ms" not in said
    assert "13.2 ms in flask-gevent, the least of these; 44.0 ms in flask-threads, the most" in said
    assert (
        "the generator alone, with no service, adds 9.41 ms, and sanic and tornado no more" in said
    )


def test_a_tail_beyond_the_generator_s_is_beside_it() -> None:
    said = finding(tail({"sanic": 11.5, "flask-threads": 44.0}, {"added_p999_ms": 9.41}))
    assert "11.5 ms in sanic, the least; 44.0 ms in flask-threads, the most" in said
    assert said.endswith("the generator alone, with no service, adds 9.41 ms.")
    only = finding(tail({"flask-threads": 44.0}, {"added_p999_ms": 9.41}))
    assert "44.0 ms in flask-threads;" in only  # neither the least nor the most of one


def test_a_generator_that_cannot_be_relied_on_is_no_measure() -> None:
    said = finding(
        tail({"sanic": 9.0, "flask-threads": 44.0}, {"added_p999_ms": 9, "valid": False})
    )
    assert "9.00 ms in sanic, the least" in said and "generator" not in said
