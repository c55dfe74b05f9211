"""Commands to go on with, as one types them here: make's in the checkout, else the program's."""

from __future__ import annotations

from pathlib import Path

from loadtests import paths
from loadtests.record import named

Command = tuple[str, dict[str, str], str]  # its verb, its variables as make has them, what it does


def after_a_run(results: Path) -> list[str]:
    """The lines to end a measurement with."""
    commands: list[Command] = [
        ("open", {}, "the report, in a browser"),
        ("advise", {"DELAY": "0.2", "RATE": "300"}, "which service fits your load"),
    ]
    if len(named.names(results)) > 1:
        of_two = {"A": "latest~1", "B": "latest"}
        commands.append(("compare", of_two, "what is worse than in the run before"))
    elsewhere = {} if results.resolve() == paths.RESULTS else {"RESULTS": str(results)}
    typed = [(_typed(verb, given | elsewhere), does) for verb, given, does in commands]
    width = max(len(command) for command, _ in typed)
    return [f"  {command:{width}}  {does}" for command, does in typed]


def _typed(verb: str, given: dict[str, str]) -> str:
    if paths.CHECKOUT and Path.cwd() == paths.ROOT:
        return " ".join(["make", verb, *(f"{name}={value}" for name, value in given.items())])
    words = [
        value if name in ("A", "B") else f"--{name.lower()} {value}"
        for name, value in given.items()
    ]
    program = f"python3 {paths.ROOT}/loadtests/bootstrap.py -m loadtests"
    return " ".join([program if paths.CHECKOUT else "waits", verb, *words])
