"""The services on several interpreters in one run: `make bench PYTHONS="3.13 3.14 3.14t"`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from loadtests.catalog import FLOOR, Interpreter, Service
from loadtests.errors import UsageError
from loadtests.runtime import environments
from loadtests.runtime.environments import InstallError

ASK = """
import platform, sys, sysconfig
print(platform.python_version())
print(sysconfig.get_config_var("Py_GIL_DISABLED") or 0)
print(sys.base_prefix)
"""
FIND = ("python", "find", "--system")  # and no virtual environment
OLDEST = (3, 11)


class UnknownInterpreter(UsageError):
    """A name that no interpreter has which the services can run on."""


def named(names: str) -> list[Interpreter]:
    """The interpreters that `PYTHONS="3.13 3.14t"` names; UnknownInterpreter where one is none.

    A name is what `uv python find` knows, or the path of an interpreter.
    """
    found = [_asked(name) for name in names.replace(",", " ").split()]
    marks = [interpreter.mark for interpreter in found]
    twice = next((mark for mark in marks if marks.count(mark) > 1), None)
    if twice:
        raise UnknownInterpreter(f"PYTHONS names {twice} twice: {names}")
    return found


def _asked(name: str) -> Interpreter:
    try:
        path = Path(name if "/" in name else environments.uv(*FIND, name).strip())
        command = [str(path), "-I", "-c", ASK]
        said = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
        version, has_no_gil, prefix = said.splitlines()
    except InstallError as error:
        raise UnknownInterpreter(f"PYTHONS: {error}") from error
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise UnknownInterpreter(f"PYTHONS: {name} is no Python: {error}") from error
    major, minor = map(int, version.split(".")[:2])
    if (major, minor) < OLDEST:
        raise UnknownInterpreter(f"PYTHONS: {name} is {version}; the services need 3.11 or newer")
    mark = f"{major}.{minor}{'t' if int(has_no_gil) else ''}"
    return Interpreter(mark, path, version, prefix)


def each(
    services: Iterable[Service], interpreters: Iterable[Interpreter]
) -> tuple[list[Service], dict[Service, str]]:
    """Every service on every interpreter, and those that cannot be installed there, with why."""
    able: list[Service] = []
    left_out: dict[Service, str] = {}
    for service in services:
        if service.kind == FLOOR:
            left_out[service] = "it is no Python"
            continue
        for interpreter in interpreters:
            one = replace(service, interpreter=interpreter)
            try:
                environments.ensure_on(one, interpreter)
                able.append(one)
            except InstallError as error:
                left_out[one] = _short(str(error))
    return able, left_out


def _short(said: str) -> str:
    """The line of uv's that names the package, or its last one."""
    lines = [line.strip(" ×╰─▶├│") for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("Failed to", "Because", "error:"))]
    return (telling or lines[-1:] or [said])[0][:200]
