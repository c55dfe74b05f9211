"""The commands of the Makefile: `python -m loadtests bench|serve|ui|report|lock`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryFile

from loadtests import catalog, commands, runtime
from loadtests.bench import plan, profiles, rounds
from loadtests.catalog import ROOT
from loadtests.runtime.environments import InstallError
from services import contract

USAGE_ERRORS = (
    catalog.UnknownService,
    profiles.UnknownProfile,
    runtime.UnknownRuntime,
    commands.UsageError,
    InstallError,
)


def main() -> int:
    """Run one command; 2 and a message on stderr for what cannot be run as asked."""
    parser = argparse.ArgumentParser(prog="loadtests")
    verbs = parser.add_subparsers(dest="verb", required=True)
    bench_verb = verbs.add_parser("bench", help="compare the services")
    bench_verb.add_argument("--profile", default="quick")
    bench_verb.add_argument("--services", default="")
    bench_verb.add_argument("--runtime", default="auto")
    bench_verb.add_argument("--results", type=Path, default=ROOT / "results")
    serve_verb = verbs.add_parser("serve", help="run one service and its backend")
    serve_verb.add_argument("--service", default="")
    serve_verb.add_argument("--port", default="8080")
    ui_verb = verbs.add_parser("ui", help="everything up, with Locust's web UI")
    ui_verb.add_argument("--services", default="")
    ui_verb.add_argument("--runtime", default="auto")
    report_verb = verbs.add_parser("report", help="rebuild the reports from the run.json files")
    report_verb.add_argument("--results", type=Path, default=ROOT / "results")
    lock_verb = verbs.add_parser("lock", help="write the locks anew, or add what a service lacks")
    lock_verb.add_argument("--service", default="")
    given = parser.parse_args()
    try:
        match given.verb:
            case "bench":
                return run_bench(given)
            case "serve":
                return commands.serve(given.service, given.port, service_settings())
            case "ui":
                return commands.ui(given.services, given.runtime, service_settings())
            case "report":
                return commands.rebuild(given.results)
            case _:
                return commands.lock(given.service)
    except USAGE_ERRORS as error:
        print(error, file=sys.stderr)
        return 2
    except runtime.ServiceFailed as error:  # the backend: a service's is a failed point
        print(f"{error}\n{error.log_tail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def run_bench(given: argparse.Namespace) -> int:
    """`make bench`: check what was asked for before anything is started."""
    parts = plan.parts(given.profile, given.services, given.runtime, service_settings())
    check_writable(given.results)
    chosen = parts[0].runtime
    print(f"runtime: {chosen.name} ({chosen.because})", flush=True)
    return rounds.run(given.profile, parts, given.results)


def check_writable(results: Path) -> None:
    """UsageError unless files can be made in `results`, which is made where it is missing."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=results).close()
    except OSError as error:
        raise commands.UsageError(f"RESULTS={results}: {error.strerror}") from error


def service_settings() -> dict[str, str]:
    """The settings that the environment has for every service; each has its own defaults.

    UsageError where one is not what CONTRACT.md allows.
    """
    names = ("WORKERS", "CONCURRENCY", "BACKEND_TIMEOUT_S")
    settings = {name: os.environ[name] for name in names if os.environ.get(name)}
    for name in set(names) - set(settings):
        os.environ.pop(name, None)  # not an empty one, which services would inherit
    try:
        contract.settings(settings)
    except SystemExit as error:
        raise commands.UsageError(str(error)) from error
    return settings


if __name__ == "__main__":
    sys.exit(main())
