"""Starting, a taken port, signals, and thousands of held calls."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import psutil
import pytest

from loadtests.runtime.ports import free_port
from tests.backend.running import HELD_UP_S, Backend, command, environment, get

Start = Callable[..., AbstractContextManager[Backend]]


def test_sigterm_answers_held_calls_and_exits_with_0(start: Start) -> None:
    with start() as backend, backend.client() as idle, backend.client() as held:
        idle.send(get("/health"))
        assert idle.answer().status == 200
        held.send(get("/delay/0.5", "X-Request-ID: a") + get("/delay/0.6", "X-Request-ID: b"))
        with backend.client() as strict:
            strict.send(get("/delay/0.4?x"))
            backend.until(lambda stats: stats["in_flight"] == 3)
            backend.process.send_signal(signal.SIGTERM)
            assert idle.hung_up()
            with pytest.raises(ConnectionRefusedError):
                backend.client()
            assert strict.answer().status == 200
            assert strict.hung_up()
        assert [held.answer().json()["id"] for _ in range(2)] == ["a", "b"]
        assert held.hung_up()
        assert backend.process.wait(HELD_UP_S) == 0


def test_sigterm_under_load_loses_no_call(start: Start) -> None:
    with start() as backend, ExitStack() as stack:
        clients = [stack.enter_context(backend.client()) for _ in range(300)]
        for client in clients:
            client.send(get("/health"))
            assert client.answer().status == 200
        for client in clients:
            client.send(get("/delay/0.3"))
        backend.process.send_signal(signal.SIGTERM)
        assert all(client.answer().status == 200 for client in clients)
        assert backend.process.wait(HELD_UP_S) == 0


def test_the_grace_of_sigterm_ends(start: Start) -> None:
    with start("app.DRAIN_S = 0.2") as backend, backend.client() as client:
        client.send(get("/delay/60"))
        backend.until(lambda stats: stats["in_flight"] == 1)
        backend.process.send_signal(signal.SIGTERM)
        assert client.hung_up()
        assert backend.process.wait(HELD_UP_S) == 0


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_urgent_signals_do_not_wait(start: Start, signals: list[signal.Signals]) -> None:
    with start() as backend, backend.client() as client:
        client.send(get("/delay/60"))
        backend.until(lambda stats: stats["in_flight"] == 1)
        for number in signals:
            backend.process.send_signal(number)
            time.sleep(0.05)  # two equal signals at once are one
        assert client.hung_up()
        assert backend.process.wait(HELD_UP_S) == 0


def serve(port: int, prefix: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'{prefix} exec "$@"', "sh", *command()],
        env=environment(port) | settings,
        capture_output=True,
        text=True,
        timeout=HELD_UP_S,
    )


def test_a_taken_port_is_one_clear_line(backend: Backend) -> None:
    run = serve(backend.port)
    where = f"HOST 127.0.0.1, PORT {backend.port}"
    assert run.stderr == f"cannot listen on {where}: Address already in use\n"
    assert run.returncode == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"PORT": "0"}, "PORT"), ({"PORT": "65536"}, "PORT"), ({"HOST": "no host"}, "HOST")],
)
def test_a_bad_setting_is_one_clear_line(settings: dict[str, str], named: str) -> None:
    run = serve(free_port(), **settings)
    assert run.returncode == 1
    assert named in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "settings",
    [{"HOST": "::1"}, {"PYTHONSAFEPATH": "1"}, {"WORKERS": "2"}],
    ids=["IPv6", "safe path", "workers"],
)
def test_settings_that_it_runs_with(settings: dict[str, str]) -> None:
    """WORKERS is for the services: the backend is one process, so that its counters add up."""
    port = free_port()
    with subprocess.Popen(command(), env=environment(port) | settings) as process:
        try:
            until_it_listens(settings.get("HOST", "127.0.0.1"), port)
            assert psutil.Process(process.pid).children() == []
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(HELD_UP_S) == 0


def until_it_listens(host: str, port: int) -> None:
    deadline = time.monotonic() + HELD_UP_S
    while True:
        try:
            with socket.create_connection((host, port), timeout=HELD_UP_S) as client:
                client.sendall(get("/health"))
                assert client.recv(1)  # it takes signals, too: not yet when it has begun to listen
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_too_few_descriptors_are_mentioned(backend: Backend) -> None:
    run = serve(backend.port, "ulimit -n 1000;")
    assert "only 1000 open files allowed" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("setup", ["", "import alarm; alarm._timerfd = alarm._loop_timer"])
def test_many_delays_at_once_are_never_short_and_hardly_late(start: Start, setup: str) -> None:
    """Delays by the timerfd, and by the loop's own timer, used where there is none."""
    with start(setup) as backend, ExitStack() as stack:
        sent = []
        for i in range(100):
            client = stack.enter_context(backend.client())
            delay = f"{0.1 + i * 37 % 100 / 500:.4f}"
            sent.append((time.monotonic(), float(delay), client))
            client.send(get(f"/delay/{delay}"))
        for begun, delay_s, client in sorted(sent, key=lambda s: s[0] + s[1]):
            assert client.answer().status == 200
            assert time.monotonic() - begun >= delay_s
        sent = []
        for _ in range(30):  # due one by one, in one queue
            client = stack.enter_context(backend.client())
            sent.append((time.monotonic(), 0.2, client))
            client.send(get("/delay/0.2"))
            time.sleep(0.001)
        for begun, delay_s, client in sent:
            assert client.answer().status == 200
            assert time.monotonic() - begun >= delay_s
        stats = backend.stats()
        assert stats["answered"] == 130
        assert 0 <= stats["late_ms_mean"] < 500
        assert 0.199 < stats["served_s_mean"] < 0.7


def test_8000_held_calls(start: Start) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 8300:
        pytest.skip(f"8000 connections need more open files than the {hard} allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with start() as backend, ExitStack() as stack:
            clients = [stack.enter_context(backend.client()) for _ in range(8000)]
            for client in clients:
                client.send(get("/delay/3"))
            backend.until(lambda stats: stats["calls"] == 8000)
            assert all(client.answer().status == 200 for client in clients)
            stats = backend.stats()
            assert stats["answered"] == 8000
            assert stats["in_flight"] == 0
            assert stats["peak_in_flight"] > 4000
            assert stats["late_ms_mean"] < 3000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
