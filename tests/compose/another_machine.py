"""A second Docker Engine in a network of its own, as another machine has it, beside the first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import pytest

from loadtests.runtime.engine import Engine, docker

# A network for such tests (RFC 2544); which of its pairs is up to the process.
PAIR = os.getpid() % 16_000 * 4
HERE, THERE = (f"198.18.{(PAIR + n) >> 8}.{(PAIR + n) & 255}" for n in (1, 2))
HOST = f"tcp://{THERE}:2375"
UP_S = 60

# Passes on what comes, 0.5 ms later each way: this kernel has no delay of its own for a link. It
# spins, as a sleep so short takes what the system likes.
RELAY = """
import socket, sys, threading, time
def pass_on(one, other):
    try:
        while data := one.recv(65536):
            due = time.perf_counter() + 0.0005
            while time.perf_counter() < due:
                time.sleep(0)
            other.sendall(data)
    except OSError:
        pass
    for each in (one, other):
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
def serve(port):
    with socket.create_server(("127.0.0.1", port), backlog=512) as listener:
        while True:
            one, _ = listener.accept()
            other = socket.create_connection((sys.argv[1], port))
            for pair in ((one, other), (other, one)):
                for each in pair:
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=pass_on, args=pair, daemon=True).start()
for port in sys.argv[2:]:
    threading.Thread(target=serve, args=(int(port),)).start()
"""


class AnotherMachine:
    """Its Engine answers at HOST, over a link that can be cut, and at a socket that cannot."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="another-machine-"))
        self.name = f"another-{os.getpid()}"
        self._link, self._other = f"wa{os.getpid()}", f"wb{os.getpid()}"
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> AnotherMachine:
        try:
            self._connect()
            self._start(Engine().about["Driver"])
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.engine = Engine(f"unix://{self.folder}/socket")
        return self

    def _connect(self) -> None:
        for words in (
            f"netns add {self.name}",
            f"link add {self._link} type veth peer name {self._other} netns {self.name}",
            f"addr add {HERE}/30 dev {self._link}",
            f"link set {self._link} up",
            f"-n {self.name} addr add {THERE}/30 dev {self._other}",
            f"-n {self.name} link set lo up",
            f"-n {self.name} link set {self._other} up",
        ):
            status, said = _run("ip", *words.split())
            if status:
                pytest.skip(f"no network namespace of one's own is to be had here: {said}")

    def _start(self, driver: str) -> None:
        command = [
            *("nsenter", f"--net=/run/netns/{self.name}", "dockerd", "--bridge=none"),
            *("--iptables=false", "--ip6tables=false", f"--storage-driver={driver}"),
            *(f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec"),
            *(f"--pidfile={self.folder}/pid", f"--host={HOST}"),
            f"--host=unix://{self.folder}/socket",
        ]
        with (self.folder / "log").open("wb") as log:
            self._daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + UP_S
        while docker("--host", HOST, "version")[0]:
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                log_text = (self.folder / "log").read_text(errors="replace")
                pytest.skip(f"a second dockerd does not start here: {log_text[-500:]}")
            time.sleep(0.2)

    def bring(self, *images: str) -> None:
        """Copy images from the first Engine: this one reaches no registry."""
        script = 'docker save "$@" | docker --host "$0" load'
        status, said = _run("bash", "-o", "pipefail", "-c", script, HOST, *images)
        assert status == 0, said

    def cut(self) -> None:
        """Cut the link to it."""
        assert _run("ip", "-n", self.name, "link", "set", self._other, "down")[0] == 0

    def mend(self) -> None:
        """Undo that."""
        assert _run("ip", "-n", self.name, "link", "set", self._other, "up")[0] == 0

    def containers(self, running: bool) -> list[str]:
        """The names of its containers, of those that are `running` or of all."""
        found = self.engine.ask("GET", "/containers/json", {} if running else {"all": "1"})
        return [str(one["Names"][0]) for one in found]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._daemon:
            self._daemon.terminate()
            try:
                self._daemon.wait(30)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        _run("umount", f"{self.folder}/exec/netns/default")  # which would keep the namespace
        _run("ip", "link", "del", self._link)  # and its other end
        _run("ip", "netns", "del", self.name)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def relayed(*ports: int) -> Iterator[None]:
    """Ports of 127.0.0.1 that are those of the other machine, 1 ms away."""
    relay = subprocess.Popen([sys.executable, "-c", RELAY, THERE, *map(str, ports)])
    try:
        yield
    finally:
        relay.kill()
        relay.wait()


def why_not() -> str:
    """Why there can be none here; empty where it can be tried."""
    missing = [name for name in ("ip", "nsenter", "dockerd") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} is not installed"
    return "" if os.geteuid() == 0 else "a network namespace and a dockerd need root"


def _run(*command: str) -> tuple[int, str]:
    done = subprocess.run(command, encoding="utf-8", capture_output=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()
