"""Which cores the services of a run had, in words."""

from __future__ import annotations

from loadtests.record import Run


def pinned(run: Run) -> str:
    """Whether services and generator had cores of their own."""
    spread = [name for name, about in run.workloads.items() if about.get("spread")]
    if run.pinned and spread:
        shared = max((point.shared_cores or 0 for point in run.points), default=0)
        where = f"{shared} cores, the load's" if shared else "all cores but the load's"
        others = "" if len(spread) == len(run.workloads) else ", in all other profiles one"
        return f"the service pinned to {where}{others}"
    if run.machines:
        where = "to one core" if run.pinned else "to no core"
        return f"the service pinned {where} of its machine, the generator to one of its own"
    if run.pinned:
        return "the service pinned to one core, backend and generator to another"
    return "nothing pinned to cores, so the service, the backend and the generator share them"
