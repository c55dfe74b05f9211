"""Services as local processes: start, wait until ready, stop, leave nothing behind."""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from loadtests.catalog import SERVICES
from loadtests.runtime import ServiceFailed, UnknownRuntime, environments

READY_S = 20.0
LOG_TAIL_BYTES = 4000
LEASH = Path(__file__).with_name("leash.py")


@dataclass(frozen=True)
class Program:
    """A command of the reader's own in the place of a `serve`, with all of its variables."""

    words: Sequence[str]
    variables: dict[str, str]
    folder: Path


class ServiceProcess:
    """A service, or the backend, started with its own `serve` as a process group.

    `settings` are the variables of CONTRACT.md, `PORT` among them; `cpus` the cores it may use,
    all by default; `root` the `services` folder of another checkout; `python` another interpreter.
    Where there is a `program` that is started instead.
    """

    def __init__(
        self,
        name: str,
        settings: dict[str, str],
        cpus: set[int] | None = None,
        root: Path | None = None,
        program: Program | None = None,
        python: Path | None = None,
    ) -> None:
        self.name, host = name, settings.get("HOST", "127.0.0.1").replace("0.0.0.0", "127.0.0.1")
        self.certificate = settings.get("TLS_CERTIFICATE", "")
        scheme = "https" if self.certificate else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings['PORT']}"
        if program is None:
            folders = (root or SERVICES) / "folders.py"
            command = leashed(python or environments.python(name, root), folders, "run", name)
        else:
            command = on_leash(program.words)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        with affinity(cpus):
            try:
                self._process = subprocess.Popen(
                    command,
                    env=program.variables if program else {**os.environ, **settings},
                    cwd=program.folder if program else None,
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                self._log.close()
                raise ServiceFailed(f"{name} cannot be run: {error}") from error

    @property
    def pid(self) -> int:
        """The process that `serve` became."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.poll()

    def log_tail(self, size_bytes: int = LOG_TAIL_BYTES) -> str:
        """The end of what it wrote to stdout and stderr."""
        start = max(0, self._log_size() - size_bytes)
        return self.log_since(start)[:size_bytes].decode(errors="replace").strip()

    def log_since(self, offset_bytes: int) -> bytes:
        """All that it has written to them beyond the first `offset_bytes`."""
        # Not by seek(): the service writes at the offset that it shares with this file.
        new_bytes = max(0, self._log_size() - offset_bytes)
        return os.pread(self._log.fileno(), new_bytes, offset_bytes)

    def _log_size(self) -> int:
        return os.fstat(self._log.fileno()).st_size

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Poll `/health` until it says 200; ServiceFailed after `timeout_s` or if it exits."""

        def is_healthy() -> bool:
            with contextlib.suppress(OSError, http.client.HTTPException):
                url = f"{self.url}/health"
                return fetch(url, timeout_s=1, certificate=self.certificate)[0] == 200
            return False

        self._wait(is_healthy, timeout_s)

    def wait_listening(self, timeout_s: float = READY_S) -> None:
        """Wait until it takes connections; ServiceFailed as above."""
        address = urlsplit(self.url)

        def listens() -> bool:
            with contextlib.suppress(OSError):
                socket.create_connection((address.hostname, address.port), 1).close()
                return True
            return False

        self._wait(listens, timeout_s)

    def _wait(self, is_ready: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.returncode is not None:
                message = f"{self.name} exited with {self.returncode} before it was ready"
                raise ServiceFailed(message, self.log_tail())
            if is_ready():
                return
            time.sleep(0.02)
        raise ServiceFailed(f"{self.name} was not ready within {timeout_s:g} s", self.log_tail())

    def stop(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL to what is left of the group after `grace_s`."""
        try:
            if self.returncode is None:
                self._process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(grace_s)
        finally:  # a second Ctrl-C does not leave it running either
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
            self._log.close()

    def __enter__(self) -> ServiceProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop(grace_s=2)


def leashed(python: str | Path, *arguments: str | Path) -> list[str]:
    """The command that runs `python`, and ends with this process, which may be killed."""
    return on_leash([str(python), *map(str, arguments)], str(python))


def on_leash(command: Sequence[str], python: str = sys.executable) -> list[str]:
    """The same for any command; a `python` starts it."""
    return [python, "-I", "-S", str(LEASH), str(os.getpid()), *command]


def fetch(
    url: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    timeout_s: float = 5,
    body: str | None = None,
    certificate: str = "",
) -> tuple[int, bytes]:
    """One request on a connection of its own: status and body; OSError or HTTPException.

    `certificate` is the file of the one that the server of an https URL has.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=certificate)
        connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    try:
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def raise_descriptor_limit(needed: int) -> None:
    """Let this process and its children open `needed` descriptors; UnknownRuntime if it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        told = f"{needed} open files are needed, the limit is {hard}: raise `ulimit -Hn`"
        raise UnknownRuntime(told)
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextmanager
def affinity(cpus: set[int] | None) -> Iterator[None]:
    """Let children started inside inherit `cpus`; no effect where the system has no such call."""
    if cpus is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
