"""`make advise DELAY=0.2 RATE=300 [MEMORY=512M] [CORES=1]`: what should I use?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from loadtests.advise.answer import COLUMNS, NUMBERS, Answer, answer
from loadtests.advise.measured import Measured, measured
from loadtests.advise.question import BadQuestion, parse
from loadtests.advise.simplicity import ORDER
from loadtests.catalog import ROOT
from loadtests.report import results


def main() -> int:
    """Answer one question from the newest results; 2 and one line for what has no answer."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.advise", description=main.__doc__)
    for name in ("delay", "rate", "memory", "cores"):
        parser.add_argument(f"--{name}", default="1" if name == "cores" else "")
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    given = parser.parse_args()
    if not given.delay.strip() and not given.rate.strip():
        print("which question? make advise DELAY=0.2 RATE=300 [MEMORY=512M]", file=sys.stderr)
        return 2
    try:
        question = parse(given.delay, given.rate, given.memory, given.cores)
    except BadQuestion as error:
        print(error, file=sys.stderr)
        return 2
    known = measured(results.read(given.results)) if given.results.is_dir() else None
    if known is None:
        print(f"no results in {given.results}: make bench PROFILE=standard", file=sys.stderr)
        return 2
    print(text(answer(question, known), known, given.results))
    return 0


def text(found: Answer, known: Measured, results: Path) -> str:
    """An answer for a terminal."""
    return "\n".join(
        [
            found.question,
            "",
            *_table(found.rows),
            "",
            *(f"- {note}" for note in found.notes),
            *([""] if found.notes else []),
            found.conclusion,
            "",
            "Simplest first, an opinion (loadtests/advise/simplicity.py):",
            *(f"  {i}. {model.name}: {model.because}" for i, model in enumerate(ORDER, 1)),
            "From the newest results:",
            *(
                f"  {source}: {results / folder if folder else 'not measured'}"
                for source, folder in known.sources.items()
            ),
        ]
    )


def _table(rows: list[list[str]]) -> list[str]:
    lines = [list(COLUMNS), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return [
        "  ".join(
            cell.rjust(width) if column in NUMBERS else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


if __name__ == "__main__":
    sys.exit(main())
