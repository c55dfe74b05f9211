"""README's answer: sentences of fixed form, each from one profile of the newest suite."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from loadtests.record import Summary
from loadtests.report.documents.headline import chosen
from loadtests.report.results import facts
from loadtests.report.results.parts import Part, valid_median
from loadtests.report.results.stored import Entry, Results
from loadtests.report.results.waiting import kernel, memory, waiter
from loadtests.report.tables.common import KIB
from loadtests.workloads.capacity import section as capacity
from loadtests.workloads.clients import section as clients
from loadtests.workloads.cost.section import one_change

KEEPS_UP = 0.9  # of what arithmetic allows
MOST_NAMED = 3  # of those that do not


def of(results: Results) -> list[str]:
    """The answer that follows from what was measured, in at most four points."""
    found = ((results.newest(profile), say) for profile, say in SENTENCES.items())
    said = [say(newest[1]) for newest, say in found if newest]
    return list(filter(None, [below_which(results), *said]))


def below_which(results: Results) -> str:
    """Up to which load nothing matters, who differs above it, and what one change alone does."""
    others = results.newest("clients")
    said: list[tuple[Callable[[Part], str], tuple[Entry, Part] | None]] = [
        (partial(does_not_matter, others=others and others[1]), results.newest("standard")),
        (capacity.not_told_apart, results.newest("capacity")),
        (partial(one_change, sure=True), results.newest("cost")),
    ]
    return " ".join(filter(None, (say(found[1]) for say, found in said if found)))


def does_not_matter(part: Part, others: Part | None = None) -> str:
    """Up to how many users every stock service keeps up with the arithmetic limit.

    Those of `others` that do not keep up there, measured at the same delay, are said to.
    """
    levels = sorted({row.users for row in part.run.summary})
    last: Summary | None = None
    for users in levels:
        rows = _stock(part, users)
        worst = min(rows, key=_share, default=None)
        if worst is None:
            return ""
        if _share(worst) < KEEPS_UP:
            behind = _behind(worst, rows)
            return f"{_until(part, last, others)}; {behind}." if last else f"{behind}."
        last = worst
    return f"{_until(part, last, others)}; no more were tried." if last else ""


def _stock(part: Part, users: int) -> list[Summary]:
    rows = part.by_users()
    stock = [name for name in facts.services(part.run) if name not in part.marks]
    found = [row for name in stock if (row := rows.get((name, users)))]
    return [row for row in found if valid_median(row, "rps") is not None]


def _share(row: Summary) -> float:
    """Of the limit that all services have, users ÷ delay."""
    return (valid_median(row, "rps") or 0.0) * row.delay_s / row.users


def _until(part: Part, last: Summary, others: Part | None) -> str:
    load, names = facts.workload(last.users, last.delay_s), _names(_stock(part, last.users))
    return (
        f"Up to {load}, {facts.number(last.users / last.delay_s)} requests/s, it does not "
        f"matter{_except(last, others, names)}: of {facts.joined(sorted(names))} each reaches "
        f"{int(100 * _share(last))} % or more of what arithmetic allows"
    )


def _except(last: Summary, others: Part | None, names: list[str]) -> str:
    """The other services that fall behind at that load already."""
    rows = _stock(others, last.users) if others else []
    alike = [row for row in rows if row.service not in names and row.delay_s == last.delay_s]
    slow = sorted((row for row in alike if _share(row) < KEEPS_UP), key=_share)
    said = [f"{row.service} ({_rps(row)})" for row in slow[:MOST_NAMED]]
    said += [f"{len(slow) - MOST_NAMED} others"] if len(slow) > MOST_NAMED else []
    return f", but for {facts.joined(said)}" if said else ""


def _names(rows: list[Summary]) -> list[str]:
    return [row.service for row in rows]


def _behind(worst: Summary, rows: list[Summary]) -> str:
    limit = facts.number(worst.users / worst.delay_s)
    best = max(rows, key=_share)
    load = facts.workload(worst.users, worst.delay_s)
    said = f"at {load} {worst.service} answers {_rps(worst)} of {limit} requests/s"
    return said if best.service == worst.service else f"{said}, {best.service} {_rps(best)}"


def _rps(row: Summary) -> str:
    return facts.at_least(row, "rps") + facts.number(row.rps.median if row.rps else 0.0)


def one_blocking_call(part: Part) -> str:
    """An event loop that waits in a blocking call, beside one that does not."""
    rows = {row.service: row for row in part.run.summary if row.rps}
    wrong = [name for name, mark in part.marks.items() if mark == "mistake" and name in rows]
    right = [
        name for name in rows if name not in part.marks and waiter(part, name) == "a coroutine"
    ]
    if not wrong or not right:
        return ""
    bad, good = rows[wrong[0]], rows[right[0]]
    return (
        f"One blocking call in an event loop stops everybody: at "
        f"{facts.workload(bad.users, bad.delay_s)} {bad.service} answers {_rps(bad)} requests/s, "
        f"{good.service} {_rps(good)}."
    )


def waiting(part: Part) -> str:
    """The memory of a request that waits, for each way of waiting, and the kernel's beside it."""
    named = [name for name in chosen()[0] if name not in part.marks]
    said = [
        f"{of_it} KiB in {name} ({waiter(part, name)})"
        for name in named
        if (of_it := _held(part, name))
    ]
    title = "The memory of a request that waits, its own and the kernel's"
    return f"{title}: {facts.joined(said)}." if said else ""


def _held(part: Part, name: str) -> str:
    found = [one for one in (memory(part, name), kernel(part, name)) if one and one.valid]
    return " + ".join(facts.number(one.spread.median / KIB) for one in found)


SENTENCES: dict[str, Callable[[Part], str]] = {
    "clients": clients.finding,
    "http-load": one_blocking_call,
    "held": waiting,
}
