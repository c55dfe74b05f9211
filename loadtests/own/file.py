"""`waits.toml`: a service in a repository of its own, as a file describes it."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.errors import UsageError, meant
from loadtests.own.asked import Asked, BadRequest, asked

PORT, UPSTREAM = "{port}", "{upstream}"  # what is put in their place is not known before
MAX_UPSTREAM_BYTES = 1 << 20
MODELS = ("threads", "greenlets", "event loop", "coroutines", "callbacks", "processes", "other")

# The keys, the type of each, and what it is, for an error.
KEYS: dict[str, tuple[type, str]] = {
    "name": (str, "its name in the report"),
    "command": (str, "the command that starts it, with {port}"),
    "directory": (str, "where the command is run, seen from this file"),
    "image": (str, "its image, which runs in a container, with its own command or this one"),
    "port": (int, "the port that the image listens on"),
    "environment": (dict, "variables, with {upstream} and {port}"),
    "pass": (list, "names of variables that it gets from yours"),
    "path": (str, "path and query of the request"),
    "method": (str, "the method of the request"),
    "headers": (list, "headers of the request, such as 'Accept: text/html'"),
    "body": (str, "the body of the request"),
    "status": (int, "the status that is right, where not any from 200 to 299"),
    "expect": (str, "a text that a right body contains"),
    "slots": (int, "requests that it can have waiting at once: threads, or a pool"),
    "upstream_bytes": (int, "bytes of the upstream's answers"),
    "model": (str, f"how it waits: {', '.join(MODELS)}"),
}


@dataclass(frozen=True)
class OwnFile:
    """A service of the reader's own: a `command` run here, or in the `image` where there is one.

    `file` describes it; the command runs in `folder`.
    """

    name: str
    asked: Asked
    file: Path
    folder: Path
    command: tuple[str, ...] = ()
    image: str = ""
    port: int = 8080
    environment: tuple[tuple[str, str], ...] = ()
    passed: tuple[str, ...] = ()
    slots: int | None = None
    upstream_bytes: int = 0
    model: str = "not said"

    def words(self, port: int, upstream: str) -> list[str]:
        """The command for a port and an upstream."""
        return [_put_in(word, port, upstream) for word in self.command]

    def variables(self, port: int, upstream: str, environ: Mapping[str, str]) -> dict[str, str]:
        """Its own variables, and of `environ` those that it asks for."""
        given = {name: environ[name] for name in self.passed if name in environ}
        return given | {name: _put_in(value, port, upstream) for name, value in self.environment}

    def plan(self, backend_url: str) -> dict[str, Any]:
        """The part of the generator's plan that says what to ask, and what stands for `/info`."""
        info = {
            "service": self.name,
            "workers": 1,
            "concurrency": None,  # CONCURRENCY is not for it
            "slots": self.slots,
            "client_pool": None,
            "backend_url": backend_url,
            "backend_timeout_s": None,
            "versions": {},
        }
        return {"asked": self.asked.plan(), "info": info, "upstream_bytes": self.upstream_bytes}


def read(path: Path) -> OwnFile:
    """The file, checked; UsageError with a line for each mistake."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    found = [*_types(given), *(_contents(given, path.parent) if not list(_types(given)) else ())]
    request: Asked | None = None
    if not found:
        try:
            request = _request(given)
        except BadRequest as error:
            found.append(str(error))
    if found or request is None:
        raise UsageError("\n".join(f"{path}: {mistake}" for mistake in found))
    folder = (path.parent / given.get("directory", ".")).resolve()
    return OwnFile(
        name=given.get("name", "own"),
        asked=request,
        file=path,
        folder=folder,
        command=tuple(shlex.split(given.get("command", ""))),
        image=given.get("image", ""),
        port=given.get("port", 8080),
        environment=tuple(given.get("environment", {}).items()),
        passed=tuple(given.get("pass", ())),
        slots=given.get("slots"),
        upstream_bytes=given.get("upstream_bytes", 0),
        model=given.get("model", "not said"),
    )


def _request(given: Mapping[str, Any]) -> Asked:
    return asked(
        given["path"],
        given.get("method", ""),
        given.get("headers", ()),
        given.get("body", ""),
        given.get("status"),
        given.get("expect", ""),
    )


def _types(given: Mapping[str, Any]) -> Iterable[str]:
    """The keys that are unknown, missing or of another type."""
    for key, value in given.items():
        if key not in KEYS:
            yield f"unknown key {key!r}{meant(key, KEYS) or '; there are: ' + ', '.join(KEYS)}"
        elif type(value) is not KEYS[key][0]:
            kind, what = KEYS[key]
            names = {str: "a text", int: "a whole number", dict: "a table", list: "a list"}
            yield f"{key} must be {names[kind]}: {what}"
    if "path" not in given:
        yield f'path is missing: {KEYS["path"][1]}, such as "/orders/1"'
    if "command" not in given and not given.get("image"):
        yield "command or image must be there: what starts it"


def _contents(given: Mapping[str, Any], folder: Path) -> Iterable[str]:
    """The values that cannot be."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", given.get("name", "own")):
        yield f"name must be of small letters, digits and single -, not {given['name']!r}"
    texts = [given.get("command", ""), *given.get("environment", {}).values()]
    if not all(isinstance(text, str) for text in texts):
        yield 'environment must have texts: write "1", not 1'
        return
    everything = " ".join(texts)
    if UPSTREAM not in everything:
        yield f"no {UPSTREAM}: give the variable that has the upstream's URL, such as" + (
            ' environment = {UPSTREAM = "{upstream}"}'
        )
    if "command" in given:
        if PORT not in everything and "image" not in given:
            yield f"no {PORT} in command or environment: it must listen where it is told to"
        if not (folder / given.get("directory", ".")).is_dir():
            yield f"directory {given['directory']!r} is not there"
        try:
            if not shlex.split(given["command"]):
                yield "command is empty"
        except ValueError as error:
            yield f"command: {error}"
    elif "port" not in given and PORT not in everything:
        yield f"image without port: set port = 8000, if it listens there, or give it {PORT}"
    if "port" in given and "image" not in given:
        yield f"port is for an image: a command is told where to listen, by {PORT}"
    if (model := given.get("model", MODELS[-1])) not in MODELS:
        yield f"model must be one of {', '.join(MODELS)}, not {model!r}{meant(model, MODELS)}"
    if "image" in given and "directory" in given:
        yield "directory is for a command, not for an image"
    if not all(isinstance(text, str) for key in ("pass", "headers") for text in given.get(key, ())):
        yield "pass and headers must be lists of texts"
    if not 1 <= given.get("port", 1) <= 65535:
        yield "port must be from 1 to 65535"
    if given.get("slots", 1) < 1:
        yield "slots must be 1 or more"
    if not 0 <= given.get("upstream_bytes", 0) <= MAX_UPSTREAM_BYTES:
        yield f"upstream_bytes must be from 0 to {MAX_UPSTREAM_BYTES}"


def _put_in(text: str, port: int, upstream: str) -> str:
    return text.replace(PORT, str(port)).replace(UPSTREAM, upstream)
