"""The points of a service and scenario taken together, over the rounds."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import lru_cache

from loadtests.load import histogram
from loadtests.record.point import Point

# The figures of a point that are summarised over rounds.
MEASURES = (
    "rps",
    "efficiency",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "max_ms",
    "cpu_ms_per_request",
    "rss_bytes",
    "heavy_p50_ms",
    "p999_ms",
    "sent_p50_ms",
    "sent_p99_ms",
    "lag_p99_ms",
    "pss_bytes",
    "threads",
    "descriptors",
    "voluntary_switches",
    "involuntary_switches",
    "capacity_rps",
    "failed_at_rps",
)


@dataclass(frozen=True)
class Spread:
    """A figure over rounds."""

    median: float
    min: float
    max: float


@dataclass(kw_only=True)
class Summary:
    """One service in one scenario over all rounds.

    The figures are medians over the valid rounds, or over all rounds that
    measured something where none was valid; then `valid` is false. `histogram` is
    of all response times of those rounds, `merged` its figures (load/histogram.py).
    """

    profile: str
    service: str
    scenario: str
    users: int
    idle_connections: int
    rate_rps: float | None
    delay_s: float
    rounds: int
    valid_rounds: int
    requests: int
    failures: int
    heavy_requests: int | None
    ceiling_rps: float | None
    binding: str
    valid: bool
    invalid_because: list[str]
    rps: Spread | None
    efficiency: Spread | None
    p50_ms: Spread | None
    p90_ms: Spread | None
    p99_ms: Spread | None
    max_ms: Spread | None
    cpu_ms_per_request: Spread | None
    rss_bytes: Spread | None
    heavy_p50_ms: Spread | None
    p999_ms: Spread | None
    sent_p50_ms: Spread | None
    sent_p99_ms: Spread | None
    lag_p99_ms: Spread | None
    pss_bytes: Spread | None
    threads: Spread | None
    descriptors: Spread | None
    voluntary_switches: Spread | None
    involuntary_switches: Spread | None
    capacity_rps: Spread | None
    failed_at_rps: Spread | None
    dropped: int
    histogram: str
    merged: dict[str, float]


def summarise(points: list[Point]) -> list[Summary]:
    """One summary a service × scenario, in the order in which they first appear."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.service, point.scenario), []).append(point)
    return [_summary(group) for group in groups.values()]


def _summary(group: list[Point]) -> Summary:
    first = group[0]
    heavy = [point.heavy_requests for point in group if point.heavy_requests is not None]
    ceilings = [point.ceiling_rps for point in group if point.ceiling_rps is not None]
    valid = [point for point in group if point.valid]
    counted = valid or [point for point in group if point.requests or point.rss_bytes]
    reasons = dict.fromkeys(reason for point in group for reason in point.invalid_because)
    merged, figures = _merged(tuple(point.histogram for point in counted))
    return Summary(
        profile=first.profile,
        service=first.service,
        scenario=first.scenario,
        users=first.users,
        idle_connections=first.idle_connections,
        rate_rps=first.rate_rps,
        delay_s=first.delay_s,
        rounds=len(group),
        valid_rounds=len(valid),
        requests=sum(point.requests for point in group),
        failures=sum(point.failures for point in group),
        heavy_requests=sum(heavy) if heavy else None,
        ceiling_rps=max(ceilings, default=None),
        binding=next((point.binding for point in group if point.binding), ""),
        valid=bool(valid),
        invalid_because=list(reasons),
        dropped=sum(point.dropped for point in group),
        histogram=merged,
        merged=dict(figures),
        **{name: _spread(counted, name) for name in MEASURES},
    )


# After each point of a run all points are summarised, and most have not changed.
@lru_cache(maxsize=2000)
def _merged(texts: tuple[str, ...]) -> tuple[str, dict[str, float]]:
    merged = histogram.merged(texts)
    figures = histogram.figures(merged).items()
    return merged, {name: value for name, value in figures if value is not None}


def _spread(points: list[Point], name: str) -> Spread | None:
    values = [value for point in points if (value := getattr(point, name)) is not None]
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values))
