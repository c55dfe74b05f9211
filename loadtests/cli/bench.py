"""`waits bench`: compare the services, and leave a report in the folder of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loadtests import paths, quantities
from loadtests.cli import options
from loadtests.errors import INTERRUPTED, UsageError
from loadtests.runtime import LOAD_PORT, LoadProcesses

AGAINST = "flask-threads,fastapi"


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
    load_workers: Annotated[
        str, typer.Option(help="workers on other machines that make it: waits load there")
    ] = "",
    load_port: Annotated[str, typer.Option(help="where they find this machine")] = f"{LOAD_PORT}",
    tls: Annotated[
        bool, typer.Option("--tls", help="measure each service with TLS at its server, too")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="do not go on with a run that was interrupted")
    ] = False,
    file: Annotated[
        Path | None, typer.Option(help="a service of your own (docs/your-own-service.md)")
    ] = None,
    against: Annotated[
        str,
        typer.Option(help=f"with --file: services of this project beside it ({AGAINST}), or none"),
    ] = "",
) -> int:
    """Compare the services, and leave a report."""
    from loadtests.bench import gathering, plan, rounds

    if against and not file:
        raise UsageError("--against goes with --file waits.toml; others are named by --services")
    settings = options.service_settings()
    load = _load(load_processes, load_workers, load_port)
    if file:
        if load.are_several:
            raise UsageError(f"{load.variable} is for the services of this project, not for --file")
        if tls:
            raise UsageError("--tls is for the services of this project, not for --file")
        from loadtests.own import bench as own

        parts = own.parts(file, services or against or AGAINST, profile, runtime, settings)
        results = results or file.parent / own.RESULTS
    else:
        parts = plan.parts(profile, services, runtime, settings, pythons, load, tls)
        results = results or paths.RESULTS
    options.writable(results)
    chosen = parts[0].runtime
    print(f"runtime: {chosen.name} ({chosen.because})", flush=True)
    if load.port:
        print(gathering.told(gathering.gather(parts[0])), flush=True)
    elif load.are_several:
        print(options.load_told(load.number, chosen.load_cpus), flush=True)
    if told := options.told(chosen.name):
        print(told, flush=True)
    status = rounds.run(profile, parts, results, fresh)
    if status != INTERRUPTED:
        from loadtests.cli import hints

        print(*hints.after_a_run(results), sep="\n")
    return status


def _load(processes: str, workers: str, port: str) -> LoadProcesses:
    """The processes that make the load; UsageError where they are not to be had."""
    number = options.processes("LOAD_PROCESSES", processes)
    if not workers:
        return LoadProcesses(number)
    if number > 1:
        raise UsageError("LOAD_PROCESSES are here, LOAD_WORKERS on other machines: choose one")
    away = options.processes("LOAD_WORKERS", workers)
    return LoadProcesses(away, quantities.port("LOAD_PORT", port))
