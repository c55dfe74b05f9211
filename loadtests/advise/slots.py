"""How many slots (threads, CONCURRENCY) a goal for the p99 takes, from queueing theory."""

from __future__ import annotations

from loadtests.advise.question import Question
from loadtests.workloads import delays
from loadtests.workloads.pool import theory

# Poisson arrivals, constant delays and so many slots, in Kendall's letters.
THEORY = "an approximation of queueing theory (M/D/c)"


def slots(
    question: Question, processes: int, waiting: int, takes_ms: float, p99_ms: float | None
) -> int:
    """The slots of each process: the fewest or so with a p99 within the goal, by queueing theory.

    A request holds its slot for `takes_ms`, the delay and its own time, CPU included. The p99
    that was measured without a wait for a slot may be longer: by so much the theory's must be
    shorter. Without a goal, or where none are enough, as many as wait.
    """
    if question.p99_s is None or p99_ms is None or waiting == 1:
        return waiting
    goal_ms = question.p99_s * 1000 - max(0.0, p99_ms - takes_ms)
    rate_rps = question.rate_rps / processes
    return theory.slots_for(rate_rps, delays.constant(takes_ms / 1000), 0.99, goal_ms) or waiting
