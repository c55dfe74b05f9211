"""A run in words: figures as text, the verdict, what went wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from loadtests.record import BOUNDS, RATES, Point, Run, Summary, noise, round_trips, tails
from loadtests.report.results.places import pinned as pinned
from loadtests.report.results.places import runtime as runtime
from loadtests.report.results.places import variant as variant

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


def milliseconds(value: float) -> str:
    """A response time: 347 ms."""
    return f"{number(value)} ms"


def workload(users: int, delay_s: float) -> str:
    """A scenario as people say it: 1,000 users × 100 ms."""
    return f"{users:,} {'user' if users == 1 else 'users'} × {seconds(delay_s)}"


def joined(words: Sequence[str]) -> str:
    """One word or more in a sentence: a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def rounds(number: int) -> str:
    """So many of them: 1 round, 3 rounds."""
    return f"{number} {'round' if number == 1 else 'rounds'}"


def span(values: Sequence[float], between: str = " to ") -> str:
    """From the least to the greatest in whole numbers; one where they are alike, none of none."""
    ends = (min(values), max(values)) if values else ()
    return between.join(dict.fromkeys(f"{end:.0f}" for end in ends))


def when(time: str) -> str:
    """A time of the record, to the minute: 2026-11-20 14:05 UTC."""
    return f"{time[:10]} {time[11:16]} UTC"


def period(run: Run) -> str:
    """From when to when a run went."""
    if run.finished_at is None:
        return f"{when(run.started_at)}, interrupted"
    return f"{when(run.started_at)} to {when(run.finished_at)}"


def machines(run: Run) -> dict[str, str]:
    """The machines of service and backend by what they are for, where they were others."""
    return {
        role: f"{about.get('cpu', '')}, {about['cores']} cores, {about['system']} ({about['name']})"
        for role, about in run.machines.items()
    }


def round_trips_told(run: Run) -> str:
    """A sentence on what the network adds to each response time; empty where there is none."""
    found = (run.instruments or {}).get("round_trips")
    if not found:
        return ""
    told = round_trips.told(found)
    return f"{told[0].upper()}{told[1:]}. They are in every response time; nothing is subtracted."


def load_told(run: Run) -> str:
    """A sentence on who made the load; empty where it was the generator alone."""
    of_points = (point.generator_processes for point in run.points)
    processes: list[dict[str, Any]] = next(filter(None, of_points), [])
    if away := round_trips.of_workers(processes):
        return f"The load came from other machines: {joined(away)}."
    return f"{len(processes)} processes made the load." if processes else ""


def surroundings_told(run: Run) -> str:
    """Sentences on who made the load, and from where; empty where it was as it mostly is."""
    return " ".join(filter(None, [load_told(run), round_trips_told(run)]))


def source(run: Run) -> str:
    """When, on what machine and under which Python a run was made."""
    infos = (about.get("info") for about in run.services.values())
    versions = [info["versions"] for info in infos if info]
    found = {str(each["python"]) for each in versions if "python" in each}  # the floor has none
    python = f"Python {joined(sorted(found))}" if found else "no service answered"
    machine = f"{run.machine['cpu']}, {run.machine['cores']} cores"
    return f"{when(run.started_at)}, {machine}, {python}, {runtime(run)}"


def settings(workload: dict[str, Any]) -> dict[str, Any]:
    """The settings of a profile, and of the circumstances of its measurement the time alone."""
    measured = workload.get("measured")
    workload = {name: value for name, value in workload.items() if name != "perfect"}
    return workload | ({"measured": when(measured["started_at"])} if measured else {})


def state(row: Summary | Point) -> str:
    """Nothing for a valid row, "failed" where nothing was measured, else "invalid"."""
    if row.valid:
        return ""
    return "invalid" if row.requests or row.pss_bytes or row.rss_bytes else "failed"


def at_least(row: Summary, field: str) -> str:
    """A sign before a figure that something else than the service has set (bench/limits.py)."""
    return "≥ " if row.bound and field in RATES else ""


def bounds(points: Iterable[Point | Summary]) -> str:
    """The limits, not the service's, that have set the figures of points; empty where none did."""
    found = {point.bound for point in points}
    words = [said for bound, said in BOUNDS.items() if bound in found]
    return joined(words) if words else ""


def served(row: Summary) -> str:
    """How many users had an answer, where others had none."""
    known = row.starved and row.served is not None and row.served < row.users
    return f"{row.served:,} of {row.users:,} users served" if known else ""


