"""The kinds of workload and how each is reported: one module a kind."""

from __future__ import annotations

from loadtests.report.parts import Part
from loadtests.report.sections import (
    capacity,
    chat,
    clients,
    composite,
    delay,
    file,
    held,
    interference,
    map,
    open,
    pollers,
    stall,
)
from loadtests.report.sections.section import Section

SECTIONS: dict[str, Section] = {
    "delay": delay.SECTION,
    "clients": clients.SECTION,
    "composite": composite.SECTION,
    "interference": interference.SECTION,
    "chat": chat.SECTION,
    "pollers": pollers.SECTION,
    "file": file.SECTION,
    "open": open.SECTION,
    "stall": stall.SECTION,
    "capacity": capacity.SECTION,
    "held": held.SECTION,
    "map": map.SECTION,
}


def of(part: Part) -> Section:
    """How a part is reported."""
    return SECTIONS[part.kind]
