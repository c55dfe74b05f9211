"""Answers read from a file: plainly, by a pool of threads, or by the kernel's completion."""

from __future__ import annotations

from loadtests.record import Run, Summary
from loadtests.report.charts import bars
from loadtests.report.charts.bars import Axis, Bar
from loadtests.report.charts.chart import Chart
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Part, scaled, valid_median
from loadtests.report.results.ranking import Ranking
from loadtests.report.section import Section
from loadtests.report.tables.cells import Column, Table, by_summary, place, shown, spread, text
from loadtests.report.tables.common import MIB


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
    """The services that read the most and the least."""
    if not (scenarios := part.scenarios()):
        return ""
    found = part.rows(scenarios[-1])
    read = {
        name: f"{facts.at_least(row, 'rps')}{facts.number(rps * _scale(part))} MiB/s"
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
        ("read", "MiB/s", lambda row: shown(row, "rps", _scale(part))),
        ("requests/s", "", lambda row: shown(row, "rps")),
        ("response time p50", "ms", lambda row: shown(row, "p50_ms")),
        ("response time p99", "ms", lambda row: shown(row, "p99_ms")),
        ("CPU per request", "ms", lambda row: spread(row.cpu_ms_per_request)),
        ("memory", "MiB", lambda row: spread(row.pss_bytes, 1 / MIB)),
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
    drawn = [_bar(service, found.get(service), field, scale) for service in _ranked(part, scenario)]
    alt = f"{axis} at {_load(part, one)}: {bars.said(drawn)}"
    name = f"{part.prefix}{name}-{one.users}-users"
    spec = bars.chart(part, drawn, Axis(axis))
    return Chart(name, f"{title} at {_load(part, one)}", CAPTION, alt, spec)


def _bar(service: str, row: Summary | None, field: str, scale: float) -> Bar:
    found = getattr(row, field) if row else None
    bound = facts.bounds([row]) if row and facts.at_least(row, field) else ""
    state = facts.state(row) if row else "not measured"
    return Bar(service, found and scaled(found, scale), state, bound=bound)


CAPTION = (
    "The file lies in the page cache: what is compared is the way of asking for it. A pool hands "
    "each read to a thread and back, the kernel's completion interface says when a read is done, "
    "and where a thread waits anyway it simply reads."
)
SECTION = Section(finding, tables, charts)
