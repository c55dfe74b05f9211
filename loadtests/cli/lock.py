"""`waits lock`: write the locks of all packages."""

from __future__ import annotations

from typing import Annotated

import typer

from loadtests import paths
from loadtests.errors import UsageError


def run(
    service: Annotated[str, typer.Argument(help="add only what this one lacks")] = "",
) -> int:
    """Pin the newest packages, or add what a service lacks."""
    if not paths.CHECKOUT:
        raise UsageError(f"the locks are those of a checkout of {paths.NAME}: clone it first")
    from loadtests import commands

    return commands.lock(service)
