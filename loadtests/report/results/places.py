"""Where the services of a run ran, and on which cores, in words."""

from __future__ import annotations

from loadtests.record import Run
from loadtests.report.results import facts


def pinned(run: Run) -> str:
    """Whether services and generator had cores of their own."""
    spread = [name for name, about in run.workloads.items() if about.get("spread")]
    if not run.pinned or not spread:
        return _of_one_core(run)
    shared = max((point.shared_cores or 0 for point in run.points), default=0)
    where = (
        f"{shared} cores, which it shared with the load" if shared else "all cores but the load's"
    )
    if len(spread) == len(run.workloads):
        return f"the service pinned to {where}"
    of = "profile" if len(spread) == 1 else "profiles"
    return f"{_of_one_core(run)}; in the {of} {facts.joined(spread)} the service pinned to {where}"


def _of_one_core(run: Run) -> str:
    """The same, of the profiles in which a service has one core."""
    if run.machines:
        where = "to one core" if run.pinned else "to no core"
        return f"the service pinned {where} of its machine, the generator to one of its own"
    if run.pinned:
        return "the service pinned to one core, backend and generator to another"
    return "nothing pinned to cores, so the service, the backend and the generator share them"


def runtime(run: Run) -> str:
    """How the services ran, and the load where it was not as it mostly is, in a few words."""
    return {"local": "local processes", "compose": "containers"}[run.runtime] + variant(run)


def variant(run: Run) -> str:
    """The differences to a plain run; empty where all was on one machine, with plain HTTP."""
    said = " on machines of their own" if run.machines else ""
    tls = any(about.get("transport") for about in run.services.values())
    said += ", without and with TLS" if tls else ""
    most = max((given.get("load_processes", 0) for given in run.workloads.values()), default=0)
    return f"{said}, load of {most} {'process' if most == 1 else 'processes'}" if most else said
