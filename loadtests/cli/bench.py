"""`waits bench`: compare the services, and leave a report in the folder of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loadtests import paths, quantities
from loadtests.cli import options
from loadtests.errors import INTERRUPTED, UsageError

MOST = 256
NEEDED = f"a whole number from 1 to {MOST}"


def run(
    profile: options.Profile = "quick",
    services: options.Services = "",
    runtime: options.Runtime = "auto",
    results: Annotated[
        Path | None, typer.Option(help="the folder of all runs; with --file beside it")
    ] = None,
    pythons: Annotated[
        str, typer.Option(help='interpreters for the services, "3.13 3.14t" or paths')
    ] = "",
    load_processes: Annotated[
        str, typer.Option(help="processes that make the load, for more than one core does")
    ] = "1",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="do not go on with a run that was interrupted")
    ] = False,
    file: Annotated[
        Path | None, typer.Option(help="a service of your own (docs/your-own-service.md)")
    ] = None,
    against: Annotated[
        str, typer.Option(help="with --file: services of this project beside it, or none")
    ] = "flask-threads,fastapi",
) -> int:
    """Compare the services, and leave a report."""
    from loadtests.bench import plan, rounds

    settings = options.service_settings()
    processes = quantities.count("LOAD_PROCESSES", load_processes, NEEDED, most=MOST)
    if file:
        if processes > 1:
            raise UsageError("LOAD_PROCESSES is for the services of this project, not for --file")
        from loadtests.own import bench as own

        parts = own.parts(file, services or against, profile, runtime, settings)
        results = results or file.parent / own.RESULTS
    else:
        parts = plan.parts(profile, services, runtime, settings, pythons, processes)
        results = results or paths.RESULTS
    options.writable(results)
    chosen = parts[0].runtime
    print(f"runtime: {chosen.name} ({chosen.because})", flush=True)
    if processes > 1:
        print(options.load_told(processes, chosen.load_cpus), flush=True)
    if told := options.told(chosen.name):
        print(told, flush=True)
    status = rounds.run(profile, parts, results, fresh)
    if status != INTERRUPTED:
        from loadtests.cli import hints

        print(*hints.after_a_run(results), sep="\n")
    return status
