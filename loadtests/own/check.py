"""`waits check NAME`: everything that a service of this repository lacks, on one screen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec

from loadtests import catalog, paths
from loadtests.catalog import FLOOR, ROOT, Service
from loadtests.runtime import listing
from services import folders

FILES = ("app.py", "client.py", "serve", "requirements.in", "README.md")
OF_THE_FLOOR = ("serve", "requirements.in", "README.md")  # which has no Python
TESTS = ("tests/contract/test_core.py", "tests/contract/test_floor.py")
FOLDERS = "tests/contract/test_folders.py"
TESTS_S = 300.0


def run(name: str) -> int:
    """Say what is there and what is missing: 0 if nothing is. UnknownService, if there is none."""
    paths.needs_checkout("services are checked in")
    service = catalog.load(name)
    checks: dict[str, Callable[[Service], list[str]]] = {
        "service.toml": lambda service: [],  # read, or there would be no service
        "files": _files,
        "lock": _lock,
        "compose.yaml, deploy/": _listed,
        "folder's rules": lambda service: _tests(service, FOLDERS),
        "core contract": lambda service: _tests(service, *TESTS),
    }
    missing = 0
    for what, check in checks.items():
        found = check(service)
        missing += bool(found)
        print(f"{'MISSING' if found else 'ok':8}{what}", flush=True)
        for line in found:
            print(f"        {line}", flush=True)
    if missing:
        return 1
    print(f'all there; the whole contract: make test ARGS="tests/contract --service {name}"')
    return 0


def _files(service: Service) -> list[str]:
    found = []
    for file in OF_THE_FLOOR if service.kind == FLOOR else FILES:
        try:
            folders.find(service.name, file, catalog.SERVICES)
        except FileNotFoundError as error:
            found.append(str(error))
    return found


def _lock(service: Service) -> list[str]:
    try:
        folders.pins(service.name, catalog.SERVICES)
    except (OSError, ValueError) as error:
        return [f"{error}".replace("make lock", f"waits lock {service.name}")]
    return []


def _listed(service: Service) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} does not have the services there are: waits lock {service.name}"
        for path in listing.outdated(ROOT, catalog.select(""))
    ]


def _tests(service: Service, *files: str) -> list[str]:
    """The failures of the contract's tests in `files`, asked of this service alone; a line each."""
    # In the environment of the tests already? Locust brings pytest to others, but not pytest-xdist.
    in_tests = find_spec("xdist") is not None
    start = () if in_tests else ("-I", str(ROOT / "loadtests" / "bootstrap.py"), "--tests")
    command = [sys.executable, *start, "-m", "pytest"]
    quietly = ("-q", "-n", "0", "--tb=line", "--no-header", "-rfE", "--service", service.name)
    try:
        done = subprocess.run(
            [*command, *quietly, *files],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TESTS_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [f"the tests did not end within {TESTS_S:g} s"]
    if done.returncode == 0:
        return []
    lines = (done.stdout + done.stderr).splitlines()
    told = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return told or lines[-10:]
