"""`waits ladder`: climb from a blocking socket to asyncio."""

from __future__ import annotations

from typing import Annotated

import typer

from loadtests import paths
from loadtests.cli import options


def run(
    results: options.Results = paths.RESULTS,
    rounds: Annotated[
        int, typer.Option(parser=options.whole, help="how often each rung is climbed")
    ] = 3,
) -> int:
    """Climb from a blocking socket to asyncio, a rung a client."""
    from loadtests.ladder import ascent

    return ascent.run(options.writable(results), rounds)
