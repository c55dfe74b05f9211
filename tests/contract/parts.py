"""The parts of the contract's tests, and the services whose files can change their outcome.

A part is asked of a service where no earlier one has the same files for it, in the same model
and, where that matters, on the same server. Parents come before their variants, what people
run before the rest. A short core is asked of all. The floor, which has no Python, is asked
only what test_floor.py asks. Nothing here names a service.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from loadtests import catalog
from loadtests.catalog import FLOOR, KINDS, Service
from services import folders
from tests.contract.rules import RULES

EXHIBITS = ("client.py", "chat.py", "file.py")  # each a part of its own
OWN_RULE = ("bare", "lesson")  # the kinds whose client decides itself what it sends again

Key = tuple[object, ...]


def asked(part: str) -> list[str]:
    """The services that are asked `part`, sorted."""
    if part == FLOOR:
        return [service.name for service in catalog.select("") if service.kind == FLOOR]
    if part == "folder":
        return catalog.names()
    if part == "tls":  # of those that are asked about their server, which is what speaks it
        return [name for name in asked("server") if catalog.load(name).tls]
    if part == "end":  # of a server's tests there are more about it
        return sorted(set(asked("core")) - set(asked("server")))
    route = {"chat": "/chat", "file": "/file"}.get(part, "/")
    first: dict[Key, str] = {}
    for service in in_order():
        if service.has(route):
            first.setdefault(key(part, service), service.name)
    return sorted(first.values())


def in_order() -> list[Service]:
    """Parents before variants, what people run before the rest, one with variants before others."""

    def place(service: Service) -> tuple[int, int, int, str]:
        depth = len(folders.chain(service.name, catalog.SERVICES))
        variants = sum(1 for _ in service.folder.glob("*/service.toml"))
        return depth, KINDS.index(service.kind), -variants, service.name

    return sorted((one for one in catalog.select("") if one.kind != FLOOR), key=place)


def key(part: str, service: Service) -> Key:
    """Everything that results of `part` depend on: of services with equal keys one is tested."""
    declared = sorted(rule for rule in service.exceptions if RULES.get(rule) == part)
    return (*PARTS[part](service), *declared)


def retries_by_library(service: Service) -> bool:
    """True if a library decides which calls are sent again, instead of the strict rule.

    A lesson about something else may have the client of what people run.
    """
    client = _client_of(service)
    return service.kind not in OWN_RULE or any(
        client and _client_of(other) == client for other in in_order() if other.kind not in OWN_RULE
    )


def _client_of(service: Service) -> bytes:
    """The service's client.py; empty where it has none."""
    client = modules(service).get("client.py")
    return client.read_bytes() if client else b""


def modules(service: Service) -> dict[str, Path]:
    """Its Python files, those of the folders above included."""
    return folders.modules(service.name, catalog.SERVICES)


def reached(root: str, files: dict[str, Path]) -> dict[str, Path]:
    """The file `root` and those it imports, of `files` and of what bare variants share."""
    known = {file.removesuffix(".py"): path for file, path in files.items()}
    bare = catalog.SERVICES / "bare"
    known |= {f"bare.{path.stem}": path for path in bare.glob("*.py")}
    found: dict[str, Path] = {}
    waiting = [root.removesuffix(".py")]
    while waiting:
        path = known.get(waiting.pop())
        if path is not None and path.name not in found:
            found[path.name] = path
            waiting += _imports(path)
    return found


def _core(service: Service) -> Key:
    return (service.name,)


def _app(service: Service) -> Key:
    return _made_of("app.py", service), service.model


def _client(service: Service) -> Key:
    """The client and the app, which cancels calls and makes several at once."""
    by_library = retries_by_library(service)
    client, app = _made_of("client.py", service), _made_of("app.py", service)
    return client, app, service.model, by_library


def _server(service: Service) -> Key:
    """`serve`, and what it names: the app and what runs it."""
    serve = folders.find(service.name, "serve", catalog.SERVICES).read_text()
    named = {f"{word}.py" for word in re.findall(r"\w+", serve)}
    code = {file: data for root in {"app.py", *named} for file, data in _made_of(root, service)}
    return serve, *sorted(code.items()), service.server, service.model


def _chat(service: Service) -> Key:
    return _made_of("chat.py", service), *_server(service)


def _file(service: Service) -> Key:
    return _made_of("file.py", service), *_server(service)


PARTS: dict[str, Callable[[Service], Key]] = {
    "core": _core,
    "folder": _core,
    "app": _app,
    "client": _client,
    "server": _server,
    "end": _core,
    "chat": _chat,
    "file": _file,
    FLOOR: _core,
}


def _made_of(root: str, service: Service) -> tuple[tuple[str, bytes], ...]:
    """`root` and what it imports, other exhibits apart; nothing, where there is no such file."""
    files = modules(service).items()
    own = {file: path for file, path in files if file == root or file not in EXHIBITS}
    return tuple((file, path.read_bytes()) for file, path in sorted(reached(root, own).items()))


@cache
def _imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found
