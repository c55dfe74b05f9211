"""The charts of a report: SVG text, the same to the byte for the same run."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests import facts, plots
from loadtests.record import Run
from loadtests.series import Measure, Series
from loadtests.tables import MIB

MEASURES = (
    Measure(
        "efficiency",
        "efficiency",
        "Efficiency",
        "% of the ceiling",
        "How much of what the wait alone would allow each service delivered. One that does nothing "
        "but wait reaches 100 %; whatever is missing, it was busy with itself. The ceiling is the "
        "service's own, so one that can wait for a single call at a time has a low one.",
        scale=100,
        panels=True,
        limit=lambda users, delay_s: 100,
    ),
    Measure(
        "requests",
        "rps",
        "Requests/s",
        "requests/s",
        "The dashed line is the arithmetic limit, users ÷ delay, which nobody can exceed. A "
        "service that stays below it has no more answers to give, however many users wait.",
        log=True,
        limit=lambda users, delay_s: users / delay_s,
        limit_label="arithmetic limit",
    ),
    Measure(
        "p99",
        "p99_ms",
        "Response time p99",
        "response time p99, ms",
        "99 % of the answered requests took no longer than this. The dashed line is the delay of "
        "the backend: no answer can be faster, and the distance from it is what the service adds.",
        log=True,
        limit=lambda users, delay_s: delay_s * 1000,
        limit_label="delay of the backend",
    ),
    Measure(
        "cpu",
        "cpu_ms_per_request",
        "CPU per request",
        "CPU per request, ms",
        "CPU time of the service's whole process tree for each request. A core has 1,000 ms a "
        "second: at 0.25 ms a request it is spent at 4,000 requests/s.",
    ),
    Measure(
        "memory",
        "rss_bytes",
        "Memory",
        "memory, MiB",
        "Memory of the service's whole process tree under this load. What it grows by with the "
        "users is the price of holding requests that wait.",
        scale=1 / MIB,
    ),
)


@dataclass(frozen=True)
class Chart:
    """A drawn measure; `alt` says in words what is to be seen."""

    name: str
    title: str
    caption: str
    alt: str
    svg: str


def draw(run: Run) -> list[Chart]:
    """All charts of a run, none where nothing was measured; bars where there is one user level."""
    delays = sorted({row.delay_s for row in run.summary})
    return [
        _chart(Series(run, measure, delay), alone=len(delays) == 1)
        for measure in MEASURES
        for delay in delays
    ]


def _chart(series: Series, alone: bool) -> Chart:
    measure = series.measure
    name = measure.name if alone else f"{measure.name}-{series.delay_s:g}s"
    svg = plots.svg(series, name)
    by = (
        ""
        if len(series.users) == 1
        else " by service and users"
        if measure.panels
        else " against users"
    )
    backend = "" if alone else f", {facts.seconds(series.delay_s)} backend"
    return Chart(name, f"{measure.title}{by}{backend}", measure.caption, _alt(series), svg)


def _alt(series: Series) -> str:
    users = series.users[-1]
    load = facts.workload(users, series.delay_s)
    values = ", ".join(_said(series, name, users) for name in series.services)
    return f"{series.measure.axis} at {load}: {values}"


def _said(series: Series, name: str, users: int) -> str:
    spread, state = series.at(name, users), series.state(name, users)
    if spread is None:
        return f"{name} {state or 'unknown'}"
    return f"{name} {facts.number(spread.median)}" + (f" ({state})" if state else "")
