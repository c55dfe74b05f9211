"""`waits runs`: the runs there are, and what each can be called."""

from __future__ import annotations

from typing import Annotated

import typer

from loadtests import paths
from loadtests.cli import options, output
from loadtests.errors import DONE


def run(
    profile: Annotated[str, typer.Argument(help="only of this one")] = "",
    results: options.Results = paths.RESULTS,
) -> int:
    """List the runs there are, the newest first."""
    from rich.table import Table

    from loadtests.record import InvalidRun, load, named
    from loadtests.report.results import facts

    table = Table(box=None, pad_edge=False, header_style="")
    for name in ("", "run", "profile", "verdict"):
        table.add_column(name, overflow="fold")
    for age, folder in enumerate(reversed(named.names(results))):
        try:
            found = load(results / folder / "run.json", check=False)
        except InvalidRun:
            table.add_row(_called(age), folder, "", "cannot be read")
            continue
        if profile in ("", found.profile):
            table.add_row(_called(age), folder, found.profile, facts.verdict(found))
    if not table.row_count:
        raise named.NoSuchRun(f"no runs {f'of {profile} ' if profile else ''}in {results}")
    output.console().print(table)
    return DONE


def _called(age: int) -> str:
    return f"latest~{age}" if age else "latest"
