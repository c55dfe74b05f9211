"""What each service needs for a question, which ones fit, and which is simplest among those."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.advise.measured import Measured, Service
from loadtests.advise.need import HEADROOM, Need, cpu_ms, falls_behind, in_each, needed
from loadtests.advise.question import MIB, Question, plain, seconds, up
from loadtests.advise.simplicity import ORDER

# A delay this many times the longest measured is a long way from it.
FAR = 10
COLUMNS = ("service", "needs", "processes", "CPU, % of a core", "memory, MiB", "verdict")
NUMBERS = (2, 3, 4)  # which of them are flush right
FITS, ARITHMETIC, BORDERLINE, UNKNOWN, NO = range(5)


@dataclass(frozen=True)
class Judged:
    """A service, what it needs by the median, and whether that is there: FITS to NO, and why."""

    service: Service
    need: Need
    state: int
    because: str

    @property
    def verdict(self) -> str:
        words = ("fits", "fits by arithmetic", "borderline", "not known", "no")[self.state]
        return f"{words}: {self.because}" if self.because else words


@dataclass(frozen=True)
class Answer:
    """The answer in words: a table of COLUMNS, what to be careful about, the conclusion."""

    question: str
    rows: list[list[str]]
    notes: list[str]
    conclusion: str


def answer(question: Question, measured: Measured) -> Answer:
    """What the results say to a question."""
    judged = [_judged(question, service) for service in measured.services]
    return Answer(
        question.words(),
        [_row(question, one) for one in judged],
        _notes(question, measured, judged),
        _conclusion(judged),
    )


def _judged(question: Question, service: Service) -> Judged:
    likely, worst = (needed(question, service, worst) for worst in (False, True))
    unknown = _unknown(question, service, likely)
    short = _short(question, likely) or falls_behind(question, service, likely)
    if short:
        return Judged(service, likely, NO, short)
    if unknown:
        return Judged(service, likely, UNKNOWN, unknown)
    if short := _short(question, worst):
        return Judged(service, likely, BORDERLINE, f"{short} in the worst round")
    beyond = _beyond(question, service, likely)
    return Judged(service, likely, ARITHMETIC if beyond else FITS, beyond)


def _short(question: Question, need: Need) -> str:
    """What there is too little of."""
    if need.cores is not None and need.cores > question.cores:
        return f"needs {need.cores:,} cores"
    memory, limit = need.memory_bytes, question.memory_bytes
    if memory is not None and limit is not None and memory > limit:
        return f"needs {_mib(memory)} MiB"
    return ""


def _unknown(question: Question, service: Service, need: Need) -> str:
    if need.cores is None:
        return "CPU was not measured"
    if question.memory_bytes is not None and need.memory_bytes is None:
        return "memory was not measured"
    if service.invalid and in_each(question, service, need) > service.held:
        return f"invalid with more than {service.held:,} in flight"
    return ""


def _beyond(question: Question, service: Service, need: Need) -> str:
    """In what respect nobody has measured this."""
    if need.processes is not None and need.processes > service.workers:
        return f"{need.processes:,} processes, measured with {service.workers:,}"
    if not service.one_at_a_time and in_each(question, service, need) > service.held:
        return f"measured with no more than {service.held:,} in flight"
    return ""


def _row(question: Question, one: Judged) -> list[str]:
    need, cpu = one.need, cpu_ms(question, one.service)
    return [
        one.service.shown,
        f"{question.most_in_flight:,} {ORDER[one.service.place].unit}",
        "–" if need.processes is None else f"{need.processes:,}",
        "–" if cpu is None else f"{up(question.rate_rps * cpu.median / 10):,}",
        "–" if need.memory_bytes is None else _mib(need.memory_bytes),
        one.verdict,
    ]


def _notes(question: Question, measured: Measured, judged: list[Judged]) -> list[str]:
    outside = _outside(question, measured)
    notes = []
    if outside:
        notes.append(f"Outside what was measured: {'; '.join(outside)}.")
    if any(one.need.processes and one.need.processes > one.service.workers for one in judged):
        notes.append(
            "More processes than were measured are arithmetic: "
            "the results say nothing about scaling over processes or cores."
        )
    cpu = [one for one in judged if one.need.cores is None]
    memory = [one for one in judged if one.need.memory_bytes is None]
    several = [one for one in judged if not one.service.one_at_a_time]
    capacity = [one for one in several if not one.service.capacity_rps and one not in cpu]
    if cpu:
        notes.append(f"CPU per request was not measured for {_all_or_names(cpu, judged)}.")
    if memory:
        missing = _all_or_names(memory, judged)
        notes.append(f"Memory per waiting request was not measured for {missing}.")
    if capacity:
        notes.append(
            f"Capacity was not measured for {_all_or_names(capacity, several)}: counted on is "
            f"{plain(HEADROOM * 100)} % of a core at the CPU per request."
        )
    if len(measured.machines) > 1:
        notes.append(f"The results are of different machines: {', '.join(measured.machines)}.")
    return notes


def _outside(question: Question, measured: Measured) -> list[str]:
    shortest, longest = measured.delays_s
    delay, top = seconds(question.delay_s), measured.top_rps
    reasons = []
    if question.delay_s < shortest:
        reasons.append(f"a delay of {delay} is shorter than the shortest, {seconds(shortest)}")
    if question.delay_s > FAR * longest:
        reasons.append(f"a delay of {delay} is far longer than the longest, {seconds(longest)}")
    if question.rate_rps > top * question.cores:
        reasons.append(
            f"{plain(question.rate_rps)} requests/s are more than any service's "
            f"{int(top):,} on one core times {question.cores:,}"
        )
    if question.most_in_flight > measured.held:
        reasons.append(
            f"{question.most_in_flight:,} requests in flight are more than the most, "
            f"{measured.held:,}"
        )
    return reasons


def _conclusion(judged: list[Judged]) -> str:
    fitting = [one for one in judged if one.state <= ARITHMETIC]
    borderline = [one for one in judged if one.state == BORDERLINE]
    first = _simplest(fitting)
    if not first:
        if borderline:
            return f"Only borderline, fitting in some rounds and not in all: {_names(borderline)}."
        if any(one.state == UNKNOWN for one in judged):
            return "Nothing is known to fit: the results say too little."
        return "Nothing that was measured fits."
    model = ORDER[first[0].service.place]
    text = f"The simplest that fits: {_names(first)} ({model.name}: {model.because})."
    if all(one.state == ARITHMETIC for one in first):
        as_measured = _simplest([one for one in fitting if one.state == FITS])
        text += " That is arithmetic; "
        if as_measured:
            model = ORDER[as_measured[0].service.place]
            text += f"the simplest that fits as measured: {_names(as_measured)} ({model.name})."
        else:
            text += "nothing fits as it was measured."
    near = [one for one in borderline if one.service.place <= first[0].service.place]
    return text + (f" Within noise, so not decided: {_names(near)}." if near else "")


def _simplest(judged: list[Judged]) -> list[Judged]:
    """Those of the first place that any has; what was measured does not choose among them."""
    best = min((one.service.place for one in judged), default=None)
    return [one for one in judged if one.service.place == best]


def _names(judged: list[Judged]) -> str:
    return ", ".join(one.service.shown for one in judged)


def _all_or_names(judged: list[Judged], every: list[Judged]) -> str:
    return "any service" if len(judged) == len(every) else _names(judged)


def _mib(size: float) -> str:
    return f"{up(size / MIB):,}"