def verdict(run: Run) -> str:
    """How many points are valid, and whether the run came to its end."""
    total, bad = len(run.points), sum(not point.valid for point in run.points)
    text = f"{total - bad} of {total} points valid" if total else "nothing measured"
    return text if run.finished_at else f"{text}, interrupted"


def top(run: Run) -> Summary | None:
    """Any summary of the headline scenario, that of the most users (the longest delay, rate)."""
    load = lambda row: (row.users, row.delay_s, row.rate_rps or 0.0)  # noqa: E731
    return max(run.summary, key=load, default=None)


def headline_rows(run: Run) -> dict[str, Summary]:
    """The summaries of the headline scenario by service."""
    best = top(run)
    return {row.service: row for row in run.summary if best and row.scenario == best.scenario}


def services(run: Run) -> list[str]:
    """The names of all services of a run, each once, however often it was measured."""
    return sorted({*run.services, *(p.service for p in run.points)} - noise.doubles(run).keys())


def marks(run: Run) -> dict[str, str]:
    """The kind of each service, by its name, where it is not what people run: bare, mistake."""
    kinds = {name: str(about.get("kind", "")) for name, about in run.services.items()}
    return {name: kind for name, kind in kinds.items() if kind not in ("", "stock")}


def with_doubles(run: Run, names: Iterable[str]) -> list[str]:
    """`names`, and behind each the one under which the same service was measured again."""
    again = {once: name for name, once in noise.doubles(run).items()}
    return [each for name in names for each in (name, again.get(name)) if each]


def ranked(run: Run) -> list[str]:
    """All services of a run: most requests/s in the headline scenario first, invalid ones last."""
    rows = headline_rows(run)

    def rank(name: str) -> tuple[bool, float, str]:
        row = rows.get(name)
        rps = row.rps.median if row and row.rps else 0.0
        return (row is None or not row.valid, -rps, name)

    return with_doubles(run, sorted(services(run), key=rank))


# The figures in which services that were measured twice are compared.
COMPARED = {
    "rps": "requests/s",
    "p99_ms": "response time p99",
    "cpu_ms_per_request": "CPU per request",
    "pss_bytes": "memory",
}


def noise_told(run: Run) -> str:
    """When services are called within noise here, and how that was checked; may be empty."""
    if len(services(run)) < 2 or not run.points:
        return ""
    if max(point.round for point in run.points) < 2:
        return (
            "With one round no spread is known: services are called within noise, that is, not "
            "told apart, where none has twice the figure of the other, and always in a p99.9."
        )
    text = (
        "Services are called within noise where their difference over the rounds is one that "
        "equal services have, too: these rounds are too few to tell, not that they are the same. "
        "Of all that a table compares, at least one is called different by chance in one of twenty."
    )
    found = [apart for figure in COMPARED for apart in noise.checks(run, figure)]
    if not found:
        return text
    names = joined(sorted({*noise.doubles(run).values()}))
    outside = sum(apart.beyond(tails.t_limit(noise.ONE_IN, apart.degrees)) for apart in found)
    return (
        f"{text} As a check {names} had two turns a round, under two names: {outside} of the "
        f"{len(found)} pairs of figures lie outside the interval of 95 %; of 100 about 5 should."
    )


def times(value: float) -> str:
    """A factor: ×3.4."""
    return f"×{number(value, 3 if 1 <= value < 2 else 2)}"  # ×1.0 would be all of ±5 %


def reproduce(run: Run, profile: str = "") -> str:
    """The command that measures the same again; of a suite, one `profile` of it."""
    profile = profile or run.profile
    others = [name for name in services(run) if run.services.get(name, {}).get("kind") != "own"]
    if others != services(run):
        file = next((one["file"] for one in run.services.values() if "file" in one), "waits.toml")
        told = f"waits bench --file {file} --profile {profile} --against"
        return f"{told} {','.join(others) or 'none'}"
    more = "".join(f" {role.upper()}_HOST={about['host']}" for role, about in run.machines.items())
    if any("transport" in run.services.get(name, {}) for name in others):
        others = list(dict.fromkeys(name.partition("@")[0] for name in others))
        more += " TLS=1"
    return f'make bench PROFILE={profile} SERVICES="{" ".join(others)}" RUNTIME={run.runtime}{more}'
