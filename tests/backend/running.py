"""A backend started as a process on a free port, and raw sockets to talk to it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.runtime.ports import free_port
from services import folders

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / "services"
FOLDER = SERVICES / "backend"
PYTHON = Path(os.environ.get("BACKEND_PYTHON", ROOT / ".venvs" / "backend" / "bin" / "python"))
HELD_UP_S = 20.0  # how long something else may hold up the machine, and no test fails


@dataclass(frozen=True)
class Answer:
    """One HTTP answer as it came."""

    status: int
    fields: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=HELD_UP_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def send(self, data: bytes) -> None:
        """Send it all."""
        self.socket.sendall(data)

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(self.received)
        self.received += data

    def answer(self, method: str = "GET") -> Answer:
        """The next answer; EOFError where the backend hung up instead."""
        while b"\r\n\r\n" not in self.received:
            self._more()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = 0 if method == "HEAD" else int(fields["content-length"])
        while len(self.received) < length:
            self._more()
        body, self.received = self.received[:length], self.received[length:]
        found = re.fullmatch(r"HTTP/1\.1 (\d{3}) .+", first)
        assert found, first
        return Answer(int(found[1]), fields, body)

    def hung_up(self) -> bool:
        """True if nothing but the end of the connection comes next."""
        return self.received == b"" and self.socket.recv(1) == b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()


class Backend:
    """A running backend."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    def client(self) -> Client:
        """A new connection."""
        return Client(self.port)

    def ask(self, request: bytes, method: str = "GET") -> Answer:
        """The answer to one request on a connection of its own."""
        with self.client() as client:
            client.send(request)
            return client.answer(method)

    def get(self, path: str) -> Answer:
        """The answer to a plain GET."""
        return self.ask(get(path))

    def stats(self) -> dict[str, float]:
        """The counters."""
        stats: dict[str, float] = self.get("/stats").json()
        return stats

    def until(self, met: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        """The counters as soon as they are as wanted."""
        deadline = time.monotonic() + HELD_UP_S
        while not met(stats := self.stats()):
            assert time.monotonic() < deadline, stats
            time.sleep(0.01)
        return stats

    def rss_bytes(self) -> int:
        """Resident memory of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def get(path: str, *fields: str, method: str = "GET") -> bytes:
    """A request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def environment(port: int) -> dict[str, str]:
    """The variables that a backend is started with."""
    return folders.environment(folders.BACKEND) | {"HOST": "127.0.0.1", "PORT": str(port)}


def command(setup: str = "") -> list[str]:
    """Start a backend, after Python statements that change its constants where there are any."""
    if setup:
        return [str(PYTHON), "-c", f"import app\n{setup}\napp.main()"]
    return [str(PYTHON), str(SERVICES / "folders.py"), "run", folders.BACKEND]


@contextmanager
def running(log: Path, setup: str = "") -> Iterator[Backend]:
    """A backend that runs until the block ends, started by `command`."""
    port = free_port()
    with log.open("wb") as stderr:
        process = subprocess.Popen(command(setup), env=environment(port), stderr=stderr)
    try:
        backend = Backend(process, port, log)
        deadline = time.monotonic() + HELD_UP_S
        while True:
            try:
                assert backend.get("/health").status == 200
                break
            except ConnectionRefusedError:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text(
                    encoding="utf-8"
                )
                time.sleep(0.02)
        yield backend
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(HELD_UP_S)
        assert log.read_text(encoding="utf-8") == ""
    finally:
        process.kill()
        process.wait()
