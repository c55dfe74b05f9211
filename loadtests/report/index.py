"""`README.md` of a folder of results: what each of its runs has found, by profile and machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from loadtests.record import write_atomically
from loadtests.report import sections
from loadtests.report.pages import rendering
from loadtests.report.results import facts, stored
from loadtests.report.results.stored import Results


@dataclass(frozen=True)
class Listed:
    """A row: a profile of a run, or the ladder; `link` leads to its report.

    A `plain` one is of one machine, without TLS and further processes of the load.
    """

    profile: str
    finding: str
    machine: str
    measured: str
    verdict: str
    link: str
    plain: bool = True


def write(folder: Path, found: Results | None = None) -> None:
    """Write the index of `folder`, of what was `found` in it, unless it has a README of its own."""
    rows = _listed(found or stored.read(folder, check=False))
    text, index = rendering.markdown("index.md.j2", rows=rows), folder / "README.md"
    title = text.partition("\n")[0]
    if not index.exists() or index.read_text(encoding="utf-8").partition("\n")[0] == title:
        write_atomically(index, text)


def _listed(found: Results) -> list[Listed]:
    """By profile, the plain ones first, and machine, of each the newest first."""
    rows = [
        Listed(
            part.name,
            sections.of(part).finding(part),
            f"{entry.run.machine['name']}, {facts.runtime(part.run)}",
            part.run.started_at,
            f"{facts.verdict(part.run)}, commit {part.run.at_commit}",
            f"{quote(entry.folder.name)}/report.md#{quote(part.name.lower())}",
            not facts.variant(part.run),
        )
        for entry in found.entries
        for part in entry.parts
    ]
    rows += [
        Listed(
            "ladder",
            climbed.title,
            f"{climbed.document['machine']['name']}, local processes",
            climbed.started_at,
            f"{len(climbed.rungs)} results, commit {climbed.document['commit'][:12]}",
            f"{quote(climbed.folder.name)}/report.md",
        )
        for climbed in found.climbed
    ]
    rows.sort(key=lambda row: (row.measured, row.link), reverse=True)
    return sorted(rows, key=lambda row: (row.profile, not row.plain, row.machine))
