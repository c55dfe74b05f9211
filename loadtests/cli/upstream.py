"""`waits upstream`: something slow to point a service at."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    delay: Annotated[
        str, typer.Option(help="of each answer: 100ms; or drawn for each: 'lognormal 0.1 1'")
    ] = "0.1",
    port: Annotated[str, typer.Option(help="that it listens on")] = "9000",
    body: Annotated[int, typer.Option(help="bytes of an answer's body")] = 0,
) -> int:
    """Answer any path and method after a delay, until Ctrl-C."""
    from loadtests.own import upstream

    return upstream.run(delay, port, body)
