"""Checks of the services' folders against CONTRACT.md: each returns the faults."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtests.advise.change import PARTS, PLACEHOLDER, PLACEHOLDERS
from loadtests.catalog import CORE, FLOOR, KINDS, PROCESSES, Service
from services import folders
from tests.contract import parts
from tests.contract.lock import logical_lines, unsatisfied
from tests.contract.rules import RULES

TEXTS = {"title", "framework", "server", "client", "model", "waits", "kind"}
OPTIONAL = {"offers", "exceptions", "limit", "program", "advice", "tls"}
EXHIBITS = {"/file": "file.py", "/chat": "chat.py", "/json": "app.py"}
ODD_MODELS = ("event loop, blocked", PROCESSES)  # in which a library is used otherwise
MAX_COMMANDS = 6
MAX_DOCSTRING_LINES = 5
MAX_LINES = {"app.py": 125, "client.py": 65}
MAX_LINES_OF_ALL = 6000


def problems(name: str, services: Path) -> list[str]:
    """The faults of a service, or the backend; empty where there are none."""
    found = []
    is_service = name != folders.BACKEND
    is_floor = is_service and _kind(name, services) == FLOOR  # nothing of it is of Python
    needed = ("serve", "requirements.in", "README.md")
    for file in needed if is_floor else ("app.py", *needed):
        try:
            folders.find(name, file, services)
        except FileNotFoundError:
            found.append(f"{file} is missing")
    if found:
        return found
    serve = folders.find(name, "serve", services).read_text()
    if not is_floor:
        found += _serve_problems(serve) + _timeout_problems(serve, services)
        found += _docstring_problems(folders.find(name, "app.py", services))
    lock = (services / folders.LOCK).read_text()
    found += unsatisfied("\n".join(folders.requirements(name, services)), lock)
    if not folders.find(name, "README.md", services).read_text().strip():
        found.append("README.md is empty")
    modules = folders.modules(name, services)
    found += [
        f"{file} has the name of a module of the standard library"
        for file in modules
        if file.removesuffix(".py") in sys.stdlib_module_names
    ]
    if is_service:
        file = folders.chain(name, services)[0] / "service.toml"
        try:
            about = tomllib.loads(file.read_text())
        except tomllib.TOMLDecodeError as error:
            return [*found, f"service.toml: {error}"]
        found += _description_problems(about, modules)
        found += _length_problems(modules, about.get("kind"))
        found += repeated(name, services)
    return found


def _kind(name: str, services: Path) -> object:
    """The `kind` in service.toml, None where it cannot be read."""
    text = (folders.chain(name, services)[0] / "service.toml").read_text()
    try:
        return tomllib.loads(text).get("kind")
    except tomllib.TOMLDecodeError:
        return None


def repeated(name: str, services: Path) -> list[str]:
    """The files of a variant that it would have from the folders above all the same."""
    own, *above = folders.chain(name, services)
    found = []
    for path in sorted(own.iterdir()):
        nearest = next((f / path.name for f in above if (f / path.name).is_file()), None)
        if path.is_file() and nearest and nearest.read_bytes() == path.read_bytes():
            found.append(f"{path.name} is that of {nearest.parent.relative_to(services)}")
    return found


def strays(services: Path) -> list[str]:
    """The Python files that belong to no service, nor to all."""
    used = {path for name in folders.names(services) for path in _files(name, services)}
    used |= set(_files(folders.BACKEND, services))
    used |= {services / "folders.py"}
    for shared in folders.SHARED:
        path = services / shared
        used |= set(path.glob("*.py")) if path.is_dir() else {path}
    return sorted(str(path.relative_to(services)) for path in _python(services) - used)


def lines_of_all(services: Path) -> int:
    """The lines of Python of all services together, the backend apart."""
    backend = services / folders.BACKEND
    return sum(
        len(path.read_text().splitlines())
        for path in _python(services)
        if backend not in path.parents
    )


def families(services: Sequence[Service]) -> dict[str, set[Path]]:
    """The clients that are to be the same: of one library, in one style, whatever the framework."""
    found: dict[str, set[Path]] = {}
    for service in services:
        client = parts.modules(service).get("client.py")
        if client is None or service.kind in parts.OWN_RULE:
            continue
        library = service.client.partition(",")[0]
        style = "async def call" if "async def call" in client.read_text() else "def call"
        waits = service.model if service.model in ODD_MODELS else "as usual"
        found.setdefault(f"{library}, {style}, {waits}", set()).add(client)
    return found


def twin_problems(files: Sequence[Path]) -> list[str]:
    """The files that differ from the first: all must be the same to the byte."""
    first, *others = files
    return [f"{other} is not {first}" for other in others if _content(other) != _content(first)]


def _python(services: Path) -> set[Path]:
    return {path for path in services.rglob("*.py") if "__pycache__" not in path.parts}


def _files(name: str, services: Path) -> list[Path]:
    return list(folders.modules(name, services).values())


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def _serve_problems(serve: str) -> list[str]:
    found = []
    lines = [line.strip() for line in serve.splitlines()]
    if not lines or not lines[0].startswith("#!"):
        found.append("serve does not say what runs it")
    commands = logical_lines(serve)  # which may go on over several lines
    if len(commands) > MAX_COMMANDS:
        found.append(f"serve has {len(commands)} commands, at most {MAX_COMMANDS} are allowed")
    if not commands or not commands[-1].startswith("exec "):
        found.append("serve does not end in exec")
    return found


def _timeout_problems(serve: str, services: Path) -> list[str]:
    """gunicorn kills a worker that is busy for long, where it is not told otherwise."""
    configs = [f"{name}.py" for name in re.findall(r"--config python:(\w+)", serve)]
    for config in configs:  # one may take it from another
        text = (services / config).read_text()
        if re.search(r"^timeout = 0$", text, re.MULTILINE):
            return []
        configs += [
            f"{name}.py" for name in re.findall(r"^from (gunicorn_\w+)", text, re.MULTILINE)
        ]
    if "gunicorn" not in serve or "--timeout 0" in serve:
        return []
    return ["gunicorn kills a worker whose request takes long: its timeout has to be 0"]


def _docstring_problems(app: Path) -> list[str]:
    docstring = (ast.get_docstring(ast.parse(app.read_text(encoding="utf-8"))) or "").strip()
    if not docstring:
        return ["app.py has no docstring"]
    count = len(docstring.splitlines())
    if count > MAX_DOCSTRING_LINES:
        return [f"the docstring of app.py has {count} lines, more than {MAX_DOCSTRING_LINES}"]
    return []


def _length_problems(modules: dict[str, Path], kind: object) -> list[str]:
    """A client of our own may be longer: it does what a library does elsewhere."""
    counts = {file: len(modules[file].read_text().splitlines()) for file in modules}
    return [
        f"{file} has {counts[file]} lines, more than {most}"
        for file, most in MAX_LINES.items()
        if counts.get(file, 0) > most and not (file == "client.py" and kind in parts.OWN_RULE)
    ]


def _description_problems(about: dict[str, Any], modules: dict[str, Path]) -> list[str]:
    found = [f"service.toml lacks {key}" for key in sorted(TEXTS - about.keys())]
    found += [f"service.toml has {key}" for key in sorted(about.keys() - TEXTS - OPTIONAL)]
    texts = {key: value for key, value in about.items() if key in TEXTS | {"limit", "program"}}
    found += [f"{key} in service.toml says nothing" for key in texts if _empty(texts[key])]
    if about.get("kind", KINDS[0]) not in KINDS:
        found.append(f"kind in service.toml is none of {', '.join(KINDS)}")
    if about.get("tls", True) not in (True, False):
        found.append("tls in service.toml is neither true nor false")
    found += _offer_problems(about.get("offers"), modules) + _exception_problems(about)
    return found + _advice_problems(about.get("advice", {}))


def _offer_problems(offers: Any, modules: dict[str, Path]) -> list[str]:
    if offers is None:
        return []
    if not isinstance(offers, list) or not offers:
        return ["offers in service.toml is no list of routes; leave it out where there are none"]
    unknown = [route for route in offers if route not in EXHIBITS or route in CORE]
    found = [f"offers in service.toml names {route}" for route in unknown]
    return found + [
        f"{file} is missing, for {route}"
        for route, file in EXHIBITS.items()
        if route in offers and file not in modules
    ]


def _exception_problems(about: dict[str, Any]) -> list[str]:
    exceptions = about.get("exceptions", {})
    if not isinstance(exceptions, dict):
        return ["exceptions in service.toml is not a table"]
    unknown = sorted(exceptions.keys() - RULES.keys())
    found = [f"[exceptions] in service.toml names {rule}" for rule in unknown]
    return found + [
        f"[exceptions] in service.toml gives no reason for {rule}"
        for rule, reason in exceptions.items()
        if _empty(reason)
    ]


def _advice_problems(advice: Any) -> list[str]:
    if not isinstance(advice, dict):
        return ["advice in service.toml is not a table"]
    found = [f"[advice] in service.toml has {part}" for part in sorted(advice.keys() - {*PARTS})]
    for part, template in advice.items():
        if _empty(template):
            found.append(f"[advice] in service.toml says nothing of {part}")
            continue
        unknown = sorted({*PLACEHOLDER.findall(template)} - {*PLACEHOLDERS})
        found += [f"[advice] in service.toml: nothing is known for {{{name}}}" for name in unknown]
    return found


def _empty(value: object) -> bool:
    return not isinstance(value, str) or not value.strip()
