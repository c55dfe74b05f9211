"""Ports for servers that are started in a moment."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections import deque

import pytest

from loadtests.catalog import ROOT
from loadtests.runtime import ports
from loadtests.runtime.ports import free_port, is_free


def test_free_or_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])
    assert is_free(free_port())


def test_a_port_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server has not bound it yet, and nobody is given it a second time."""
    port = free_port()
    only = range(port, port + 1)
    script = f"from loadtests.runtime import ports; ports._PORTS = {only}; ports.free_port()"
    other = (sys.executable, "-c", script)
    done = subprocess.run(other, cwd=ROOT, timeout=60, capture_output=True, text=True, check=False)
    told = f"no port from {port} to {port} is free"
    assert done.returncode == 1 and told in done.stderr
    monkeypatch.setattr(ports, "_PORTS", only)
    with pytest.raises(OSError, match=told):
        free_port()
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_port_that_is_listened_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(ports, "_PORTS", range(port, port + 1))
        with pytest.raises(OSError, match="is free"):
            free_port()


def test_claims_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_CLAIMS", 3)
    monkeypatch.setattr(ports, "_claims", deque())
    given = [free_port() for _ in range(5)]
    assert len(ports._claims) == 3
    monkeypatch.setattr(ports, "_PORTS", given)
    assert free_port() in given[:2]
