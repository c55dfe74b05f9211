"""Which service is asked which part of the questions: where its own files can change the answer.

A part is asked of a service where no earlier one has the same files for it, on the same
server and in the same model. Parents come before their variants, what people run before the
rest. A short core is asked of all. Nothing here names a service.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from loadtests import catalog
from loadtests.catalog import KINDS, SERVICES, Service
from services import folders
from tests.contract.rules import RULES

EXHIBITS = ("client.py", "chat.py", "file.py")  # each a part of its own
OWN_RULE = ("bare", "lesson")  # the kinds whose client is the service's own


def asked(part: str) -> list[str]:
    """The services that are asked `part`, sorted."""
    return sorted(_first_of_each(part, _services()))


def retries_by_library(service: Service) -> bool:
    """Whether a library decides which calls are sent again, instead of the strict rule."""
    return service.kind not in OWN_RULE


def key(part: str, service: Service, services: Path = SERVICES) -> tuple[object, ...]:
    """All that answers to `part` depend on: two services with equal keys are asked once."""
    return (*PARTS[part](service, services), *_declared(part, service))


def _core(service: Service, services: Path) -> Iterable[object]:
    return (service.name,)


def _app(service: Service, services: Path) -> Iterable[object]:
    return _files("app.py", service, services), service.model


def _client(service: Service, services: Path) -> Iterable[object]:
    """Its caller, too: who cancels a call, and who makes several, is the app."""
    return (
        _files("app.py", service, services),
        _files("client.py", service, services),
        service.model,
        retries_by_library(service),
    )


def _server(service: Service, services: Path) -> Iterable[object]:
    """All but what only the client, the chat and the file are made of."""
    modules = folders.modules(service.name, services)
    rest = {file: path for file, path in modules.items() if file not in EXHIBITS}
    side = {file for root in EXHIBITS for file in reached(root, modules, services)}
    roots = {"app.py", *(rest.keys() - side)}
    code = {file: path for root in roots for file, path in reached(root, rest, services).items()}
    serve = folders.find(service.name, "serve", services)
    return serve.read_bytes(), _bytes(code), service.server, service.model


def _exhibit(root: str) -> Callable[[Service, Path], Iterable[object]]:
    def depends_on(service: Service, services: Path) -> Iterable[object]:
        return _files(root, service, services), *_server(service, services)

    return depends_on


PARTS: dict[str, Callable[[Service, Path], Iterable[object]]] = {
    "core": _core,
    "folder": _core,
    "app": _app,
    "client": _client,
    "server": _server,
    "start": _server,
    "chat": _exhibit("chat.py"),
    "file": _exhibit("file.py"),
}


def reached(root: str, modules: dict[str, Path], services: Path = SERVICES) -> dict[str, Path]:
    """The module `root` and those it imports, of `modules` and of what services share."""
    known = {path.removesuffix(".py"): modules[path] for path in modules}
    known |= {f"bare.{path.stem}": path for path in (services / "bare").glob("*.py")}
    found: dict[str, Path] = {}
    waiting = [root.removesuffix(".py")]
    while waiting:
        module = waiting.pop()
        path = known.get(module)
        if path is not None and path.name not in found:
            found[path.name] = path
            waiting += _imports(path)
    return dict(sorted(found.items()))


@cache
def _imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def _files(root: str, service: Service, services: Path) -> tuple[bytes, ...]:
    """What `root` is made of, other exhibits apart; all there is, where there is no such file."""
    modules = folders.modules(service.name, services)
    if root not in modules:
        return _bytes(modules)
    own = {file: path for file, path in modules.items() if file == root or file not in EXHIBITS}
    return _bytes(reached(root, own, services))


def _bytes(files: dict[str, Path]) -> tuple[bytes, ...]:
    return tuple(files[file].read_bytes() for file in sorted(files))


def _declared(part: str, service: Service) -> list[str]:
    return sorted(rule for rule in service.exceptions if RULES.get(rule) == part)


def _services() -> list[Service]:
    services = [catalog.load(name) for name in catalog.names()]
    return sorted(services, key=lambda s: (len(folders.chain(s.name)), KINDS.index(s.kind), s.name))


def _first_of_each(part: str, services: Iterable[Service]) -> list[str]:
    route = {"chat": "/chat", "file": "/file"}.get(part, "/")
    first: dict[tuple[object, ...], str] = {}
    for service in services:
        if service.has(route):
            first.setdefault(key(part, service), service.name)
    return list(first.values())
