"""`waits ui`: services loaded live, in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from loadtests.cli import options


def run(
    services: options.Services = "",
    runtime: options.Runtime = "auto",
    port: Annotated[str, typer.Option(help="of the web UI, on 127.0.0.1")] = "8089",
) -> int:
    """Load services live, in the browser."""
    from loadtests import commands

    return commands.ui(services, runtime, port, options.service_settings())
