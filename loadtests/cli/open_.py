"""`waits open`: the report of a run, in a browser where there is one."""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import Annotated

import typer

from loadtests import paths
from loadtests.cli import options
from loadtests.errors import DONE


def run(
    name: Annotated[
        str, typer.Argument(metavar="[RUN]", help="latest~1, a profile, or part of its name")
    ] = "latest",
    results: options.Results = paths.RESULTS,
) -> int:
    """Show the report of a run in a browser, and where it is."""
    from loadtests.record import load, named

    folder = named.find(name, results).parent
    report = folder / "report.html"
    if not report.is_file():
        from loadtests.report import build

        run = load(folder / "run.json")
        build.write(folder, run, build.tell(run), among=folder.parent)
    print(report)
    if sys.stdout.isatty() and _has_a_screen():
        webbrowser.open(report.resolve().as_uri())
    return DONE


def _has_a_screen() -> bool:
    """False over ssh and in containers, where a browser would be one for terminals."""
    return sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
