"""How far machines are apart: the round trips between them, and whether they reach each other."""

from __future__ import annotations

import inspect
import json
import statistics
from collections.abc import Sequence

from loadtests.load import round_trip
from loadtests.load.address import Address
from loadtests.runtime import UnknownRuntime
from loadtests.runtime.engine import Engine
from loadtests.runtime.places import Place


def figures(times_ms: Sequence[float]) -> dict[str, float]:
    """`round_trips` of run.schema.json."""
    ordered = sorted(times_ms)
    return {
        "least_ms": ordered[0],
        "p50_ms": round(statistics.median(ordered), 4),
        "p99_ms": ordered[int(0.99 * len(ordered))],
    }


def times_from_here(place: Place) -> list[float]:
    """The times to a machine; UnknownRuntime where it is not reached, with what to do."""
    try:
        return round_trip.times_ms(*place.address)
    except OSError as error:
        raise _unreached(f"{place.address.header} is not reached from here ({error})") from None


def times_from(engine: Engine, container: str, to: Address) -> list[float]:
    """The same from a container of an Engine's."""
    command = ("python", "-c", inspect.getsource(round_trip), to.host, f"{to.port}")
    status, said = engine.docker("exec", container, *command)
    if status:
        where = f"{to.header} is not reached from the service's machine"
        raise _unreached(f"{where} ({said.splitlines()[-1] if said else status})")
    return [float(time) for time in json.loads(said)]


def _unreached(what: str) -> UnknownRuntime:
    names = "SERVICE_ADDRESS or BACKEND_ADDRESS"
    return UnknownRuntime(f"{what}: open that port, or give host:port that is, as {names}")
