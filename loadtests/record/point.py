"""One service in one scenario and round."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# A percentile needs so many answers in its window: two lie beyond it, and a median has ten.
LEAST = {
    "p50_ms": 10,
    "sent_p50_ms": 10,
    "heavy_p50_ms": 10,
    "p90_ms": 20,
    "p99_ms": 200,
    "sent_p99_ms": 200,
    "p999_ms": 2000,
    "added_p50_ms": 10,
    "added_p99_ms": 200,
    "added_p999_ms": 2000,
}
RESPONSE_TIMES = frozenset((*LEAST, "max_ms"))
# The figures that a bound keeps down: the service's own is at least as high.
RATES = frozenset(("rps", "efficiency", "capacity_rps"))
# The limits that may bind a point, as words of a sentence.
BOUNDS = {
    "generator": "the generator",
    "ports": "the ports of the generator",
    "descriptors": "the descriptors of the generator",
    "cores": "the load, which is on the service's cores",
    "users": "the number of users",
    "slots": "the slots that CONCURRENCY gives",
    "client_pool": "the client's pool that CONCURRENCY gives",
    "others": "other processes or the host",
    "time": "the time for the search",
    "windows": "the number of windows of the search",
}


@dataclass(kw_only=True)
class Point:
    """One service in one scenario and round.

    A figure is None where nothing was measured (the service did not start, no
    request came back) or where it has no meaning. `unfinished` requests were in
    flight, or due, when the window closed. `generator_cpu` and `backend_cpu` are
    shares of a core by the clocks of the two, 0 to 1; so are `strangers_…`, of all other
    processes, and `steal_…`, of the host, on the service's core and the load's.
    `backend_late_…` is how late the backend answered in the window, `overslept_p99_ms` how
    late the generator woke, and so read answers. The profile's kind tells what a request is
    (loadtests/workloads). The histograms are of response times in microseconds
    (load/histogram.py): of an open workload `histogram` counts from the instant a
    request was due, `sent_histogram` from the one it was sent; `dropped` were due
    and never sent. `arrivals` says how requests came, "poisson" or "even", empty where
    users send them; so many were `due` in the window. `backlog` were in flight or
    dropped at its end, what was in flight grew by `growth_rps` in it, and took
    `drain_s` when nothing more was sent, or longer where `undrained` are left.
    `recovery_s` is from the end of a stall until no more were in flight than before
    it, `burst_cpu_s` the CPU that took. `in_flight` is a mean over the window, sampled;
    `served` are the users that had an answer within it, `connections` those of the users;
    `slowest_first_ms` the longest that one of the users that joined for this scenario
    waited for its first answer, before the window opened; `unanswered` had none by then.
    `fault` is what went wrong on purpose and what came of it (workloads/faults).
    `problems` are what the generator saw itself that makes a point invalid. Context switches
    are those within the window. `broadcast_cpu` is the generator's share of the time that
    deliveries took. `search_ended` says why no rate failed in the search for `capacity_rps`,
    empty where one did. `shared_cores` are those that service and load had together, None where
    each had its own. `size` is that of the backend's answers in bytes, where scenarios differ in
    it. `overload` has the seconds of one, and the capacity that it is beyond;
    `looks` are at what the service held, "rest"ing before it, "loaded", and "left" after it.
    `backend_apart`: it was on another machine than the generator.
    `generator_processes` are those that made the load, where they were several: each with its
    core, requests and CPU; `generator_cpu` is then that of the core that had most to do.
    `starved` and `bound` are explained in bench/limits.py. run.schema.json
    says what each is. What is not known, as in older runs, is None.
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
    arrivals: str = ""
    due: int | None = None
    backlog: int | None = None
    growth_rps: float | None = None
    drain_s: float | None = None
    undrained: int | None = None
    recovery_s: float | None = None
    burst_cpu_s: float | None = None
    in_flight: float | None = None
    served: int | None = None
    connections: int | None = None
    slowest_first_ms: float | None = None
    backend_cpu: float | None = None
    broadcast_cpu: float | None = None
    kernel_bytes: int | None = None
    pss_bytes: int | None = None
    threads: int | None = None
    descriptors: int | None = None
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None
    capacity_rps: float | None = None
    failed_at_rps: float | None = None
    search_ended: str | None = None
    probes: list[dict[str, Any]] = field(default_factory=list)
    starved: bool = False
    bound: str = ""
    unanswered: int | None = None
    problems: list[str] | None = None
    backend_late_p50_ms: float | None = None
    backend_late_p99_ms: float | None = None
    overslept_p99_ms: float | None = None
    strangers_service: float | None = None
    strangers_load: float | None = None
    steal_service: float | None = None
    steal_load: float | None = None
    delays: str = ""
    slots: int | None = None
    workers: int | None = None
    size: int | None = None
    shared_cores: int | None = None
    added_p50_ms: float | None = None
    added_p99_ms: float | None = None
    added_p999_ms: float | None = None
    added_histogram: str = ""
    fault: dict[str, Any] = field(default_factory=dict)
    overload: dict[str, Any] = field(default_factory=dict)
    looks: list[dict[str, Any]] = field(default_factory=list)
    backend_apart: bool = False
    generator_processes: list[dict[str, Any]] = field(default_factory=list)

    def figure(self, name: str) -> Any:
        """A figure as it may be shown, and compared: None where it is not the service's.

        So it is with response times of a window that was starved or bound, and with
        percentiles of fewer answers than LEAST.
        """
        if name in RESPONSE_TIMES:
            answers = self.heavy_requests if name == "heavy_p50_ms" else self.requests
            if self.starved or self.bound or (answers or 0) < LEAST.get(name, 1):
                return None
        return getattr(self, name)
