"""`waits load`: make load for a bench that runs on another machine."""

from __future__ import annotations

from typing import Annotated

import typer

from loadtests.cli import options
from loadtests.errors import UsageError
from loadtests.runtime import LOAD_PORT


def run(
    master: Annotated[
        str, typer.Argument(help="the machine of make bench LOAD_WORKERS=…, host or host:port")
    ] = "",
    processes: Annotated[str, typer.Option(help="how many workers, one a core")] = "1",
) -> int:
    """Make load for a bench on another machine, until Ctrl-C."""
    from loadtests.load import away

    number = options.processes("LOAD_PROCESSES", processes)
    if not master:
        raise UsageError("where does make bench run? make load MASTER=10.0.0.3")
    host, port = away.master_of(master, LOAD_PORT)
    return away.run(host, port, number)
