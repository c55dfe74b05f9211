"""What a report says about a run in words: figures as text, the verdict, what went wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from loadtests.record import Point, Run, Summary

NOTHING = "–"


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits, thousands separated by commas: 0.0983, 101, 9,540."""
    if value is None:
        return NOTHING
    if value == 0:
        return "0"
    # Rounded first: 99.96 becomes 100.0, which has one decimal too many.
    rounded = round(value, digits - 1 - _magnitude(value))
    return f"{rounded:,.{max(0, digits - 1 - _magnitude(rounded))}f}"


def _magnitude(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def seconds(value: float) -> str:
    """A delay in the unit people say: 100 ms, 2 s."""
    return f"{value * 1000:,g} ms" if 0 < value < 1 else f"{value:,g} s"


def workload(users: int, delay_s: float) -> str:
    """A scenario as people say it: 1,000 users × 100 ms."""
    return f"{users:,} {'user' if users == 1 else 'users'} × {seconds(delay_s)}"


def when(time: str) -> str:
    """A time of the record, to the minute: 2026-11-20 14:05 UTC."""
    return f"{time[:10]} {time[11:16]} UTC"


def period(run: Run) -> str:
    """From when to when a run went."""
    if run.finished_at is None:
        return f"{when(run.started_at)}, interrupted"
    return f"{when(run.started_at)} to {when(run.finished_at)}"


def runtime(run: Run) -> str:
    """How the services ran, in a few words."""
    return {"local": "local processes", "compose": "containers"}[run.runtime]


def pinned(run: Run) -> str:
    """Whether services and generator had cores of their own."""
    if run.pinned:
        return "the service pinned to one core, backend and generator to another"
    return "nothing pinned to cores, so the service, the backend and the generator share them"


def state(row: Summary | Point) -> str:
    """Nothing for a valid row, "failed" where no request was answered, else "invalid"."""
    if row.valid:
        return ""
    return "invalid" if row.requests else "failed"


def verdict(run: Run) -> str:
    """How many points are valid, and whether the run came to its end."""
    total, bad = len(run.points), sum(not point.valid for point in run.points)
    text = f"{total - bad} of {total} points valid" if total else "nothing measured"
    return text if run.finished_at else f"{text}, interrupted"


def lower_bounds(run: Run) -> set[tuple[str, str]]:
    """The (service, scenario) of which more requests were waiting at the end than answered.

    Their response times are a lower bound: the slow ones are still in line.
    """
    return {(p.service, p.scenario) for p in run.points if p.unfinished > p.requests}


def top(run: Run) -> Summary | None:
    """Any summary of the headline scenario, that of the most users (and the longest delay)."""
    return max(run.summary, key=lambda row: (row.users, row.delay_s), default=None)


def headline_rows(run: Run) -> dict[str, Summary]:
    """The summaries of the headline scenario by service."""
    best = top(run)
    return {row.service: row for row in run.summary if best and row.scenario == best.scenario}


def ranked(run: Run) -> list[str]:
    """All services of a run: most requests/s in the headline scenario first, invalid ones last."""
    rows = headline_rows(run)

    def rank(name: str) -> tuple[bool, float, str]:
        row = rows.get(name)
        rps = row.rps.median if row and row.rps else 0.0
        return (row is None or not row.valid, -rps, name)

    return sorted({*run.services, *(point.service for point in run.points)}, key=rank)


def finding(run: Run) -> str:
    """The headline in a sentence; empty where no service has a valid round there."""
    best, rows = top(run), headline_rows(run)
    valid = [
        (name, number(row.rps.median))
        for name in ranked(run)
        if (row := rows.get(name)) and row.valid and row.rps
    ]
    if best is None or not valid:
        return ""
    reached = "{} reached {}".format(*valid[0])
    if len(valid) > 1:
        reached += ", the most; {} the fewest, {}".format(*valid[-1])
    load = workload(best.users, best.delay_s)
    if not best.delay_s:
        return f"At {load}, requests/s: {reached}."
    limit = number(best.users / best.delay_s)
    return f"At {load} the arithmetic limit is {limit} requests/s; {reached}."


@dataclass
class Trouble:
    """The same reasons in some rounds of a service: where it was, and what the logs said."""

    service: str
    state: str
    reasons: list[str]
    rounds: dict[str, list[int]] = field(default_factory=dict)
    logs: list[str] = field(default_factory=list)

    def places(self) -> str:
        """Where it happened: 10 users × 100 ms (rounds 1, 3)."""
        return ", ".join(
            f"{load} ({'round' if len(rounds) == 1 else 'rounds'} {', '.join(map(str, rounds))})"
            for load, rounds in self.rounds.items()
        )


def troubles(run: Run) -> list[Trouble]:
    """What went wrong, in the order in which it happened."""
    found: dict[tuple[str, ...], Trouble] = {}
    for point in run.points:
        if point.valid:
            continue
        key = (point.service, state(point), *point.invalid_because)
        reasons = point.invalid_because or ["no reason was recorded"]
        trouble = found.setdefault(key, Trouble(point.service, state(point), reasons))
        trouble.rounds.setdefault(workload(point.users, point.delay_s), []).append(point.round)
        if point.log_tail and point.log_tail not in trouble.logs:
            trouble.logs.append(point.log_tail)
    return list(found.values())


def reproduce(run: Run) -> str:
    """The command that measures the same again."""
    names = " ".join(sorted({*run.services, *(point.service for point in run.points)}))
    return f'make bench PROFILE={run.profile} SERVICES="{names}" RUNTIME={run.runtime}'
