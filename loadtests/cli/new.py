"""`waits new`: a folder for a new service of this repository."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    name: Annotated[str, typer.Argument(help="a word; the service is SERVICE-NAME")],
    like: Annotated[str, typer.Option(help="the service that it is a variant of")],
) -> int:
    """Make a folder for a variant of a service."""
    from loadtests.own import new

    return new.run(name, like)
