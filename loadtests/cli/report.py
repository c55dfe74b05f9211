"""`waits report`: make anew what is made of the run.json files."""

from __future__ import annotations

from typing import Annotated

import typer

from loadtests import paths
from loadtests.cli import options


def run(
    results: options.Results = paths.RESULTS,
    rejudge: Annotated[
        bool, typer.Option("--rejudge", help="judge all runs by today's rules, not only old ones")
    ] = False,
) -> int:
    """Rebuild all that is made of the run.json files."""
    from loadtests import commands

    return commands.rebuild(results, rejudge)
