"""`waits try`: any service behind a URL."""

from __future__ import annotations

from typing import Annotated

import typer

from loadtests import paths
from loadtests.cli import options


def run(
    url: Annotated[str, typer.Argument(help="such as http://127.0.0.1:8000/orders/1")],
    users: Annotated[
        str, typer.Option(help="that wait at once, window after window")
    ] = "10,50,200",
    delay: Annotated[
        float | None,
        typer.Option(parser=options.seconds, help="of its upstream, for the limit: 100ms"),
    ] = None,
    method: Annotated[str, typer.Option("-X", "--method", help="GET, or POST with a body")] = "",
    header: Annotated[
        list[str] | None, typer.Option("-H", "--header", help="'Name: value', several times")
    ] = None,
    data: Annotated[str, typer.Option("-d", "--data", help="the body, or @ and its file")] = "",
    status: Annotated[
        int | None, typer.Option(parser=options.whole, help="that is right; else 200 to 299")
    ] = None,
    expect: Annotated[str, typer.Option(help="that a right body contains")] = "",
    seconds: Annotated[float, typer.Option(parser=options.seconds, help="of each window")] = 3.0,
    timeout: Annotated[
        float, typer.Option(parser=options.seconds, help="until an answer is too late")
    ] = 10.0,
    pid: Annotated[
        int | None, typer.Option(parser=options.whole, help="of the service, where it is not found")
    ] = None,
    like: Annotated[str, typer.Option(help="the service of this project beside it")] = "",
    remote: Annotated[bool, typer.Option("--remote", help="it is on another machine")] = False,
    results: options.Results = paths.RESULTS,
) -> int:
    """Measure any service behind a URL, and say what to change first."""
    from loadtests.own import url as own

    return own.run(
        url,
        own.Options(
            users=users,
            delay_s=delay,
            method=method,
            headers=tuple(header or ()),
            data=data,
            status=status,
            expect=expect,
            seconds=seconds,
            timeout_s=timeout,
            pid=pid,
            like=like,
            remote=remote,
            results=paths.with_runs(results),
        ),
    )
