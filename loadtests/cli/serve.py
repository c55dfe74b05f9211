"""`waits serve`: one service and its backend, until Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from loadtests.cli import options


def run(
    service: Annotated[str, typer.Argument(help="its name, as in services/")] = "",
    port: Annotated[str, typer.Option(help="that it listens on")] = "8080",
) -> int:
    """Run one service and its backend, until Ctrl-C."""
    from loadtests import commands

    return commands.serve(service, port, options.service_settings())
