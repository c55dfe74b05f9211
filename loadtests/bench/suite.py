"""A run of several profiles, each kept as soon as it is done: what was begun goes on later.

It goes on under the same fingerprint only: machine, kernel, interpreter, runtime, the files of
the services, and the speed that the instruments read. Otherwise a new one begins, and says why.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from loadtests import catalog, record
from loadtests.bench import instruments, machine
from loadtests.bench.plan import Part
from loadtests.record import InvalidRun, Run, fingerprint, folders

NAMES = ("in the kept one", "now")
NOT_COMPARED = fingerprint.NO_SETTINGS | {"cycles"}  # which follow from the machine's speed


def go_on(new: Run, parts: list[Part], results: Path) -> tuple[Run, Path | None, list[Part]]:
    """The run to add to, its folder where it has one, and the parts that are left to measure.

    That is the newest run of this name, where it is not complete and may go on.
    """
    found = _newest(results, new.profile)
    if found is None:
        return new, None, parts
    folder, kept = found
    left = [part for part in parts if not _is_kept(part, kept)]
    why = [*fingerprint.surroundings(kept, new, NAMES), *_other_services(kept)]
    if not left:
        why.append("that one is complete")
    if not why:
        with left[0].runtime:
            new.instruments = instruments.measure(left[0].runtime)
        if new.instruments and kept.instruments:
            why = [*fingerprint.speeds(kept.instruments, new.instruments, NAMES)]
        else:
            why = ["the machine's speed was not measured"]
    if why:
        print(f"a new run, {folder.name} does not go on: {'; '.join(why)}", flush=True)
        return new, None, parts
    names = [part.profile.name for part in parts if part not in left]
    print(f"going on with {folder.name}, FRESH=1 begins a new one; kept: {', '.join(names)}")
    return _merged(kept, new, left), folder, left


def begin(part: Part, run: Run) -> None:
    """Note under what a part is measured."""
    run.workloads[part.profile.name] = part.description() | {
        "measured": {
            "started_at": folders.now(),
            "finished_at": None,
            "commit": machine.commit(),
            "services": services_digest(),
            "instruments": fingerprint.only(run.instruments),
        }
    }


def end(part: Part, run: Run) -> None:
    """Note that it was measured to its end."""
    run.workloads[part.profile.name]["measured"]["finished_at"] = folders.now()


def services_digest() -> str:
    """A digest of the files that make the services what they are, their containers included."""
    digest = hashlib.sha256(os.environ.get("PYTHON_IMAGE", "").encode())
    files = [path for path in catalog.SERVICES.rglob("*") if path.is_file()]
    for path in [*sorted(files), catalog.ROOT / "compose.yaml"]:
        if path.suffix != ".md" and "__pycache__" not in path.parts:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _newest(results: Path, profile: str) -> tuple[Path, Run] | None:
    """The newest run of that name in `results` in which parts were kept."""
    found = []
    for file in results.glob(f"*-{profile}*/run.json"):
        try:
            run = record.load(file)
        except InvalidRun:
            continue  # `make report` says so
        if run.profile == profile and any(_finished(run, name) for name in run.workloads):
            found.append((file.parent, run))
    return max(found, key=lambda one: (one[1].started_at, one[0].name), default=None)


def _finished(run: Run, name: str) -> bool:
    return bool(run.workloads.get(name, {}).get("measured", {}).get("finished_at"))


def _is_kept(part: Part, run: Run) -> bool:
    """Whether a run has this part, whole, with these settings and of these services."""
    name = part.profile.name
    if not part.services:
        return True
    if not _finished(run, name):
        return False
    known, wanted = (
        {key: value for key, value in about.items() if key not in NOT_COMPARED}
        for about in (run.workloads[name], _as_read(part))
    )
    measured = {point.service for point in run.points if point.profile == name}
    return known == wanted and measured == {service.label for service in part.services}


def _as_read(part: Part) -> dict[str, object]:
    """Its description as it comes out of a file, in which tuples are lists."""
    about = part.description()
    return {key: list(value) if isinstance(value, tuple) else value for key, value in about.items()}


def _other_services(run: Run) -> list[str]:
    kept = {
        about["measured"]["services"] for about in run.workloads.values() if "measured" in about
    }
    return [] if kept <= {services_digest()} else ["the files of the services have changed"]


def _merged(kept: Run, new: Run, left: list[Part]) -> Run:
    """The kept run without what is measured anew, or was not measured to its end."""
    again = {part.profile.name for part in left}
    whole = {name: about for name, about in kept.workloads.items() if _finished(kept, name)}
    whole = {name: about for name, about in whole.items() if name not in again}
    points = [point for point in kept.points if point.profile in whole]
    return replace(
        kept,
        finished_at=None,
        workloads={name: whole.get(name, about) for name, about in new.workloads.items()}
        | {name: about for name, about in whole.items() if name not in new.workloads},
        services=new.services | kept.services,
        points=points,
        summary=record.summarise(points),
    )
