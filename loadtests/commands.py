"""`make serve`, `make ui`, `make report` and `make lock`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from loadtests import catalog, quantities
from loadtests.catalog import BACKEND, ROOT, SERVICES
from loadtests.errors import UsageError
from loadtests.live import command as live
from loadtests.runtime import (
    ServiceFailed,
    choose,
    environments,
    lacks,
    listing,
    places,
)
from loadtests.runtime.compose import ComposeRuntime
from loadtests.runtime.local import HOST, LocalRuntime
from loadtests.runtime.ports import is_free
from services import folders

PYTHON_VERSION = "3.11"  # the oldest that the locks serve


def serve(name: str, port: str, settings: dict[str, str]) -> int:
    """Run one service and its backend, pinned as in the bench, until Ctrl-C."""
    if not name:
        raise UsageError(f"which service? one of: {', '.join(catalog.names())}")
    service = catalog.load(name)
    number = free_port_given("PORT", port)

    def run() -> int:
        with (
            LocalRuntime("make serve", [name], settings) as runtime,
            runtime.service(service, number) as running,
        ):
            print(f"{name}: {running.url}/?delay=0.1", flush=True)
            if runtime.service_cpus:
                (own,), (other,) = runtime.service_cpus, runtime.load_cpus
                print(
                    f"core {own} is the service's; the backend is on core {other}, and a load"
                    f" generator belongs there, too: taskset -c {other} wrk …"
                )
            print(f"backend: {runtime.backend_url}   Ctrl-C ends both", flush=True)
            signal.pause()
        return 0

    return until_ctrl_c(run)


def ui(wanted: str, runtime_name: str, port: str, settings: dict[str, str]) -> int:
    """Backend and Locust's web UI until Ctrl-C, with services; the floor only if it is wanted."""
    services = [one for one in catalog.select(wanted) if wanted or one.kind != catalog.FLOOR]
    if places.asked():
        raise UsageError("SERVICE_HOST is for `make bench`: leave it out")
    runtime = choose(runtime_name, services, settings)
    assert isinstance(runtime, LocalRuntime | ComposeRuntime)
    services = [one for one in services if not lacks(runtime, one)]
    number = free_port_given("PORT", port)
    print(f"runtime: {runtime.name} ({runtime.because})", flush=True)
    return until_ctrl_c(lambda: live.run(runtime, services, number))


def until_ctrl_c(run: Callable[[], int]) -> int:
    """Return `run()`; 0 if Ctrl-C ends it, 1 and a message if a service fails."""
    try:
        return run()
    except ServiceFailed as error:
        print(f"{error}\n{error.log_tail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped")
        return 0


def rebuild(results: Path, judge_all: bool = False) -> int:
    """Write every report and the index anew, and what README and docs quote."""
    from loadtests.report import build  # only here: what draws the charts takes seconds to load

    own = results.resolve() == ROOT / "results"  # what others hold is not what README quotes
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if own else []
    if not results.is_dir():
        raise UsageError(f"no folder {results}: RESULTS names one with runs")
    rebuilt = build.rebuild(results, documents, judge_all)
    for line in (*rebuilt.judged, *rebuilt.unmeasured):
        print(line)
    number, index = len(rebuilt.folders), results / "README.md"
    quoted = ", and what README and docs quote" if own else ""
    print(f"rebuilt {number} reports, {index}{quoted}")
    return 0


def lock(name: str) -> int:
    """Write the locks anew with the newest versions; with a service's `name` add what it lacks.

    Either way compose.yaml and deploy/ get the services there are.
    """
    if name:
        catalog.load(name)
        _add_to_lock(name)
    else:
        wanted = {line for one in (BACKEND, *catalog.names()) for line in _requirements(one)}
        _compile(SERVICES / folders.LOCK, "-", "--upgrade", given=wanted)
        for folder in (ROOT / "loadtests", ROOT / "tests"):
            source = str(folder / "requirements.in")
            _compile(folder / folders.LOCK, source, "--upgrade", "--no-annotate")
    listing.bring_up_to_date(ROOT, catalog.select(""))
    return 0


def _add_to_lock(name: str) -> None:
    """Add to the services' lock what `name` lacks; UsageError where that would change a pin."""
    lock = SERVICES / folders.LOCK
    before = lock.read_text(encoding="utf-8")
    pins = pinned(before)
    locked = {
        line
        for one in (BACKEND, *catalog.names())
        for line in _requirements(one)
        if folders.canonical(line) in pins
    }
    _compile(lock, "-", given=locked | set(_requirements(name)))
    after = pinned(lock.read_text(encoding="utf-8"))
    changed = sorted(package for package, pin in pins.items() if after.get(package, pin) != pin)
    if changed:
        lock.write_text(before, encoding="utf-8")
        raise UsageError(
            f"what {name} needs does not go with the versions locked of {', '.join(changed)}:"
            " run `make lock`, which renews all"
        )


def pinned(lock: str) -> dict[str, str]:
    """The pins of a lock by package; of some there are several, for different Pythons."""
    found: dict[str, str] = {}
    for package, text, _ in folders.entries(lock):
        found[package] = found.get(package, "") + text
    return found


def _requirements(name: str) -> list[str]:
    try:
        return folders.requirements(name, SERVICES)
    except OSError as error:
        raise UsageError(str(error)) from error


def _compile(lock: Path, *arguments: str, given: Iterable[str] = ()) -> None:
    """Resolve requirements for all Pythons and systems into the file `lock`."""
    print(f"locking {lock.relative_to(ROOT)}", flush=True)
    environments.uv(
        *("pip", "compile", "--universal", "--python-version", PYTHON_VERSION),
        *("--generate-hashes", "--no-header", "--no-emit-index-url"),
        *("--output-file", str(lock), *arguments),
        given="\n".join(sorted(given)),
    )


def free_port_given(what: str, text: str) -> int:
    """The port `text` names; UsageError if it names none, or one that is taken."""
    port = quantities.port(what, text)
    if not is_free(port, HOST):
        raise UsageError(
            f"{what} {port} on {HOST} is taken: stop what listens there, or choose another"
        )
    return port
