"""The answer to a question: the change to make, the services that fit, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from loadtests import catalog
from loadtests.advise.change import Change, change, relative
from loadtests.advise.measured import MADE_OF, Measured, Service
from loadtests.advise.question import BadQuestion, Question, plain, seconds, up
from loadtests.advise.simplicity import ORDER
from loadtests.advise.verdict import (
    ARITHMETIC,
    BORDERLINE,
    FITS,
    UNKNOWN,
    Judged,
    judge,
    mib,
    names,
    simplest,
)
from loadtests.errors import meant

COLUMNS = (
    *("service", "processes", "in each", "CPU, % of a core", "memory, MiB", "p99, ms"),
    "verdict",
)
MOST_NAMES = 3  # in a note
NUMBERS = (1, 3, 4, 5)  # which of them are flush right
SCALING = "More processes than were measured are arithmetic: scaling was not measured."
BEYOND = "More processes than were measured are arithmetic: they are taken in proportion."
KERNEL = "The kernel's memory for sockets and threads comes on top."


@dataclass(frozen=True)
class Answer:
    """The answer in words.

    `have` is about the service that there is already, where one was named. Tables of COLUMNS:
    `rows` are the services that fit or might, `rest` those that do not, or of which too little
    is known. `notes` are what to be careful about.
    """

    question: str
    have: str
    conclusion: str
    changes: list[Change]
    rows: list[list[str]]
    rest: list[list[str]]
    notes: list[str]


def answer(question: Question, measured: Measured, have: str = "") -> Answer:
    """The answer to a question, from the results; BadQuestion where there is no service `have`."""
    judged = [judge(question, service) for service in measured.services]
    best = _best(judged)
    instead, has = _has(judged, have) if have else ("", None)
    said, chosen = relative(judged, has) if has else ("", None)
    shown = [one for one in judged if one.state <= BORDERLINE]
    return Answer(
        question=question.words(),
        have=instead + said,
        conclusion=_conclusion(judged, best),
        changes=[change(question, one) for one in ([chosen] if chosen else best)],
        rows=[_row(one) for one in shown],
        rest=[_row(one) for one in judged if one not in shown],
        notes=_simpler(judged, best) + _notes(question, measured, shown),
    )


def _has(judged: Sequence[Judged], have: str) -> tuple[str, Judged]:
    """The service that there is; if not measured, with the figures of the most like it."""
    measured = {one.service.name: one for one in judged}
    if have in measured:
        return "", measured[have]
    if have not in catalog.names():
        near = meant(have, catalog.names())
        raise BadQuestion(
            f"HAVE must be a service, not {have}; measured were: {', '.join(measured)}{near}"
        )
    service = catalog.load(have)
    made_of = {part: getattr(service, part) for part in MADE_OF}
    mark = "" if service.kind == "stock" else service.kind
    alike = [one for one in judged if one.service.mark == mark] or judged
    like = min(alike, key=lambda one: len(made_of.items() - one.service.made_of.items()))
    stands = replace(like.service, name=have, mark=mark, made_of=made_of, advice=service.advice)
    said = f"{have} was not measured: these are the figures of {like.service.name}. "
    return said, replace(like, service=stands)


def _best(judged: Sequence[Judged]) -> list[Judged]:
    """The simplest services that fit: of equally simple ones those that fit as measured."""
    fitting = simplest([one for one in judged if one.fits and one.service.people_run_it])
    return [one for one in fitting if one.state == FITS] or fitting


def _row(one: Judged) -> list[str]:
    need, unit = one.need, ORDER[one.service.place].unit
    return [
        one.service.shown,
        "–" if need.processes is None else f"{need.processes:,}",
        "1" if one.service.one_at_a_time else f"{need.slots:,} {unit}",
        "–" if need.cpu_percent is None else f"{up(need.cpu_percent):,}",
        "–" if need.memory_bytes is None else mib(need.memory_bytes),
        "–" if need.p99_ms is None else f"{up(need.p99_ms):,}",
        one.verdict,
    ]


def _conclusion(judged: Sequence[Judged], best: Sequence[Judged]) -> str:
    known = [one for one in judged if one.service.people_run_it]
    borderline = [one for one in known if one.state == BORDERLINE]
    if not best:
        if borderline:
            return f"Only borderline, fitting in some rounds and not in all: {names(borderline)}."
        if any(one.state == UNKNOWN for one in known):
            return "Nothing is known to fit: the results say too little."
        return "Nothing that people run fits."
    place = best[0].service.place
    text = f"The simplest that fits: {names(best)} ({ORDER[place].name}: {ORDER[place].because})."
    if best[0].state == ARITHMETIC:
        as_measured = simplest([one for one in known if one.state == FITS])
        text += " That is arithmetic; "
        if as_measured:
            model = ORDER[as_measured[0].service.place]
            text += f"the simplest that fits as measured: {names(as_measured)} ({model.name})."
        else:
            text += "nothing fits as it was measured."
    near = [one for one in borderline if one.service.place <= place]
    return text + (f" Within noise, so not decided: {names(near)}." if near else "")


def _simpler(judged: Sequence[Judged], best: Sequence[Judged]) -> list[str]:
    """The services that would be simpler than the best, and why none of them is it."""
    place = best[0].service.place if best else 0
    short = [
        f"{one.service.shown} ({one.because.partition(':')[0]})"
        for one in judged
        if one.service.people_run_it and one.state > BORDERLINE and one.service.place < place
    ]
    return [f"Simpler, but not to be had: {', '.join(short)}."] if short else []


def _notes(question: Question, measured: Measured, shown: Sequence[Judged]) -> list[str]:
    notes = [
        f"{one.service.shown}: no more than {one.service.slots:,} in each process were measured, "
        f"{one.service.limit}."
        for one in shown
        if one.service.slots
    ]
    if outside := _outside(question, measured):
        notes.append(
            f"Outside what was measured: {'; '.join(outside)}. The nearest measured counts."
        )
    if any((one.need.processes or 1) > one.service.most_processes for one in shown):
        notes.append(BEYOND if any(one.service.several for one in shown) else SCALING)
    notes += _gains(shown)
    if question.memory_bytes is not None:
        notes.append(KERNEL)
    elsewhere = [one for one in shown if not _covers(one.service, question.delay_s)]
    if elsewhere and _inside(measured.delays_s, question.delay_s):
        notes.append(
            f"At {seconds(question.delay_s)} the nearest delay that was measured counts for "
            f"{names(elsewhere) if len(elsewhere) <= MOST_NAMES else f'{len(elsewhere)} of them'}."
        )
    return notes


def _gains(shown: Sequence[Judged]) -> list[str]:
    """The figures that count for several processes, where these were measured."""
    said = []
    for one in shown:
        if (one.need.processes or 1) > 1 and one.service.several:
            most = one.service.several[-1]
            gain = f"{'≥ ' if most.at_least else ''}{plain(int(most.gain.median * 100) / 100)}"
            further = most.further_bytes
            memory = f", each further one {mib(further.median)} MiB" if further else ""
            said.append(f"{most.processes:,} of {one.service.shown} do {gain} × one{memory}")
    return [f"Processes count as measured: {'; '.join(said)}."] if said else []


def _covers(service: Service, delay_s: float) -> bool:
    delays = [load.delay_s for load in service.loads]
    return not delays or _inside((min(delays), max(delays)), delay_s)


def _inside(ends: tuple[float, float], value: float) -> bool:
    return ends[0] <= value <= ends[1]


def _outside(question: Question, measured: Measured) -> list[str]:
    shortest, longest = measured.delays_s
    delay, top = seconds(question.delay_s), measured.top_rps
    reasons = []
    if question.delay_s < shortest:
        reasons.append(f"a delay of {delay} is shorter than the shortest, {seconds(shortest)}")
    if question.delay_s > longest:
        reasons.append(f"a delay of {delay} is longer than the longest, {seconds(longest)}")
    if question.rate_rps > top * question.cores:
        reasons.append(
            f"{plain(question.rate_rps)} requests/s are more than any service's "
            f"{int(top):,} on one core times {question.cores:,}"
        )
    if question.most_in_flight > measured.held * question.cores:
        reasons.append(
            f"{question.most_in_flight:,} requests in flight are more than the most, "
            f"{measured.held:,}, times {question.cores:,}"
        )
    return reasons
