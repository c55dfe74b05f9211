"""Whether a service fits a question: what it needs, and what runs short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.advise.measured import Service
from loadtests.advise.need import (
    NEVER,
    Need,
    Pick,
    by_slots,
    falls_behind,
    lacks,
    likely,
    needed,
    rate_of_one,
    unlucky,
    within_goal,
)
from loadtests.advise.question import MIB, Question, up

FITS, ARITHMETIC, BORDERLINE, UNKNOWN, NO = range(5)
WORDS = ("fits", "fits by arithmetic", "borderline", "not known", "no")


@dataclass(frozen=True)
class Judged:
    """A service, what it needs by the median, and whether that is there: FITS to NO, and why."""

    service: Service
    need: Need
    state: int
    because: str

    @property
    def fits(self) -> bool:
        """True if it fits, were it only by arithmetic."""
        return self.state <= ARITHMETIC

    @property
    def verdict(self) -> str:
        """The state in words, and the reason for it."""
        words = WORDS[self.state]
        return f"{words}: {self.because}" if self.because else words


def judge(question: Question, service: Service) -> Judged:
    """The verdict on one service."""
    need = needed(question, service, likely)
    if short := _short(question, service, likely) or _too_slow(question, service, need):
        return Judged(service, need, NO, short)
    if unknown := _unknown(question, service, need):
        return Judged(service, need, UNKNOWN, unknown)
    if short := _short(question, service, unlucky):
        return Judged(service, need, BORDERLINE, f"{short} in the worst round")
    beyond = _beyond(question, service, need)
    return Judged(service, need, ARITHMETIC if beyond else FITS, beyond)


def simplest(judged: Sequence[Judged]) -> list[Judged]:
    """The services of the best place there is; no measurement chooses among them."""
    best = min((one.service.place for one in judged), default=None)
    return [one for one in judged if one.service.place == best]


def names(judged: Sequence[Judged]) -> str:
    """Their names, each with its mark."""
    return ", ".join(one.service.shown for one in judged)


def mib(size: float) -> str:
    """A size in MiB, rounded up."""
    return f"{up(size / MIB):,}"


def _short(question: Question, service: Service, pick: Pick) -> str:
    """The resource that runs short, empty where none does."""
    need = needed(question, service, pick)
    if need.cores is not None and need.cores > question.cores:
        because = lacks(question, service, question.cores, pick)
        full = falls_behind(question, service, question.cores, pick)
        of_what = "processes" if full and by_slots(service, full) else "cores"
        return f"needs {need.cores:,} {of_what}: {because}"
    memory, limit = need.memory_bytes, question.memory_bytes
    if memory is not None and limit is not None and memory > limit:
        return f"needs {mib(memory)} MiB"
    return ""


def _too_slow(question: Question, service: Service, need: Need) -> str:
    """The p99, where no measured rate is within the goal; empty otherwise."""
    if need.p99_ms is None or within_goal(question, service, likely) != NEVER:
        return ""
    return f"p99 is {up(need.p99_ms):,} ms"


def _unknown(question: Question, service: Service, need: Need) -> str:
    if need.cores is None:
        return "CPU was not measured"
    if question.memory_bytes is not None and need.memory_bytes is None:
        return "memory was not measured"
    if question.p99_s is not None and need.p99_ms is None:
        return "p99 was not measured"
    if service.invalid and need.waiting > service.held:
        return f"invalid with more than {service.held:,} in flight"
    return ""


def _beyond(question: Question, service: Service, need: Need) -> str:
    """The part of the question that lies outside the measurements."""
    processes = need.processes or 1
    if processes > service.most_processes:
        return f"{processes:,} processes, measured with {service.most_processes:,}"
    if service.one_at_a_time:
        return ""
    if need.waiting > service.held:
        return f"measured with no more than {service.held:,} in flight"
    top = max((load.rps for load in service.loads), default=0.0)
    if rate_of_one(question, service, processes, likely) > top:
        return f"measured with no more than {int(top):,} requests/s"
    return ""
