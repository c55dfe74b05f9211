"""`waits diff`: what two services differ in, file by file."""

from __future__ import annotations

from typing import Annotated

import typer

from loadtests.errors import DONE, UsageError


def run(
    one: Annotated[str, typer.Argument(help="a service")] = "",
    other: Annotated[str, typer.Argument(help="another")] = "",
) -> int:
    """Print what two services differ in, file by file."""
    if not one or not other:
        raise UsageError("which two services? diff tornado tornado-blocking")
    from loadtests import catalog, diff

    left, right = catalog.load(one), catalog.load(other)
    print(f"{left.title}  →  {right.title}\n")
    print(*diff.differences(left.name, right.name), sep="\n")
    return DONE
