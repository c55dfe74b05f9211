"""Options that several verbs have, and what the environment says."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from loadtests import quantities
from loadtests.errors import UsageError

Profile = Annotated[str, typer.Option(help="what is measured (loadtests/profiles.toml)")]
Services = Annotated[str, typer.Option(help='their names, "a b"; all of the profile by default')]
Runtime = Annotated[str, typer.Option(help="auto, local or compose")]
Results = Annotated[Path, typer.Option(help="the folder of all runs")]


SETTINGS = ("WORKERS", "CONCURRENCY", "BACKEND_TIMEOUT_S")
MOST_PROCESSES = 256
OF_COMPOSE = ("SERVICE_CPUS", "LOAD_CPUS", "SERVICE_MEMORY", "PYTHON_IMAGE", "BUILD")


def told(runtime: str) -> str:
    """The variables that change the measurement, in one line; empty where none does."""
    from loadtests.runtime import places

    names = (*SETTINGS, *((*OF_COMPOSE, *places.VARIABLES) if runtime == "compose" else ()))
    found = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    return f"from the environment: {' '.join(found)}" if found else ""


def processes(name: str, text: str) -> int:
    """How many processes the variable `name` asks for; BadNumber as loadtests/quantities.py."""
    needed = f"a whole number from 1 to {MOST_PROCESSES}"
    return quantities.count(name, text, needed, most=MOST_PROCESSES)


def load_told(processes: int, cpus: list[int]) -> str:
    """How many processes make the load, and whether each has a core, in one line."""
    said = f"load: {processes} processes"
    if not cpus:
        return said
    share = f", which share {len(cpus)} core{'s' if len(cpus) > 1 else ''}"
    return said + (share if len(cpus) < processes else ", each on a core of its own")


def seconds(text: object) -> float:
    """For an option of typer's: a time of 0 to 3600 s, as loadtests/quantities.py reads it."""
    try:
        return quantities.seconds("it", str(text), "seconds, like 0.2 or 200ms", least=0)
    except quantities.BadNumber as error:
        raise typer.BadParameter(str(error)) from error


def whole(text: object) -> int:
    """For an option of typer's: a whole number from 1, as loadtests/quantities.py reads it."""
    try:
        return quantities.count("it", str(text), "a whole number from 1", most=2**31)
    except quantities.BadNumber as error:
        raise typer.BadParameter(str(error)) from error


def plain(name: str, text: str) -> str:
    """One of SETTINGS in the digits of the contract; as it is where it is out of its range."""
    if name == "BACKEND_TIMEOUT_S":
        needed = "a number of seconds from 0.001 to 3600"
        return f"{quantities.seconds(name, text, needed):.6f}".rstrip("0").rstrip(".")
    needed = "a whole number from 1 to " + {"WORKERS": "256", "CONCURRENCY": "100000"}[name]
    return str(quantities.count(name, text, needed, most=100_000))


def writable(results: Path) -> Path:
    """`results`, made where it is missing; UsageError unless files can be made in it."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=results).close()
    except OSError as error:
        raise UsageError(f"--results {results}: {error.strerror}") from error
    return results


def service_settings() -> dict[str, str]:
    """The settings that the environment has for every service; each has its own defaults.

    UsageError where one is not what CONTRACT.md allows. They are written as it asks for them:
    1000 where a person has given 1,000.
    """
    from services import contract

    settings = {name: plain(name, os.environ[name]) for name in SETTINGS if os.environ.get(name)}
    os.environ.update(settings)
    for name in set(SETTINGS) - set(settings):
        os.environ.pop(name, None)  # not an empty one, which services would inherit
    try:
        contract.settings(settings)
    except SystemExit as error:
        raise UsageError(str(error)) from error
    return settings
