"""The image of a `waits.toml` as a container of compose.yaml: hardened, limited, pinned as all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from loadtests.errors import UsageError
from loadtests.own.file import OwnFile
from loadtests.runtime import ServiceFailed
from loadtests.runtime.container import ended, log_tail
from loadtests.runtime.engine import Engine, EngineError, docker

NAME = "own"  # in compose.yaml
READY_S = 60.0

# Runs in the generator's container: the image need not have a Python.
WAIT_LISTENING = """
import socket, sys, time
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()
        sys.exit()
    except socket.gaierror:  # it has ended
        sys.exit(1)
    except OSError:
        time.sleep(0.05)
sys.exit(1)
"""


def check(own: OwnFile) -> None:
    """UsageError unless the image is there, with the shell that reads what it uses."""
    if docker("image", "inspect", own.image)[0]:
        raise UsageError(f"there is no image {own.image}: build it, or docker pull {own.image}")
    sees = ("run", "--rm", "--network", "none", "--entrypoint", "sh", own.image)
    if docker(*sees, "-c", "echo a | grep -q a")[0]:
        raise UsageError(
            f"{own.image} has no sh and grep, which read its CPU and memory from within"
        )


@contextmanager
def written(
    own: OwnFile | None, backend_url: str, environ: Mapping[str, str] = os.environ
) -> Iterator[list[Path]]:
    """A file for Compose beside compose.yaml: the image, and all variables that it sees.

    None where the service is of this project.
    """
    if own is None:
        yield []
        return
    about: dict[str, object] = {
        "image": own.image,
        "environment": {
            name: value.replace("$", "$$")  # which Compose would put something in the place of
            for name, value in own.variables(own.port, backend_url, environ).items()
        },
    }
    if own.command:
        about["command"] = [word.replace("$", "$$") for word in own.words(own.port, backend_url)]
    with TemporaryDirectory() as folder:
        file = Path(folder, "own.json")
        file.write_text(json.dumps({"services": {NAME: about}}), encoding="utf-8")
        yield [file]


def wait_listening(engine: Engine, asking: str, container: str, port: int) -> None:
    """Wait until `container` takes connections from the one that is `asking`.

    ServiceFailed after READY_S, or where it ends before.
    """
    wait = ("python", "-c", WAIT_LISTENING, NAME, str(port))
    try:
        status, _ = docker("exec", asking, *wait, timeout_s=2 * READY_S)
    except EngineError:
        status = 1
    said = f"it did not listen on port {port} within {READY_S:g} s"
    if not engine.state(container).get("Running"):
        said = f"its container {ended(engine, container)} before it listened"
    elif not status:
        return
    raise ServiceFailed(said, log_tail(engine, container))
