"""What a service needs for a question, by arithmetic on what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.advise.measured import Figure, Service
from loadtests.advise.question import Question, plain, up

# Without a measured capacity no more of a core is counted on than this.
HEADROOM = 0.8


@dataclass(frozen=True)
class Need:
    """What a service needs; None where no result says it."""

    cores: int | None
    processes: int | None
    memory_bytes: float | None


def needed(question: Question, service: Service, worst: bool) -> Need:
    """What a service needs by the medians, or by the rounds that speak most against it."""

    def of(figure: Figure) -> float:
        return figure.worst if worst else figure.median

    cpu = cpu_ms(question, service)
    cores: int | None = None
    if service.capacity_rps:
        cores = up(question.rate_rps / of(service.capacity_rps))
    elif cpu:
        cores = up(question.rate_rps * of(cpu) / (1000 * HEADROOM))
    waiting = question.most_in_flight
    slots = 1 if service.one_at_a_time else service.slots
    processes = max(cores or 0, up(waiting / slots)) if slots else cores
    memory: float | None = None
    if service.at_rest_bytes and processes:
        first, request = of(service.at_rest_bytes), service.request_bytes
        if not service.one_at_a_time:
            memory = first * processes + of(request) * waiting if request else None
        else:  # all but the first share pages with it, as far as was measured
            memory = first + (of(request) if request else first) * (processes - 1)
    return Need(cores, processes, memory)


def cpu_ms(question: Question, service: Service) -> Figure | None:
    """CPU time of a request at the highest measured rate that is not above the one asked.

    It falls as the rate grows, so this is not too little.
    """
    below = [cpu.ms for cpu in service.cpu if cpu.rps <= question.rate_rps]
    return below[-1] if below else service.cpu[0].ms if service.cpu else None


def falls_behind(question: Question, service: Service, need: Need) -> str:
    """Where it answered less than it would have to, with about as many in flight.

    CPU time at a low rate does not say so of who needs more for each the more there are.
    """
    if service.capacity_rps or service.one_at_a_time or not need.processes:
        return ""
    each, rate_rps = in_each(question, service, need), question.rate_rps / need.processes
    above = min((full.users for full in service.full if full.users >= each), default=each)
    for full in service.full:
        if full.users <= above and full.rps < rate_rps:
            return f"answered {plain(round(full.rps))}/s when {full.users:,} users waited"
    return ""


def in_each(question: Question, service: Service, need: Need) -> int:
    """Requests in flight in each process."""
    return 1 if service.one_at_a_time else up(question.most_in_flight / (need.processes or 1))
