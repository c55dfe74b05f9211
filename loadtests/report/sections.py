"""How each kind of workload is reported."""

from __future__ import annotations

from loadtests import workloads
from loadtests.report.results.parts import Part
from loadtests.report.section import Section

SECTIONS: dict[str, Section] = {
    kind: workloads.module(kind, "section").SECTION for kind in workloads.KINDS
}


def of(part: Part) -> Section:
    """How a part is reported."""
    return SECTIONS[part.kind]
