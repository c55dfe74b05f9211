"""The needs of a service for a question, by arithmetic on its measurements.

One model: as many processes as the CPU takes that was measured at that rate and delay, the
rate that one process was seen to answer, and the requests that wait at once, whichever takes
the most. Where it was measured that several do less than as many times what one does, each is as
busy as one alone at a higher rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadtests.advise.curves import NEVER as NEVER
from loadtests.advise.curves import between, crossing, curves
from loadtests.advise.figure import Figure
from loadtests.advise.measured import Load, Service
from loadtests.advise.question import Question, plain, up
from loadtests.advise.scaling import together
from loadtests.advise.slots import slots

# No more of a core is counted on than this: what is left is for bursts, and for the machine.
HEADROOM = 0.7


@dataclass(frozen=True)
class Need:
    """The needs of a service; None where no result says it.

    `waiting` requests are in flight in each of the processes, where each takes `own_ms` besides
    the delay; `slots` of them wait for the backend at once, the others for a slot.
    """

    cores: int | None
    processes: int | None
    waiting: int
    slots: int
    own_ms: int
    cpu_percent: float | None
    memory_bytes: float | None
    p99_ms: float | None


Pick = Callable[[Figure], float]


def likely(figure: Figure) -> float:
    """The median of a figure."""
    return figure.median


def unlucky(figure: Figure) -> float:
    """The figure of the round that is worst for the service."""
    return figure.worst


def needed(question: Question, service: Service, pick: Pick) -> Need:
    """The needs of a service by the medians, or by the worst rounds."""
    cores = _fewest(lambda number: lacks(question, service, number, pick))
    processes = max(cores, _for_slots(question, service))
    cpu = _of_cpu(question.delay_s, rate_of_one(question, service, processes, pick), service, pick)
    excess = _at(question, service, processes, pick)
    known = cpu is not None
    own_ms = _own_ms(question, service, processes)
    waiting = 1 if service.one_at_a_time else in_flight(question, service, processes)
    takes_ms = question.delay_s * 1000 + max(own_ms, cpu or 0)
    p99_ms = None if excess is None else question.delay_s * 1000 + excess
    return Need(
        cores=cores if known else None,
        processes=processes if known or service.one_at_a_time else None,
        waiting=waiting,
        slots=slots(question, processes, waiting, takes_ms, p99_ms),
        own_ms=own_ms,
        cpu_percent=question.rate_rps * cpu / 10 if cpu is not None else None,
        memory_bytes=_memory(question, service, processes, pick),
        p99_ms=p99_ms,
    )


def rate_of_one(question: Question, service: Service, processes: int, pick: Pick) -> float:
    """The rate at which one process alone is as busy as each of so many."""
    return question.rate_rps / together(service.several, processes, pick)


def in_flight(question: Question, service: Service, processes: int) -> int:
    """Requests in flight at once in each of so many processes, when many arrive together."""
    return question.in_each(processes, _own_ms(question, service, processes) / 1000)


def _own_ms(question: Question, service: Service, processes: int) -> int:
    """The time of a request besides the delay, as far as the service kept up."""
    if service.one_at_a_time:
        return 0
    rate_rps = question.rate_rps / processes
    found = curves(question.delay_s, service, lambda load: None if load.full else load.own_s * 1000)
    return up(max((between(curve, rate_rps) for curve in found), default=0.0))


def _fewest(lacks: Callable[[int], str | bool]) -> int:
    """The fewest with which nothing is lacking; with more of them nothing is, either."""
    enough = 1
    while lacks(enough):
        enough *= 2
    few = enough // 2
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (middle, enough) if lacks(middle) else (few, middle)
    return enough


def lacks(question: Question, service: Service, processes: int, pick: Pick) -> str:
    """Why so many processes with a core each are too few; empty where they are not."""
    rate_rps = rate_of_one(question, service, processes, pick)
    cpu = _of_cpu(question.delay_s, rate_rps, service, pick)
    share = 0.0 if cpu is None else rate_rps * cpu / 10
    if full := falls_behind(question, service, processes, pick):
        if by_slots(service, full):
            return f"the {service.slots:,} slots of one answered {int(full.rps):,}/s"
        return f"one answered {int(full.rps):,}/s when {full.waiting:,} waited"
    if service.capacity_rps and rate_rps > pick(service.capacity_rps):
        return f"one sustains {int(pick(service.capacity_rps)):,}/s"
    if share > 100 * HEADROOM:
        each = "one" if processes == 1 else f"each of {processes:,}"
        return f"{each} would be {up(share):,} % busy, above {plain(100 * HEADROOM)} %"
    if service.one_at_a_time:
        return ""
    within = within_goal(question, service, pick)
    if within is not None and NEVER < within < rate_rps:
        return f"p99 of one is too long above {int(within):,}/s"
    return ""


def falls_behind(question: Question, service: Service, processes: int, pick: Pick) -> Load | None:
    """The load at which one process answered less than it must, with about as many in flight.

    CPU time at a low rate does not say so of a service that needs more for each the more
    there are.
    """
    if service.one_at_a_time:  # how many it answers depends on the delay
        return None
    waiting = in_flight(question, service, processes)
    rate_rps = rate_of_one(question, service, processes, pick)
    full = [load for load in service.loads if load.full]
    above = min((load.waiting for load in full if load.waiting >= waiting), default=waiting)
    behind = [load for load in full if load.waiting <= above and load.rps < rate_rps]
    return max(behind, key=lambda load: load.rps, default=None)


def by_slots(service: Service, full: Load) -> bool:
    """Whether one fell behind as its slots were taken, not its core."""
    return service.slots is not None and full.waiting >= service.slots


def _for_slots(question: Question, service: Service) -> int:
    """The processes that have room for all that wait, where each has a limit of its own."""
    if service.one_at_a_time:
        return question.most_in_flight
    limit = service.slots
    if not limit:
        return 1
    return _fewest(lambda processes: in_flight(question, service, processes) > limit)


def _memory(question: Question, service: Service, processes: int, pick: Pick) -> float | None:
    if not service.at_rest_bytes:
        return None
    first, request = pick(service.at_rest_bytes), service.request_bytes
    if not service.one_at_a_time:
        held, further = in_flight(question, service, 1), first
        if service.several and (known := service.several[-1].further_bytes):
            further = min(first, pick(known))
        return first + further * (processes - 1) + pick(request) * held if request else None
    # All but the first share pages with it, as far as was measured.
    return first + (pick(request) if request else first) * (processes - 1)


def _of_cpu(delay_s: float, rate_rps: float, service: Service, pick: Pick) -> float | None:
    """CPU time of a request: the most that the measured delays around this one say."""
    found = [
        between(curve, rate_rps)
        for curve in curves(
            delay_s, service, lambda load: pick(load.cpu_ms) if load.cpu_ms else None
        )
    ]
    return max(found, default=None)


def _at(question: Question, service: Service, processes: int, pick: Pick) -> float | None:
    """The p99 above the delay, in ms, at the rate of one of so many processes."""
    if service.one_at_a_time and processes > service.workers:
        return None  # how evenly they take what comes was not measured
    rate_rps = rate_of_one(question, service, processes, pick)
    found = [between(curve, rate_rps) for curve in _excess(question, service, pick)]
    return max(found, default=None)


def within_goal(question: Question, service: Service, pick: Pick) -> float | None:
    """The rate of one process up to which its p99 is within the goal; None where it always is."""
    if question.p99_s is None:
        return None
    goal = (question.p99_s - question.delay_s) * 1000
    found = [crossing(curve, goal) for curve in _excess(question, service, pick)]
    return min((rate for rate in found if rate is not None), default=None)


def _excess(question: Question, service: Service, pick: Pick) -> list[list[tuple[float, float]]]:
    def excess(load: Load) -> float | None:
        return pick(load.p99_ms) - load.delay_s * 1000 if load.p99_ms else None

    return curves(question.delay_s, service, excess)
