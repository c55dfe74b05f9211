"""The points of a service and scenario taken together, over the rounds."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from functools import lru_cache

from loadtests.load import histogram
from loadtests.record.point import LEAST, RESPONSE_TIMES, Point

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
    "added_p50_ms",
    "added_p99_ms",
    "added_p999_ms",
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
    measured something where none was valid; then `valid` is false. Where one of those rounds
    was `starved`, or something has `bound` its figure, all of them are, and there are no
    response times; `served` are the users that had an answer in the window, in the round with
    the fewest. `merged` are the figures of all response times; of `histograms`, those of the
    points that count (load/histogram.py), none is stored a second time.
    """

    profile: str
    service: str
    scenario: str
    users: int
    idle_connections: int
    rate_rps: float | None = None
    delay_s: float
    rounds: int
    valid_rounds: int
    requests: int
    failures: int
    heavy_requests: int | None = None
    ceiling_rps: float | None = None
    binding: str = ""
    valid: bool
    invalid_because: list[str]
    rps: Spread | None = None
    efficiency: Spread | None = None
    p50_ms: Spread | None = None
    p90_ms: Spread | None = None
    p99_ms: Spread | None = None
    max_ms: Spread | None = None
    cpu_ms_per_request: Spread | None = None
    rss_bytes: Spread | None = None
    heavy_p50_ms: Spread | None = None
    p999_ms: Spread | None = None
    sent_p50_ms: Spread | None = None
    sent_p99_ms: Spread | None = None
    lag_p99_ms: Spread | None = None
    pss_bytes: Spread | None = None
    threads: Spread | None = None
    descriptors: Spread | None = None
    voluntary_switches: Spread | None = None
    involuntary_switches: Spread | None = None
    capacity_rps: Spread | None = None
    failed_at_rps: Spread | None = None
    dropped: int
    merged: dict[str, float] = field(default_factory=dict)
    starved: bool = False
    bound: str = ""
    served: int | None = None
    delays: str = ""
    slots: int | None = None
    workers: int | None = None
    size: int | None = None
    added_p50_ms: Spread | None = None
    added_p99_ms: Spread | None = None
    added_p999_ms: Spread | None = None
    histograms: tuple[str, ...] = field(default=(), repr=False)

    @property
    def histogram(self) -> str:
        """The histogram of all response times of the rounds that count; empty where none does."""
        return _merged(self.histograms)[0]

    def longest(self, field: str) -> Spread | None:
        """The longest time, where a percentile has too few answers (LEAST); None elsewhere."""
        few = field in LEAST and not field.startswith(("sent_", "heavy_", "added_"))
        return self.max_ms if few and getattr(self, field) is None else None


def summarise(points: list[Point]) -> list[Summary]:
    """One summary a service × scenario, in the order in which they first appear."""
    return [_summary(group) for group in _groups(points).values()]


def note_histograms(points: list[Point], rows: list[Summary]) -> None:
    """Give each row the histograms of its points again."""
    groups = _groups(points)
    for row in rows:
        group = groups.get((row.service, row.scenario), [])
        row.histograms = tuple(point.histogram for point in _timed(group))


def _groups(points: list[Point]) -> dict[tuple[str, str], list[Point]]:
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.service, point.scenario), []).append(point)
    return groups


def _counted(group: list[Point]) -> list[Point]:
    """The valid ones, or all that measured something where none is."""
    valid = [point for point in group if point.valid]
    return valid or [
        point for point in group if point.requests or point.pss_bytes or point.rss_bytes
    ]


def _timed(group: list[Point]) -> list[Point]:
    """Those that count of which all response times are the service's; none where one's are not."""
    counted = _counted(group)
    return [] if any(point.starved for point in counted) or _bound(counted) else counted


def _summary(group: list[Point]) -> Summary:
    first = group[0]
    heavy = [point.heavy_requests for point in group if point.heavy_requests is not None]
    ceilings = [point.ceiling_rps for point in group if point.ceiling_rps is not None]
    valid = [point for point in group if point.valid]
    counted, timed = _counted(group), _timed(group)
    reasons = dict.fromkeys(reason for point in group for reason in point.invalid_because)
    starved = any(point.starved for point in counted)
    bound = _bound(counted)
    served = [point.served for point in counted if point.served is not None]
    histograms = tuple(point.histogram for point in timed)
    return Summary(
        profile=first.profile,
        service=first.service,
        scenario=first.scenario,
        users=first.users,
        idle_connections=first.idle_connections,
        rate_rps=first.rate_rps,
        delay_s=first.delay_s,
        delays=first.delays,
        slots=first.slots,
        workers=first.workers,
        size=first.size,
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
        merged=dict(_merged(histograms)[1]),
        histograms=histograms,
        starved=starved,
        bound=bound,
        served=min(served, default=None),
        **{name: _spread(timed if name in RESPONSE_TIMES else counted, name) for name in MEASURES},
    )


def _bound(points: list[Point]) -> str:
    """The limit, not the service's, that holds down the median rate.

    None where only rounds above the median met one: it stays what it is if they are higher.
    """
    rates = [point.rps if point.capacity_rps is None else point.capacity_rps for point in points]
    middle = statistics.median_high(rates) if rates else 0.0
    at_most = (point for point, rate in zip(points, rates, strict=True) if rate <= middle)
    return next((point.bound for point in at_most if point.bound), "")


# After each point of a run all points are summarised, and most have not changed.
@lru_cache(maxsize=2000)
def _merged(texts: tuple[str, ...]) -> tuple[str, dict[str, float]]:
    merged = histogram.merged(texts)
    figures = histogram.figures(merged).items()
    return merged, {name: value for name, value in figures if value is not None}


def _spread(points: list[Point], name: str) -> Spread | None:
    values = [value for point in points if (value := point.figure(name)) is not None]
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values))
