"""The round trips between machines of their own, in words: they are in every response time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

BETWEEN = {
    "load_service": "load and service",
    "service_backend": "service and backend",
    "load_backend": "load and backend",
}


def told(found: Mapping[str, Mapping[str, float]]) -> str:
    """Round trip between machines: 1.1 ms (p99 1.4) between load and service, …"""
    said = [
        f"{found[name]['p50_ms']:.3g} ms (p99 {found[name]['p99_ms']:.3g}) between {pair}"
        for name, pair in BETWEEN.items()
        if name in found
    ]
    return f"round trip between machines: {', '.join(said)}"


def of_workers(workers: Iterable[Mapping[str, Any]]) -> list[str]:
    """The machine of each worker that says one, and how far away it is, in a few words."""
    return [
        f"{one['host']} ({one['round_trip_ms']:g} ms away and back)"
        for one in workers
        if "host" in one
    ]
