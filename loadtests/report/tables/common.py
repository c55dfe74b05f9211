"""The tables that every part of a report has, and those of its appendix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from loadtests.record import Point, Run, Spread, Summary, noise
from loadtests.report.results import facts
from loadtests.report.results.facts import NOTHING, number
from loadtests.report.results.parts import Part
from loadtests.report.tables.cells import (
    WHOLE,
    Cell,
    Column,
    Table,
    count,
    figure,
    mapping,
    named,
    pairs,
    shown,
    spread,
    table,
    text,
)
from loadtests.report.tables.trust import uneven

KIB = 1024
MIB = 2**20
REPORTED = "as each service reported them"
OF_EVERY_RUN = (
    *("requests/s", "ceiling", "bound by", "of ceiling", "p50", "p90", "p99", "max"),
    *("CPU per request", "memory"),
)


def full(part: Part) -> Table:
    """One row a service × scenario with everything that was measured."""
    run = part.run
    unfinished: dict[tuple[str, str], int] = {}
    for point in run.points:
        key = (point.service, point.scenario)
        unfinished[key] = unfinished.get(key, 0) + point.unfinished

    def time(name: str) -> Callable[[Summary], Cell]:
        return lambda row: shown(row, name)

    columns: list[Column[Summary]] = [
        ("service", "", named(run)),
        *_load(part),
        ("valid rounds", "", lambda row: Cell(f"{row.valid_rounds}/{row.rounds}", number=True)),
        ("requests/s", "", lambda row: shown(row, "rps")),
        ("ceiling", "requests/s", lambda row: figure(row.ceiling_rps or None)),
        ("bound by", "", lambda row: text(row.binding.replace("_", " ") or NOTHING)),
        ("of ceiling", "%", lambda row: shown(row, "efficiency", 100)),
        ("p50", "ms", time("p50_ms")),
        ("p90", "ms", time("p90_ms")),
        ("p99", "ms", time("p99_ms")),
        ("p99.9", "ms", time("p999_ms")),
        ("max", "ms", time("max_ms")),
        ("p50 from sent", "ms", time("sent_p50_ms")),
        ("p99 from sent", "ms", time("sent_p99_ms")),
        ("sent late p99", "ms", lambda row: spread(row.lag_p99_ms)),
        ("CPU per request", "ms", lambda row: spread(row.cpu_ms_per_request)),
        ("memory", "MiB", lambda row: spread(row.pss_bytes, 1 / MIB)),
        ("threads", "", lambda row: spread(row.threads, write=WHOLE)),
        ("descriptors", "", lambda row: spread(row.descriptors, write=WHOLE)),
        ("requests", "", lambda row: count(row.requests)),
        ("failures", "", lambda row: count(row.failures)),
        ("unfinished", "", lambda row: count(unfinished[row.service, row.scenario])),
        ("dropped", "", lambda row: count(row.dropped or None)),
        ("remarks", "", lambda row: text(uneven(row) or NOTHING)),
    ]
    place = {name: position for position, name in enumerate(facts.ranked(run))}

    def order(row: Summary) -> tuple[int, float, int, int, float, str]:
        rate_rps = row.rate_rps or 0.0
        load = (row.delay_s, row.users, row.idle_connections, rate_rps, row.scenario)
        return (place[row.service], *load)

    rows = sorted(run.summary, key=order)
    # Figures that older runs did not measure are left out; those that found nothing are not.
    kept = OF_EVERY_RUN if part.kind == "delay" else ()
    return table("Every service in every scenario", columns, rows, facts.state).without_empty(kept)


def _load(part: Part) -> list[Column[Summary]]:
    """The words that tell the scenarios of a part from each other."""

    def name(row: Summary) -> str:
        return row.scenario.removeprefix(f"{part.kind}-")

    scenario: Column[Summary] = ("scenario", "", lambda row: text(name(row)))
    users: Column[Summary] = ("users", "", lambda row: count(row.users))
    delay: Column[Summary] = (
        "delay",
        "",
        lambda row: Cell(facts.seconds(row.delay_s), number=True),
    )
    crowd: Column[Summary] = (
        "connections",
        "idle",
        lambda row: count(row.idle_connections),
    )
    rate: Column[Summary] = ("rate", "requests/s", lambda row: figure(row.rate_rps))
    held: Column[Summary] = ("held", "requests", lambda row: count(row.users))
    match part.kind:
        case "delay" | "composite" | "map" | "clients":
            return [users, delay]
        case "open" | "cost":
            return [rate]
        case "held":
            return [held]
        case "chat" | "pollers":
            return [scenario, crowd]
        case _:
            return [scenario]


def points(run: Run) -> Table:
    """Every point in the order in which it was measured."""
    columns: list[Column[Point]] = [
        ("service", "", named(run)),
        ("scenario", "", lambda point: text(point.scenario)),
        ("round", "", lambda point: count(point.round)),
        ("users", "", lambda point: count(point.users)),
        ("rate", "requests/s", lambda point: figure(point.rate_rps)),
        ("idle connections", "", lambda point: count(point.idle_connections)),
        ("delay", "", lambda point: Cell(facts.seconds(point.delay_s), number=True)),
        ("window", "s", lambda point: figure(point.duration_s)),
        ("requests", "", lambda point: count(point.requests)),
        ("failures", "", lambda point: count(point.failures)),
        ("unfinished", "", lambda point: count(point.unfinished)),
        ("backend calls", "", lambda point: count(point.backend_calls)),
        ("requests/s", "", lambda point: figure(point.rps)),
        ("ceiling", "requests/s", lambda point: figure(point.ceiling_rps or None)),
        ("of ceiling", "%", lambda point: figure(point.efficiency, 100)),
        ("p50", "ms", lambda point: figure(point.figure("p50_ms"))),
        ("p90", "ms", lambda point: figure(point.figure("p90_ms"))),
        ("p99", "ms", lambda point: figure(point.figure("p99_ms"))),
        ("max", "ms", lambda point: figure(point.figure("max_ms"))),
        ("slowest first answer", "ms", lambda point: figure(point.slowest_first_ms)),
        ("heavy requests", "", lambda point: count(point.heavy_requests)),
        ("heavy p50", "ms", lambda point: figure(point.figure("heavy_p50_ms"))),
        ("CPU per request", "ms", lambda point: figure(point.cpu_ms_per_request)),
        ("memory", "MiB", lambda point: figure(point.pss_bytes, 1 / MIB)),
        ("generator busy", "%", lambda point: figure(point.generator_cpu, 100)),
        ("remarks", "", lambda point: text("; ".join(_remarks(point)))),
    ]
    only_where_measured = {
        "rate": "rate_rps",
        "idle connections": "idle_connections",
        "slowest first answer": "slowest_first_ms",
        "heavy requests": "heavy_requests",
        "heavy p50": "heavy_p50_ms",
    }
    empty = {
        title
        for title, field in only_where_measured.items()
        if not any(getattr(point, field) for point in run.points)
    }
    columns = [column for column in columns if column[0] not in empty]
    return table("Every point, in the order of measurement", columns, run.points, facts.state)


def _remarks(point: Point) -> list[str]:
    kinds = [f"{kind}: {n:,}" for kind, n in sorted(point.failure_kinds.items())]
    return [*point.invalid_because, *kinds]


def _spent(run: Run) -> list[Table]:
    """Where the time of the run went, with the share that was spent in windows."""
    spent = run.spent
    if not spent or not spent.get("wall_s"):
        return []
    wall, share = number(spent["wall_s"]), number(100 * spent["measuring_s"] / spent["wall_s"])
    rows = {
        key.removesuffix("_s"): f"{number(value)} s ({number(100 * value / spent['wall_s'])} %)"
        for key, value in spent.items()
        if key != "wall_s"
    }
    caption = f"Of {wall} s of wall clock {share} % were spent in windows"
    return [pairs(caption, ("where the time went", ""), rows)]


def services(run: Run) -> list[Table]:
    """The parts of each service, and the settings and versions it reported."""
    made_of = ("title", "framework", "server", "client", "model", "waits", "kind")
    known = {name: run.services[name] for name in facts.services(run) if name in run.services}
    marks, infos = facts.marks(run), {name: of.get("info") or {} for name, of in known.items()}
    return [
        mapping("What the services are", made_of, known, {}).without_empty(),
        mapping(f"Effective settings, {REPORTED}", _settings(infos), infos, marks),
        pairs(
            f"Installed versions, {REPORTED}",
            ("service", "versions"),
            {name: info.get("versions") or NOTHING for name, info in infos.items()},
            marks,
        ),
    ]


def _settings(infos: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    keys = dict.fromkeys(key for info in infos.values() for key in info)
    return tuple(key for key in keys if key not in ("service", "versions"))


def twice(run: Run) -> list[Table]:
    """For each service measured twice: the second measurement ÷ the first, by scenario."""
    return [_twice(run, once, again) for again, once in noise.doubles(run).items()]


def _twice(run: Run, once: str, again: str) -> Table:
    def ratio(figure: str) -> Callable[[str], Cell]:
        def shown(scenario: str) -> Cell:
            model = noise.block(run, scenario, figure)
            apart = model.apart(once, again) if model.logs else None
            if apart is None:
                return Cell(NOTHING, number=True)
            return spread(Spread(*apart.ratio(noise.ONE_IN)))

        return shown

    columns: list[Column[str]] = [("scenario", "", text)]
    columns += [(name, "times", ratio(figure)) for figure, name in facts.COMPARED.items()]
    scenarios = [row.scenario for row in run.summary if row.service == again]
    caption = f"{again} ÷ {once}, the same service, with intervals of 95 %: 1 is in most of them"
    return table(caption, columns, scenarios, lambda _: "")


def surroundings(run: Run) -> list[Table]:
    """The machine and the workloads, as they were recorded."""
    memory = {"memory": f"{number(run.machine['memory_bytes'] / 2**30)} GiB"}
    # Older runs have `python_optimised`, which said no of Debian's Python, wrongly.
    hidden = ("memory_bytes", "python_optimised")
    machine = {key: value for key, value in run.machine.items() if key not in hidden}
    return [
        pairs("Machine", ("of the machine", ""), machine | memory),
        *_spent(run),
        *(
            pairs(f"Workload: the profile {name}", ("setting", ""), facts.settings(about))
            for name, about in run.workloads.items()
        ),
    ]
