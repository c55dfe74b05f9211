"""`waits site`: pages over all results, for a browser or a web server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loadtests import paths
from loadtests.cli import options


def run(
    results: options.Results = paths.RESULTS,
    target: Annotated[Path, typer.Option(help="where it is written")] = paths.RESULTS.parent
    / "site",
) -> int:
    """Build a site of all results: static pages that need no server."""
    from loadtests.site import build

    return build.run(results, target)
