"""`waits advise`: which way of waiting fits, from the newest results."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from loadtests import paths
from loadtests.cli import options
from loadtests.errors import DONE, UsageError


def run(
    delay: Annotated[str, typer.Option(help="of the backend: 0.2 or 200ms")] = "",
    rate: Annotated[str, typer.Option(help="requests a second: 300")] = "",
    memory: Annotated[str, typer.Option(help="that there is: 512M or 2G")] = "",
    cores: Annotated[str, typer.Option(help="that there are")] = "1",
    p99: Annotated[str, typer.Option(help="that is asked for: 0.25 or 250ms")] = "",
    have: Annotated[str, typer.Option(help="the service you have, or the most like it")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="also the services that do not fit")
    ] = False,
    results: options.Results = paths.RESULTS,
    force: Annotated[
        bool, typer.Option("--force", help="also from results that do not go together")
    ] = False,
) -> int:
    """Say which service fits a delay and a rate, with its settings.

    The answer is arithmetic over the newest results.
    """
    from loadtests.advise.answer import answer
    from loadtests.advise.measured import measured
    from loadtests.advise.question import parse
    from loadtests.advise.text import text
    from loadtests.report.results import stored

    if not delay.strip() and not rate.strip():
        raise UsageError(
            "which question? advise --delay 0.2 --rate 300 [--memory 512M] [--p99 0.25];"
            " with make: make advise DELAY=0.2 RATE=300 …"
        )
    question = parse(delay, rate, memory, cores, p99)
    results = paths.with_runs(results)
    found = stored.read(results, check=False) if results.is_dir() else None
    known = measured(found) if found else None
    if found is None or known is None:
        raise UsageError(f"no results in {results}: bench --profile standard")
    mixed = found.mixed(known.sources.values())
    if mixed and not force:
        print(f"the results do not go together: {'; '.join(mixed)}", file=sys.stderr)
        raise UsageError("bench --profile publish measures all in one run; --force advises")
    if mixed:
        print(f"Advised though the results do not go together: {'; '.join(mixed)}.\n")
    print(text(answer(question, known, have.strip()), known, results, everything))
    return DONE
