"""A load that workers on other machines make: here processes with another clock and address."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from commandline import Command, until
from conftest import SETTINGS, Stage
from test_bench import parts, profile, run
from test_generator import closed
from test_several import workers

from loadtests import runtime as runtimes
from loadtests.bench import gathering
from loadtests.bench.laps import Laps
from loadtests.catalog import ROOT
from loadtests.errors import UsageError
from loadtests.load import clocks
from loadtests.load.clocks import Clock
from loadtests.runtime import LoadProcesses, UnknownRuntime
from loadtests.runtime.local import LocalRuntime
from loadtests.runtime.ports import free_port
from loadtests.runtime.process import fetch

AHEAD_S = 86_400  # of the clock of this machine
ANOTHER_CLOCK = ("unshare", "--time", "--monotonic", str(AHEAD_S), "--fork", "--kill-child")
ADDRESS = "127.0.0.2"  # this machine's, too, on Linux; the services' is 127.0.0.1
SILENT_S = 10.0  # as in loadtests/load/worker.py, which cannot be imported here
GONE_S = 3 * SILENT_S


def has_other_clocks() -> bool:
    done = subprocess.run([*ANOTHER_CLOCK, "true"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def away(stage: Stage, runtime: LocalRuntime) -> LocalRuntime:
    """A runtime whose load two workers of other machines make."""
    load = LoadProcesses(2, free_port())
    made = LocalRuntime("a test asks for it", [], SETTINGS, load_processes=load)
    real = made.generator

    def generator(plan: str) -> Any:
        return real(json.dumps({**json.loads(plan), **load.said()}))

    made.generator = generator  # type: ignore[method-assign]
    return made


@contextmanager
def elsewhere(runtime: LocalRuntime, processes: int = 2) -> Iterator[Command]:
    """`waits load` for a runtime, with a clock of its own where the system has such."""
    master = f"{ADDRESS}:{runtime.load_processes.port}"
    program = (sys.executable, "-m", "loadtests", "load", master, "--processes", str(processes))
    clock = ANOTHER_CLOCK if has_other_clocks() else ()
    with Command(command=(*clock, *program)) as one:
        one.until_it_says("Ctrl-C ends this")
        yield one


def test_clocks() -> None:
    """An answer halfway between question and hearing; the shortest way tells most."""
    slow, quick = clocks.asked(10.0, 110.3, 11.0), clocks.asked(20.0, 120.01, 20.02)
    assert slow == pytest.approx((99.8, 1.0))
    assert clocks.best([slow, quick]) == quick == pytest.approx((100.0, 0.02))
    assert quick.here(quick.there(5.0)) == pytest.approx(5.0)
    assert quick.there(5.0) == pytest.approx(105.0)
    assert Clock().here(7.0) == 7.0


def test_users_of_other_machines(stage: Stage, away: LocalRuntime) -> None:
    """They count in one window whatever their clocks say, and one service after the other."""
    service = stage("good")[0]
    with elsewhere(away) as one:
        for _ in range(2):
            (window,) = closed(away, service, users=(50,), delay_s=0.05, window_s=1.0)
            own = window["generator_processes"]
            assert [process["process"] for process in own] == [0, 1]
            assert sum(process["requests"] for process in own) == window["requests"] > 50
            assert all(process["requests"] and process["round_trip_ms"] > 0 for process in own)
            assert {process["core"] for process in own} == {None}
            assert len({process["host"] for process in own}) == 1
            assert (window["failures"], window["unanswered"]) == (0, 0)
            assert abs(window["backend_calls"] - window["requests"]) <= 50
            assert window["in_flight"] == pytest.approx(50, rel=0.05)
            assert window["duration_s"] == pytest.approx(1.0, abs=0.2)
            said = " ".join(window["problems"])
            assert all(int(ms) < 500 for ms in re.findall(r"were (\d+) ms apart", said)), said
        one.interrupt()
        assert one.end(30)[0] == 130
        assert until(lambda: one.processes() == [])


def test_arrivals_of_other_machines(stage: Stage, away: LocalRuntime) -> None:
    """Samples of both clocks, of the requests in flight, are one series."""
    with elsewhere(away):
        (window,) = closed(
            away, stage("good")[0], kind="open", rates=(200,), delay_s=0.02, window_s=2.0
        )
    assert window["due"] == pytest.approx(400, rel=0.25)
    assert window["growth_rps"] is not None
    assert abs(window["growth_rps"]) < 100
    assert (window["failures"], window["dropped"], window["undrained"]) == (0, 0, 0)


def test_they_ask_where_the_bench_is(stage: Stage, away: LocalRuntime) -> None:
    """The services' 127.0.0.1 is another machine to them."""
    seen: set[str] = set()
    real = Laps.lap

    def lap(self: Laps, name: str) -> None:
        if name == "warming_up_s":
            for pid in workers(one.process.pid):
                with suppress(psutil.Error):  # it has just ended
                    found = psutil.Process(pid).net_connections("tcp")
                    seen.update(each.raddr.ip for each in found if each.raddr)
        real(self, name)

    with elsewhere(away) as one, pytest.MonkeyPatch.context() as context:
        context.setattr(Laps, "lap", lap)
        folder = Path(one.mark) / "results"  # a window that is long enough to look into
        status, result = run(away, stage("good"), folder, users=(4,), window_s=3.0)
    assert status == 0
    assert seen == {ADDRESS}
    (point,) = result.points
    assert [process["process"] for process in point.generator_processes] == [0, 1]


