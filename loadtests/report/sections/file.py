"""Answers read from a file: plainly, by a pool of threads, or by the kernel's completion."""

from __future__ import annotations

from loadtests.record import Run, Summary
from loadtests.report import canvas, facts, ranking, rows
from loadtests.report.canvas import Chart
from loadtests.report.cells import Column, Table, by_summary, place, spread, text
from loadtests.report.parts import Part, scaled, valid_median
from loadtests.report.ranking import Ranking
from loadtests.report.sections.section import Section
from loadtests.report.tables import MIB


def reading(run: Run, service: str) -> str:
    """In what way a service reads, as CONTRACT.md has it from what its service.toml says."""
    about = run.services[service]
    words = " ".join(str(about[key]) for key in ("title", "model", "waits")).lower()
    if "completion" in words:
        return "completion"
    if "event loop" in words and "block" not in words:
        return "a pool of threads"
    return "a plain read"


def _scale(part: Part) -> float:
    """MiB of an answer."""
    return float(part.settings["size"]) / MIB


def _ranked(part: Part, scenario: str) -> list[str]:
    """The fastest first."""
    found = part.rows(scenario)

    def slowness(name: str) -> float | None:
        rps = valid_median(found.get(name), "rps")
        return None if rps is None else -rps

    return part.services(slowness)


def _ranking(part: Part, scenario: str) -> Ranking:
    return ranking.of_scenario(part, scenario, "rps", _ranked(part, scenario))


def finding(part: Part) -> str:
    """Who read the most and the least."""
    if not (scenarios := part.scenarios()):
        return ""
    found = part.rows(scenarios[-1])
    read = {
        name: f"{facts.number(rps * _scale(part))} MiB/s"
        for name, row in found.items()
        if (rps := valid_median(row, "rps")) is not None
    }
    said = ranking.contrast(_ranking(part, scenarios[-1]), read, "the most", "the least")
    return said and f"At {_load(part, next(iter(found.values())))}: {said}."


def _load(part: Part, row: Summary) -> str:
    return f"{row.users:,} users × {_scale(part):,.3g} MiB"


def tables(part: Part) -> list[Table]:
    """One for each number of users."""
    return [_table(part, scenario) for scenario in part.scenarios()]


def _table(part: Part, scenario: str) -> Table:
    found, order = part.rows(scenario), _ranking(part, scenario)
    columns: list[Column[Summary]] = [
        ("place", "", lambda row: place(order, row.service)),
        ("reads by", "", lambda row: text(reading(part.run, row.service))),
        ("read", "MiB/s", lambda row: spread(row.rps, _scale(part))),
        ("requests/s", "", lambda row: spread(row.rps)),
        ("response time p50", "ms", lambda row: spread(row.p50_ms)),
        ("response time p99", "ms", lambda row: spread(row.p99_ms)),
        ("CPU per request", "ms", lambda row: spread(row.cpu_ms_per_request)),
        ("memory", "MiB", lambda row: spread(row.rss_bytes, 1 / MIB)),
    ]
    caption = f"At {_load(part, next(iter(found.values())))}"
    return by_summary(caption, columns, _ranked(part, scenario), found, part)


def charts(part: Part) -> list[Chart]:
    """For each number of users what was read in a second, and the p99."""
    return [
        _chart(part, scenario, *measure)
        for scenario in part.scenarios()
        for measure in (
            ("rps", "read", "Read from the file", "MiB/s", _scale(part)),
            ("p99_ms", "read-p99", "Response time p99", "response time p99, ms", 1.0),
        )
    ]


def _chart(
    part: Part, scenario: str, field: str, name: str, title: str, axis: str, scale: float
) -> Chart:
    found = part.rows(scenario)
    one = next(iter(found.values()))
    bars = [
        _bar(part, service, found.get(service), field, scale) for service in _ranked(part, scenario)
    ]
    alt = f"{axis} at {_load(part, one)}: {rows.said_bars(bars)}"
    bars += [rows.Bar(service, None, rows.UNABLE) for service in part.cannot]
    name = f"{part.prefix}{name}-{one.users}-users"
    svg = canvas.svg(lambda: rows.bars(bars, axis), name)
    return Chart(name, f"{title} at {_load(part, one)}", CAPTION, alt, svg)


def _bar(part: Part, service: str, row: Summary | None, field: str, scale: float) -> rows.Bar:
    found = getattr(row, field) if row else None
    state = facts.state(row) if row else "not measured"
    group = reading(part.run, service)
    return rows.Bar(service, found and scaled(found, scale), state, group=group)


CAPTION = (
    "The file lies in the page cache: what is compared is the way of asking for it. A pool hands "
    "each read to a thread and back, the kernel's completion interface says when a read is done, "
    "and where a thread waits anyway it simply reads."
)
SECTION = Section(finding, tables, charts)
