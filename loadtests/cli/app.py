"""All verbs of the program, in the order in which one meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from loadtests.cli import (
    advise,
    bench,
    check,
    compare,
    diff,
    ladder,
    load,
    lock,
    new,
    open_,
    report,
    runs,
    serve,
    site,
    try_,
    ui,
    upstream,
)

app = typer.Typer(
    epilog="Status: 0 done, 1 it failed, 2 it cannot be run as asked, 130 interrupted.",
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text: at once there, at any width
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def nothing_asked(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="the commit, or the release")] = False,
) -> None:
    """Threads, greenlets or an event loop, for a service that mostly waits on a slow backend."""
    if version:
        from loadtests.bench import machine

        print(f"waits {machine.commit()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


VERBS = (
    bench,
    try_,
    open_,
    runs,
    compare,
    advise,
    serve,
    ui,
    load,
    upstream,
    diff,
    ladder,
    report,
    site,
    new,
    check,
    lock,
)
for verb in VERBS:
    app.command(verb.__name__.rpartition(".")[2].rstrip("_"))(verb.run)
