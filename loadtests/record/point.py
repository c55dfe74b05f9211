"""One service in one scenario and round."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Point:
    """One service in one scenario and round.

    A figure is None where nothing was measured (the service did not start, no
    request came back) or where it has no meaning. `unfinished` requests were in
    flight, or due, when the window closed. `generator_cpu` and `backend_cpu` are
    busy shares of a core, 0 to 1. What kinds.py says of the profile's kind tells
    what a request is. The histograms are of response times in microseconds
    (load/histogram.py): of an open workload `histogram` counts from the instant a
    request was due, `sent_histogram` from the one it was sent; `dropped` were due
    and never sent. `in_flight` is a mean over the window, sampled; `served` are the
    users that had an answer within it, `connections` those of the users;
    `slowest_first_ms` the longest that one of the users that joined for this scenario
    waited for its first answer, before the window opened. Context switches are those
    within the window.
    run.schema.json says what each is.
    """

    profile: str
    service: str
    scenario: str
    round: int
    users: int
    rate_rps: float | None
    delay_s: float
    duration_s: float
    idle_connections: int = 0
    requests: int = 0
    failures: int = 0
    failure_kinds: dict[str, int] = field(default_factory=dict)
    unfinished: int = 0
    rps: float = 0.0
    ceiling_rps: float | None = None
    binding: str = ""
    efficiency: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    cpu_ms_per_request: float | None = None
    rss_bytes: int | None = None
    heavy_requests: int | None = None
    heavy_p50_ms: float | None = None
    backend_calls: int = 0
    generator_cpu: float | None = None
    valid: bool = True
    invalid_because: list[str] = field(default_factory=list)
    log_tail: str = ""
    p999_ms: float | None = None
    mean_ms: float | None = None
    histogram: str = ""
    dropped: int = 0
    lag_p99_ms: float | None = None
    sent_p50_ms: float | None = None
    sent_p99_ms: float | None = None
    sent_histogram: str = ""
    in_flight: float | None = None
    served: int | None = None
    connections: int | None = None
    slowest_first_ms: float | None = None
    backend_cpu: float | None = None
    pss_bytes: int | None = None
    threads: int | None = None
    descriptors: int | None = None
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None
    capacity_rps: float | None = None
    failed_at_rps: float | None = None
    probes: list[dict[str, Any]] = field(default_factory=list)
