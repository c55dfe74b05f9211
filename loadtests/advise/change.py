"""The change to make: a service's settings for a question, as its server and client take them.

The settings are templates beside each service: `[advice]` in its service.toml, with the parts
PARTS and the PLACEHOLDERS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.advise.need import HEADROOM
from loadtests.advise.question import Question, plain, seconds, up
from loadtests.advise.slots import THEORY
from loadtests.advise.verdict import Judged

# Said of the setup that one has, by its state: FITS to NO.
HOW = (
    *("which fits, but nobody should run it",) * 2,
    "which fits in some rounds and not in all",
    "of which too little is known",
    "which does not fit",
)
# The server's command line, or what stands for it; a setting in the application; the client.
PARTS = ("server", "code", "client")
PLACEHOLDERS = ("processes", "slots", "connections", "timeout_s", "drain_s", "answer_s")
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
# Client connections that servers allow by default; idle ones count, so there must be more of
# them than requests in flight.
CONNECTIONS = 1000
# The least that a call may take; what a server waits for at its end, and for an answer.
TIMEOUT_S, DRAIN_S, ANSWER_S = 10, 30, 60


@dataclass(frozen=True)
class Change:
    """The settings of a service, each a line of its server's or its client's, and why."""

    service: str
    settings: list[str]
    why: str


def values(question: Question, one: Judged) -> dict[str, int]:
    """The numbers of a service's settings, by placeholder; times are in seconds."""
    waiting = one.need.waiting
    timeout_s = max(TIMEOUT_S, up(2 * question.delay_s))
    server = (one.need.processes or 1, one.need.slots, max(CONNECTIONS, 2 * waiting))
    times = (timeout_s, max(DRAIN_S, timeout_s), max(ANSWER_S, 2 * timeout_s))
    return dict(zip(PLACEHOLDERS, (*server, *times), strict=True))


def change(question: Question, one: Judged) -> Change:
    """The settings that a service which fits should have."""
    known = values(question, one)

    def filled(template: str) -> str:
        return PLACEHOLDER.sub(lambda found: str(known[found[1]]), template)

    advice = one.service.advice
    settings = [filled(advice[part]) for part in PARTS if part in advice]
    return Change(one.service.shown, settings, _why(question, one))


def _why(question: Question, one: Judged) -> str:
    """The arithmetic behind the settings."""
    need, processes = one.need, one.need.processes or 1
    delay, own_s = seconds(question.delay_s), need.own_ms / 1000
    takes = f"({delay} + {need.own_ms} ms of its own)" if need.own_ms else delay
    mean = up(question.rate_rps * (question.delay_s + own_s))
    where = "" if processes == 1 else f" in each of {processes:,} processes"
    enough = f"{need.slots:,}{where} is enough when many arrive together"
    if question.p99_s is not None and need.slots != need.waiting:
        goal = seconds(question.p99_s)
        enough = f"about {need.slots:,} slots{where} keep the p99 within {goal} by {THEORY}"
    return (
        f"{plain(question.rate_rps)}/s × {takes} = {mean:,} in flight on average; {enough}. "
        f"CPU: {up(need.cpu_percent or 0):,} % of a core, and "
        f"{plain(100 * HEADROOM)} % of each is what is counted on."
    )


def relative(judged: Sequence[Judged], has: Judged) -> tuple[str, Judged | None]:
    """The change for somebody who has a service: a sentence, and the service to set up."""
    said = f"You have {has.service.shown}"
    if has.fits and has.service.people_run_it:
        because = f" by arithmetic ({has.because})" if has.because else ""
        return f"{said}, and it fits{because}: change no more than its settings.", has
    why = has.because if not has.fits else f"it is of the kind {has.service.mark}"
    said = f"{said}, {HOW[has.state]} ({why})"
    best = _nearest(judged, has)
    if best is None:
        return f"{said}. Nothing that people run is known to fit.", None
    mine, its = has.service.made_of, best.service.made_of
    parts = "; ".join(f"{its[part]} in place of {mine[part]}" for part in _apart(has, best))
    return f"{said}. The least change that fits is {best.service.shown}: {parts}.", best


def _nearest(judged: Sequence[Judged], has: Judged) -> Judged | None:
    """Of the services that fit the one that differs in the fewest parts; of equals the simplest."""
    fitting = [one for one in judged if one.fits and one.service.people_run_it]
    return min(
        fitting,
        key=lambda one: (len(_apart(has, one)), one.service.place, one.service.name),
        default=None,
    )


def _apart(one: Judged, other: Judged) -> list[str]:
    mine, its = one.service.made_of, other.service.made_of
    return [part for part in its if mine.get(part) != its[part]]
