"""The pieces of a part of a report, whatever the kind of its workload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from loadtests.report.charts.chart import Chart
from loadtests.report.results.parts import Derived, Part
from loadtests.report.tables.cells import Table

# Words of every closed workload.
USERS_AND_DELAY = (
    (
        "users",
        "Each sends a request, waits for the answer, and sends the next (a closed workload).",
    ),
    ("delay", "How long the backend takes to answer."),
)
# Of those in which the backend was asked straight, too.
PERFECT_SERVICE = (
    "perfect service",
    "The generator straight at the backend, with no service between: the best that this machine "
    "can show. Measured once, so that a service may lie above it by noise.",
)


@dataclass(frozen=True)
class Section:
    """How a kind of workload is reported.

    `finding` is the result in a sentence, empty where there is none; `tables`
    the results by service; `charts` have names that are unique within the
    kind. `derived` are figures of a service that are no field of a point.
    `terms` explain words of the tables.
    """

    finding: Callable[[Part], str]
    tables: Callable[[Part], list[Table]]
    charts: Callable[[Part], list[Chart]]
    derived: Mapping[str, Callable[[Part, str], Derived | None]] = field(default_factory=dict)
    terms: tuple[tuple[str, str], ...] = ()
