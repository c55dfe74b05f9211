"""The use that a service made of the machine in a window, and its holdings at both ends."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from loadtests.runtime import Running, Usage
from loadtests.runtime.footprint import Footprint
from loadtests.workloads.kind import Kind

HELD = ("pss_bytes", "threads", "descriptors")


def used(
    kind: Kind, before: Usage, held: Footprint, after: Usage, still: Footprint
) -> dict[str, Any]:
    """`cpu_s` and the figures of a point, from a look at each end of a window."""
    figures = asdict(held if kind.at_rest else still)
    for name in ("voluntary_switches", "involuntary_switches"):
        first, last = getattr(held, name), getattr(still, name)
        # Threads that end take theirs with them.
        figures[name] = None if first is None or last is None else max(0, last - first)
    if kind.faulty:
        figures["left"] = {
            name: last - first
            for name in HELD
            if (first := getattr(held, name)) is not None
            and (last := getattr(still, name)) is not None
        }
    rss_bytes = before.rss_bytes if kind.at_rest else max(before.rss_bytes, after.rss_bytes)
    return {"cpu_s": after.cpu_s - before.cpu_s, "rss_bytes": rss_bytes, **figures}


def look(running: Running) -> dict[str, int | None]:
    """The memory, threads and descriptors that a service holds now."""
    held = running.footprint(switches=False)
    return {name: getattr(held, name) for name in HELD}


def left(lost: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    """`lost` by a fault as the generator counts it, with what the service holds `more` than before.

    Of its descriptors those count that are no caller's: the generator says how many it `kept` more.
    """
    lost, more = {**lost}, {**more}
    kept = lost.pop("kept")
    if "descriptors" in more:
        more["files"] = more.pop("descriptors") - kept
    return lost | {name: max(0, number) for name, number in more.items()}
