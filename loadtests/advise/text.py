"""An answer for a terminal: the change first, then what else fits, then where it is from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtests.advise.answer import COLUMNS, NUMBERS, Answer
from loadtests.advise.change import Change
from loadtests.advise.measured import Measured
from loadtests.advise.simplicity import ORDER

ALL = "Those that do not fit, or of which too little is known: {number}. ALL=1 shows them."


def text(found: Answer, known: Measured, results: Path, everything: bool = False) -> str:
    """The lines of an answer; with `everything` also the services that do not fit."""
    return "\n".join(_lines(found, known, results, everything))


def _lines(found: Answer, known: Measured, results: Path, everything: bool) -> Iterator[str]:
    yield from (found.question, "")
    yield from filter(None, (found.have, found.conclusion))
    for one in found.changes:
        yield from ("", *_change(one))
    rows = found.rows + (found.rest if everything else [])
    if rows:
        yield from ("", *_table(rows))
    if found.rest and not everything:
        yield from ("", ALL.format(number=len(found.rest)))
    yield ""
    yield from (f"- {note}" for note in found.notes)
    order = ", ".join(model.name for model in ORDER[:-1])
    yield f"- Simplest first is an opinion (loadtests/advise/simplicity.py): {order}."
    yield f"- From {_sources(known, results)}, on {known.where}."
    yield from (f"- {caveat}" for caveat in known.caveats)


def _change(one: Change) -> Iterator[str]:
    yield f"{one.service}:"
    yield from (f"    {line}" for line in one.settings)
    yield f"    {one.why}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [list(COLUMNS), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return [
        "  ".join(
            cell.rjust(width) if column in NUMBERS else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _sources(known: Measured, results: Path) -> str:
    """The folders of results, each with the profiles that are from it, and what is missing."""
    folders: dict[str, list[str]] = {}
    for profile, folder in known.sources.items():
        place = str(results / folder) if folder else "nowhere, as it was not measured"
        folders.setdefault(place, []).append(profile)
    return "; ".join(f"{folder} ({', '.join(names)})" for folder, names in folders.items())
