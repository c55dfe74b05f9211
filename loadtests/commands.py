"""`make serve`, `make ui`, `make report` and `make lock`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from loadtests import catalog
from loadtests.catalog import BACKEND, ROOT, SERVICES
from loadtests.runtime import ServiceFailed, choose, compose_file, compose_ui, environments
from loadtests.runtime.local import HOST, LocalRuntime
from loadtests.runtime.process import end_as_on_ctrl_c, is_free
from services import folders

UI_PORT = 8089
PYTHON_VERSION = "3.11"  # the oldest that the locks serve


class UsageError(ValueError):
    """A command that cannot be run as asked; the text says what to do."""


def serve(name: str, port: str, settings: dict[str, str]) -> int:
    """Run one service and its backend, pinned as in the bench, until Ctrl-C."""
    if not name:
        raise UsageError(
            f"which service? make serve SERVICE=…, one of: {', '.join(catalog.names())}"
        )
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


def ui(wanted: str, runtime_name: str, settings: dict[str, str]) -> int:
    """Backend, services and Locust's web UI until Ctrl-C."""
    services = catalog.select(wanted)
    runtime = choose(runtime_name, services, settings)
    free_port_given("the web UI's port", str(UI_PORT))
    print(f"runtime: {runtime.name} ({runtime.because})", flush=True)
    if not isinstance(runtime, LocalRuntime):
        return until_ctrl_c(lambda: compose_ui.run_ui(services, settings))

    def run() -> int:
        with runtime, ExitStack() as stack:
            targets = {
                service.name: stack.enter_context(runtime.service(service)).url
                for service in services
            }
            return _locust_ui(targets)

    return until_ctrl_c(run)


def until_ctrl_c(run: Callable[[], int]) -> int:
    """What `run` returns; 0 if Ctrl-C ends it, 1 and what happened if a service fails."""
    end_as_on_ctrl_c()
    try:
        return run()
    except ServiceFailed as error:
        print(f"{error}\n{error.log_tail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped")
        return 0


def _locust_ui(targets: dict[str, str]) -> int:
    """Locust in the foreground; ends with it, or ends it on Ctrl-C."""
    locustfile = str(ROOT / "loadtests" / "locustfile.py")
    address = ["--web-host", HOST, "--web-port", str(UI_PORT)]
    locust = subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", locustfile, *address],
        cwd=ROOT,
        env={**os.environ, "TARGETS": " ".join(f"{name}={url}" for name, url in targets.items())},
        start_new_session=True,
    )
    print(f"Locust's web UI: http://{HOST}:{UI_PORT}   Ctrl-C takes everything down", flush=True)
    try:
        return locust.wait()
    finally:
        locust.terminate()
        try:
            locust.wait(5)
        except subprocess.TimeoutExpired:
            locust.kill()
            locust.wait()


def rebuild(results: Path) -> int:
    """Write every report, the index, the README's block and the documents' figures anew."""
    from loadtests.report import build  # only here: what draws the charts takes seconds to load

    documents = sorted((ROOT / "docs").rglob("*.md"))
    try:
        rebuilt = build.rebuild(results, ROOT / "README.md", documents)
    except build.ReportError as error:
        print(error, file=sys.stderr)
        return 1
    print(*rebuilt.unmeasured, sep="\n", end="\n" if rebuilt.unmeasured else "")
    number, index = len(rebuilt.folders), results / "README.md"
    print(f"rebuilt {number} reports, {index} and the newest results in the README and the docs")
    return 0


def lock(name: str) -> int:
    """Write the locks anew with the newest versions; with a service's `name` add what it lacks.

    Either way compose.yaml gets the services there are.
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
    compose = ROOT / "compose.yaml"
    compose.write_text(compose_file.written(compose.read_text(), catalog.names()))
    return 0


def _add_to_lock(name: str) -> None:
    """Add to the services' lock what `name` lacks; UsageError where that would change a pin."""
    lock = SERVICES / folders.LOCK
    before = lock.read_text()
    pins = pinned(before)
    locked = {
        line
        for one in (BACKEND, *catalog.names())
        for line in _requirements(one)
        if folders.canonical(line) in pins
    }
    _compile(lock, "-", given=locked | set(_requirements(name)))
    after = pinned(lock.read_text())
    changed = sorted(package for package, pin in pins.items() if after.get(package, pin) != pin)
    if changed:
        lock.write_text(before)
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
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise UsageError(f"{what} must be a port from 1 to 65535, not {text!r}")
    if not is_free(int(text), HOST):
        raise UsageError(
            f"{what} {text} on {HOST} is taken: stop what listens there, or choose another"
        )
    return int(text)
