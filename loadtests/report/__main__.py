"""`python -m loadtests.report [RESULTS]`: rebuild everything that is made of the runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from loadtests.catalog import ROOT
from loadtests.report.build import ReportError, rebuild


def main() -> int:
    """Rebuild everything; 1 and a line on stderr for each thing that could not be built."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.report", description=main.__doc__)
    parser.add_argument("results", nargs="?", type=Path, default=ROOT / "results")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    parser.add_argument("--docs", type=Path)
    arguments = parser.parse_args()
    documents = sorted(arguments.docs.rglob("*.md")) if arguments.docs else []
    try:
        rebuilt = rebuild(arguments.results, arguments.readme, documents)
    except (ReportError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(*rebuilt.unmeasured, f"{len(rebuilt.folders)} reports rebuilt", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
