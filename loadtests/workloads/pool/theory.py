"""Queueing theory of a pool of slots: how long a request waits for one, and takes.

Requests arrive at random (Poisson) and each holds a slot for as long as the backend takes. In
Kendall's letters that is M/D/c for constant delays, solved exactly as far as that is soon done,
and M/G/c for others, for which there is only an approximation: as many wait as by Erlang's C, and
for a time that is exponential with the mean of M/M/c × (1 + the squared coefficient of variation)
÷ 2 (Lee and Longton, 1959; Tijms, A First Course in Stochastic Models, 2003, 9.6). The service
itself takes no time here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import exp, floor, inf, log, sqrt

from loadtests.workloads.delays import Delays

ENOUGH = 1e-9  # probabilities below it are left out
STEPS = 1000  # of the delays' distribution, in a response time
MOST_IN_USE = 500  # for more, exp(-number) comes near the least that a float can be
MOST_WORK = 1e8  # of the chain until it is at rest: about a second


def occupied(rate_rps: float, delays: Delays) -> float:
    """The slots that are in use on average, by Little's law; no fewer than that can be stable."""
    return rate_rps * delays.mean_s


def is_stable(rate_rps: float, delays: Delays, slots: int) -> bool:
    """Whether there are slots for all that arrives."""
    return occupied(rate_rps, delays) < slots


def response_ms(rate_rps: float, delays: Delays, slots: int, share: float) -> float:
    """The time within which this share of the requests is answered; infinite if unstable."""
    if not is_stable(rate_rps, delays, slots):
        return inf
    later = waits_longer(rate_rps, delays, slots)
    shares = [(step + 0.5) / STEPS for step in range(STEPS)]
    takes = [delays.quantile(at) for at in shares] if delays.variation > 1e-9 else [delays.mean_s]
    return 1000 * _root(lambda t: sum(later(t - s) for s in takes) / len(takes) - (1 - share))


def waiting_ms(rate_rps: float, delays: Delays, slots: int, share: float) -> float:
    """The time within which this share of the requests has a slot; infinite if unstable."""
    if not is_stable(rate_rps, delays, slots):
        return inf
    later = waits_longer(rate_rps, delays, slots)
    return 1000 * _root(lambda t: later(t) - (1 - share))


def slots_for(rate_rps: float, delays: Delays, share: float, goal_ms: float) -> int | None:
    """The fewest slots with which this share is answered within `goal_ms`; None if none are.

    For constant delays at once, whatever the rate, by `constant_ms`.
    """
    if 1000 * delays.quantile(share) > goal_ms:
        return None

    def takes_ms(slots: int) -> float:
        if delays.variation < 1e-9:
            return constant_ms(rate_rps, delays.mean_s, slots, share)
        return response_ms(rate_rps, delays, slots, share)

    few, enough, step = floor(occupied(rate_rps, delays)), 0, 1
    while takes_ms(enough := few + step) > goal_ms * (1 + 1e-6):
        few, step = enough, 2 * step
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (middle, enough) if takes_ms(middle) > goal_ms * (1 + 1e-6) else (few, middle)
    return enough


def constant_ms(rate_rps: float, delay_s: float, slots: int, share: float) -> float:
    """As `response_ms` for a constant delay, but in closed form; infinite if unstable.

    As many wait as in M/M/c, for a time that is exponential with half its mean, times what
    Cosmetatos (1975) found constant times to add to that. Within a few percent of M/D/c.
    """
    offered = rate_rps * delay_s
    if slots <= offered:
        return inf
    mean_s = _mean_wait_s(offered, delay_s, slots)
    wait_s = mean_s * log(max(1.0, erlang_c(offered, slots) / (1 - share)))
    return 1000 * (delay_s + wait_s)


def _mean_wait_s(offered: float, delay_s: float, slots: int) -> float:
    """Of those that wait, with a constant delay, by Cosmetatos."""
    spare = slots - offered
    apart = spare * (slots - 1) * (sqrt(4 + 5 * slots) - 2) / (16 * offered * slots)
    return delay_s / spare / 2 * (1 + apart)