def test_a_worker_that_is_lost(stage: Stage, away: LocalRuntime, tmp_path: Path) -> None:
    """Its point is invalid and says whose it was; the next one has another worker."""
    real, killed = Laps.lap, []

    def lap(self: Laps, name: str) -> None:
        if name == "warming_up_s" and not killed:  # a window has opened
            killed.append(workers(one.process.pid)[0])
            os.kill(killed[0], signal.SIGKILL)
        real(self, name)

    with elsewhere(away) as one, pytest.MonkeyPatch.context() as context:
        context.setattr(Laps, "lap", lap)
        service, folder = stage("good"), tmp_path / "results"
        status, result = run(away, service, folder, users=(4, 8), window_s=6.0)
    first, second = result.points
    assert status == 1
    assert not first.valid
    (reason,) = first.invalid_because
    assert "is not heard any more" in reason
    assert second.requests > 8
    assert not any("heard" in reason for reason in second.invalid_because)


def test_a_master_that_is_killed(stage: Stage, away: LocalRuntime) -> None:
    """Its load ends by itself, and the workers wait for the next bench."""
    with elsewhere(away) as one, away, away.service(stage("good")[0]) as running:
        assert away.backend
        plan = {
            "host": running.url,
            "backend": away.backend_url,
            "cpus": [],
            "profile": profile(users=(4,), window_s=60.0).flat(),
            "steps": [{"scenario": "x", "users": 4, "rate_rps": None, "delay_s": None}],
            "seed": "1 1",
        }
        generator = away.generator(json.dumps(plan))
        assert generator.stdout is not None
        for line in generator.stdout:
            if json.loads(line)["event"] == "open":
                break
        at_work = workers(one.process.pid)
        assert len(at_work) == 2
        generator.kill()
        generator.communicate()
        gives_up = time.monotonic() + GONE_S
        while {*at_work} & {*workers(one.process.pid)} and time.monotonic() < gives_up:
            time.sleep(0.1)
        assert not {*at_work} & {*workers(one.process.pid)}
        calls = [json.loads(fetch(f"{away.backend_url}/stats")[1])["calls"] for _ in (1, 2)]
        assert calls[0] == calls[1]


def test_another_version_is_refused(stage: Stage, away: LocalRuntime, tmp_path: Path) -> None:
    """It says so where it was started, and the bench waits for another."""
    other = tmp_path / "other"
    for name in ("loadtests", "services"):
        shutil.copytree(ROOT / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "loadtests" / "errors.py").open("a").write("# another version\n")
    master = f"{ADDRESS}:{away.load_processes.port}"
    with Command("load", master, cwd=other) as one:
        one.until_it_says("Ctrl-C ends this")
        (part,) = parts(away, stage("good"), profile(users=(4,)))
        with pytest.raises(UsageError, match="0 of 2 workers came within 12 s: start them"):
            gathering.gather(part, patience_s=12.0)
        status, _, complaints = one.end()
    assert status == 1
    assert "is of another version of this project: bring both to the same commit" in complaints


def test_who_comes_is_told(stage: Stage, away: LocalRuntime) -> None:
    (part,) = parts(away, stage("good"), profile(users=(4,)))
    with elsewhere(away):
        found = gathering.gather(part)
    assert len(found) == 2
    assert gathering.told(found).startswith("load: 2 workers on ")
    assert gathering.told(found).count(" ms away and back)") == 2


def test_a_port_that_is_taken(stage: Stage, away: LocalRuntime) -> None:
    (part,) = parts(away, stage("good"), profile(users=(4,)))
    listens = f"import socket, time; s = socket.create_server(('', {away.load_processes.port}))"
    with Command(
        command=(sys.executable, "-c", f"{listens}; print('up', flush=True); time.sleep(60)")
    ) as one:
        one.until_it_says("up")
        with pytest.raises(UsageError, match=r"port \d+ is taken here: .* LOAD_PORT"):
            gathering.gather(part, patience_s=1.0)
        one.interrupt()
        one.end()


def test_only_what_they_reach() -> None:
    load = LoadProcesses(1, 5557)
    with pytest.raises(UnknownRuntime, match="LOAD_WORKERS reach local processes, or"):
        runtimes.choose("compose", [], {}, load_processes=load)
    found = runtimes.choose("auto", [], {}, load_processes=load)
    assert (found.name, found.because) == (
        "local",
        "LOAD_WORKERS reach no containers of this machine",
    )
    assert load.here == 1
    assert LoadProcesses(3).here == 3


def test_the_whole_command(tmp_path: Path) -> None:
    """As the documentation has it, with a real service."""
    results, port = tmp_path / "results", str(free_port())
    bench = ("bench", "--profile", "smoke", "--services", "tornado", "--results", str(results))
    with Command("load", f"{ADDRESS}:{port}") as one:
        one.until_it_says("Ctrl-C ends this")
        with Command(*bench, "--load-workers", "1", "--load-port", port) as two:
            two.until_it_says("load: 1 worker on ")
            _, said, complaints = two.end(120)
        assert complaints == ""
        assert "report: " in said
        one.interrupt()
        assert one.end(30)[0] == 130
        assert until(lambda: one.processes() == [])
    (file,) = results.glob("*/run.json")
    document = json.loads(file.read_text())
    assert document["runtime"] == "local"
    assert document["workloads"]["smoke"]["load_processes"] == 1
    for point in document["points"]:
        (process,) = point["generator_processes"]
        assert process["host"]
        assert process["round_trip_ms"] > 0
