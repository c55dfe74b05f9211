"""`waits check`: what a service of this repository lacks."""

from __future__ import annotations

from typing import Annotated

import typer


def run(service: Annotated[str, typer.Argument(help="its name, as in services/")]) -> int:
    """Say what a service of this repository lacks."""
    from loadtests.own import check

    return check.run(service)
