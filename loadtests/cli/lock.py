"""`waits lock`: write the locks of all packages."""

from __future__ import annotations

from typing import Annotated

import typer

from loadtests import paths


def run(
    service: Annotated[str, typer.Argument(help="add only what this one lacks")] = "",
) -> int:
    """Pin the newest packages, or add what a service lacks."""
    paths.needs_checkout("the locks are those of")
    from loadtests import commands

    return commands.lock(service)
