"""`waits load`: make load for a bench that runs on another machine."""

from __future__ import annotations

from typing import Annotated

import typer

from loadtests import quantities
from loadtests.errors import UsageError
from loadtests.runtime import LOAD_PORT

MOST = 256


def run(
    master: Annotated[
        str, typer.Argument(help="the machine of make bench LOAD_WORKERS=…, host or host:port")
    ] = "",
    processes: Annotated[str, typer.Option(help="how many workers, one a core")] = "1",
) -> int:
    """Make load for a bench on another machine, until Ctrl-C."""
    from loadtests.load import away

    needed = f"a whole number from 1 to {MOST}"
    number = quantities.count("LOAD_PROCESSES", processes, needed, most=MOST)
    if not master:
        raise UsageError("where does make bench run? make load MASTER=10.0.0.3")
    host, port = away.master_of(master, LOAD_PORT)
    return away.run(host, port, number)
