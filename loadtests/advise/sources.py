"""Which runs the advice is from: all of one machine, interpreter and runtime."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests import catalog
from loadtests.record import Run, fingerprint
from loadtests.report.results.parts import Part
from loadtests.report.results.stored import Entry, Results

# The kinds whose requests are one call to the backend each, at some rate.
LOADS = ("delay", "clients", "map", "open", "cost", "capacity")
KINDS = (*LOADS, "held", "cores")
# Too short to say anything.
LEFT_OUT = ("smoke",)
# Instruments that differ by more than this are of a machine that was faster at one time.
SAME_SPEED = 1 + fingerprint.SAME_SPEED


@dataclass(frozen=True)
class Sources:
    """The newest result of each profile, newest first.

    `where` says what all of them were measured on, `left_out` are the folders of runs that
    were not, `speeds` how many times as fast the machine was in one of them as in another.
    """

    found: list[tuple[Entry, Part]]
    where: str
    left_out: list[str]
    speeds: float

    @property
    def folders(self) -> dict[str, str | None]:
        """The folder of each profile, and None where nothing was measured of capacity or memory."""
        known: dict[str, str | None] = {part.name: run.folder.name for run, part in self.found}
        kinds = {part.kind for _, part in self.found}
        return known | {kind: None for kind in ("capacity", "held") if kind not in kinds}

    def parts(self, *kinds: str) -> list[Part]:
        """The parts of these kinds."""
        return [part for _, part in self.found if part.kind in kinds]


def sources(results: Results) -> Sources | None:
    """The runs of one machine and runtime that have the most services; of equals the newest."""
    groups: dict[str, list[Entry]] = {}
    for entry in results.quoted():
        if (entry.run.finished_at or results.suite) and any(map(_counts, entry.parts)):
            groups.setdefault(_where(entry.run), []).append(entry)
    if not groups:
        return None
    where = max(groups, key=lambda name: len(_measured(groups[name])))  # the first of equals
    newest = Results(groups.pop(where), [], []).profiles().values()
    found = [(entry, part) for entry, part in newest if _counts(part)]
    found.sort(key=lambda pair: (pair[0].started_at, pair[1].name), reverse=True)
    left_out = [entry.folder.name for group in groups.values() for entry in group]
    return Sources(found, where, left_out, _speeds([entry.run for entry, _ in found]))


def _counts(part: Part) -> bool:
    if part.settings.get("new_connections"):  # whose cost is in each request
        return False
    # On several interpreters, or with TLS and without.
    if any({"python", "transport"} & about.keys() for about in part.run.services.values()):
        return False
    return part.kind in KINDS and part.name not in LEFT_OUT and bool(part.run.points)


def _where(run: Run) -> str:
    """The machine, the interpreter and how the services ran, in words."""
    infos = (about.get("info") or {} for about in run.services.values())
    pythons = [info["versions"].get("python") for info in infos if "versions" in info]
    python = next(filter(None, pythons), run.machine["python"])
    runtime = {"local": "local processes", "compose": "containers"}[run.runtime]
    pinned = "" if run.pinned else ", not pinned"
    elsewhere = "".join(f", {role} on {about['name']}" for role, about in run.machines.items())
    where = f"{run.machine['name']} ({run.machine['cpu']})"
    return f"{where}, CPython {python}, {runtime}{pinned}{elsewhere}"


def _measured(entries: list[Entry]) -> set[str]:
    """The services under load in any of the runs."""
    points = (
        p for entry in entries for part in entry.parts if _counts(part) for p in part.run.points
    )
    return {point.service for point in points} & set(catalog.names())


def _speeds(runs: list[Run]) -> float:
    known = [(run.instruments or {}).get("generator_ceiling_rps") for run in runs]
    speeds = [speed for speed in known if speed]
    return max(speeds) / min(speeds) if speeds else 1.0