def waits_longer(rate_rps: float, delays: Delays, slots: int) -> Callable[[float], float]:
    """How often a request waits longer for a slot than a time in seconds; before 0 always."""
    offered, is_constant = occupied(rate_rps, delays), delays.variation < 1e-9
    if is_constant and _is_soon_done(offered, slots):
        return _constant(rate_rps, delays.mean_s, slots)
    often = erlang_c(offered, slots)
    mean_s = (1 + delays.variation) / 2 * delays.mean_s / (slots - offered)
    if is_constant:
        mean_s = _mean_wait_s(offered, delays.mean_s, slots)
    return lambda t: 1.0 if t < 0 else often * exp(-t / mean_s)


def erlang_c(offered: float, slots: int) -> float:
    """How often all slots are in use when a request arrives, `offered` of them on average."""
    inverse = term = 1.0  # of Erlang's B: slots! ÷ (slots - n)! ÷ offered^n, over all n
    for number in range(slots, 0, -1):
        term *= number / offered
        inverse += term
        if term < ENOUGH * inverse and number < offered:
            break
    blocked = 1 / inverse
    return blocked / (1 - offered / slots * (1 - blocked))


def _constant(rate_rps: float, delay_s: float, slots: int) -> Callable[[float], float]:
    """Of M/D/c, from how many are there (Franx, Operations Research Letters 29, 2001).

    With k such that (k - 1) D ≤ t < k D, and Q(j) how often at most j requests have no slot,

        P(wait ≤ t) = Σ from j = 0 to k c - 1 of Q(k c - 1 - j) × P(j arrivals in k D - t).
    """
    queued = _queued(rate_rps * delay_s, slots)

    def later(t: float) -> float:
        if t < 0:
            return 1.0
        k = floor(t / delay_s) + 1
        arrivals = rate_rps * (k * delay_s - t)
        within, probability = 0.0, exp(-arrivals)
        for j in range(k * slots):
            waiting = k * slots - 1 - j
            within += probability * (queued[waiting] if waiting < len(queued) else 1.0)
            probability *= arrivals / (j + 1)
        return max(0.0, 1 - within)

    return later


@cache
def _queued(offered: float, slots: int) -> list[float]:
    """How often at most 0, 1, 2, … requests have no slot, with constant delays.

    After a delay those are there who had no slot before it, and the arrivals since then. That
    is a chain, which is followed until it changes no more, from Poisson's on, as of many slots.
    """
    arrivals = _poisson(offered)
    size = _size(offered, slots)
    present = (arrivals + [0.0] * size)[:size]
    for _ in range(_turns(offered, slots)):
        left = [sum(present[: slots + 1]), *present[slots + 1 :]]
        after = [0.0] * size
        for waiting, often in enumerate(left):
            if often > ENOUGH / size:
                for number, chance in enumerate(arrivals[: size - waiting]):
                    after[waiting + number] += often * chance
        changed = sum(abs(a - b) for a, b in zip(present, after, strict=True))
        present = after
        if changed < ENOUGH:
            break
    at_most, total = [], sum(present)
    sofar = sum(present[:slots])
    for often in present[slots:]:
        sofar += often
        at_most.append(sofar / total)
    return at_most


def _poisson(mean: float) -> list[float]:
    """How often there are 0, 1, 2, … of so many on average."""
    found, often, number = [], exp(-mean), 0
    while number < mean or often > ENOUGH / 1000:
        found.append(often)
        number += 1
        often *= mean / number
    return found


def _size(offered: float, slots: int) -> int:
    """So many requests, and more, are there as good as never.

    Of a queue that is nearly full the number falls off like exp(-2 (slots - offered) n ÷ offered).
    """
    spare = slots - offered
    return slots + int(10 * sqrt(offered)) + int(-log(ENOUGH) * offered / (2 * spare)) + 10


def _turns(offered: float, slots: int) -> int:
    """After so many the chain is at rest: near Little's limit it takes very long to forget."""
    return int(-log(ENOUGH) * 2 * offered / (slots - offered) ** 2) + 100


def _is_soon_done(offered: float, slots: int) -> bool:
    """Whether the chain is followed to its rest, rather than the closed form taken."""
    work = _turns(offered, slots) * _size(offered, slots) ** 2
    return offered <= MOST_IN_USE and work <= MOST_WORK


def _root(falling: Callable[[float], float]) -> float:
    """Where a falling function crosses 0, from 0 on."""
    if falling(0.0) <= 0:
        return 0.0
    low, high = 0.0, 1.0
    while falling(high) > 0:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high
