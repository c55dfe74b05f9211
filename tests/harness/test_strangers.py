"""The CPU that other processes and the host took of the cores that are measured."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtests.runtime import strangers
from loadtests.runtime.strangers import Look, Process

BENCH, SERVICE, WORKER, ORPHAN, OTHER, SHELL = 10, 20, 21, 22, 30, 40
SHIM, INSIDE, EXECUTED = 60, 61, 62
NAMES = ("strangers_service", "strangers_load", "steal_service", "steal_load")
BURN = """
import time
while time.process_time() < 0.3:
    pass
print(flush=True)
input()
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")


def look(
    at_s: float, *, steal_s: tuple[float, float] = (0.0, 0.0), **other: dict[int, Any]
) -> Look:
    """A look at the bench, a service with a worker and an orphan, and two other processes.

    And at a container, with its first process and one that the engine started in it later.
    """
    parents = {BENCH: 1, SERVICE: BENCH, WORKER: SERVICE, ORPHAN: 1, OTHER: 1, SHELL: 1}
    parents |= {SHIM: 1, INSIDE: SHIM, EXECUTED: SHIM}
    sessions = {BENCH: 2, SERVICE: SERVICE, WORKER: SERVICE, ORPHAN: SERVICE}
    cpu_s, children_s = other.get("cpu_s", {}), other.get("children_s", {})
    processes = {
        pid: Process(cpu_s.get(pid, 5.0), children_s.get(pid, 0.0), parent, sessions.get(pid, 2), 7)
        for pid, parent in (parents | other.get("more", {})).items()
    }
    return Look(at_s, processes, dict(enumerate(steal_s)), {BENCH, SHIM})


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch) -> None:
    """All run on core 0 but for `OTHER`, which has a thread on each of two."""
    monkeypatch.setattr(strangers, "_places", lambda pid: [0, 1] if pid == OTHER else [0])


def shares(first: Look | None, last: Look | None, load: tuple[int, ...] = (1,)) -> list[Any]:
    found = strangers.shares(first, last, (0,) if load else (), load)
    return [found[name] for name in NAMES]


def test_only_processes_outside_the_run_are_strangers() -> None:
    first = look(100.0)
    for own in (BENCH, SERVICE, WORKER, ORPHAN, SHIM, INSIDE, EXECUTED):
        assert shares(first, look(102.0, cpu_s={own: 6.0})) == [0, 0, 0, 0]
    assert shares(first, look(102.0, cpu_s={SHELL: 6.0})) == [0.5, 0, 0, 0]


def test_it_counts_on_the_cores_where_its_threads_are() -> None:
    first, last = look(100.0), look(102.0, cpu_s={OTHER: 6.0})
    assert shares(first, last) == [0.25, 0.25, 0, 0]
    assert shares(look(100.0), look(102.0, cpu_s={SHELL: 6.0}), ()) == [0.25, 0.25, 0, 0]


def test_a_core_has_no_more_than_itself() -> None:
    assert shares(look(100.0), look(102.0, cpu_s={SHELL: 9.0})) == [1, 0, 0, 0]


def test_processes_that_come_and_go() -> None:
    """A new process counts in full; one that ended, by its parent, since the first look."""
    before = look(100.0, more={50: SHELL}, cpu_s={50: 30.0})
    after = look(102.0, children_s={SHELL: 31.0})
    assert shares(before, after) == [0.5, 0, 0, 0]
    assert shares(look(100.0), look(102.0, more={50: SHELL}, cpu_s={50: 1.0})) == [0.5, 0, 0, 0]


def test_processes_that_end_after_their_parents() -> None:
    """All that they used is with the one that buries them, also from before: not of this time."""
    before = look(100.0, more={50: SHELL, 51: 50}, cpu_s={50: 2.0, 51: 30.0})
    after = look(102.0, children_s={SHELL: 33.0})
    assert shares(before, after) == [0.5, 0, 0, 0]


def test_cpu_that_the_host_took() -> None:
    assert shares(look(100.0), look(102.0, steal_s=(0.5, 0.1))) == [0, 0, 0.25, 0.05]


def test_where_nothing_can_be_seen() -> None:
    assert shares(None, None) == [None] * 4
    assert shares(look(100.0), None) == [None] * 4


def test_a_process_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU time of a running process is counted, a stranger's as well as a child's."""
    monkeypatch.undo()
    first = strangers.look([os.getpid()])
    burning = subprocess.Popen([sys.executable, "-c", BURN], stdin=-1, stdout=-1)
    with burning:
        assert burning.stdout is not None
        burning.stdout.readline()
        last = strangers.look([os.getpid()])
        assert first and last
        assert last.processes[burning.pid].cpu_s >= 0.3
        assert last.is_own(burning.pid)
        assert not replace(last, tops={burning.pid}).is_own(os.getpid())
        (only,) = {strangers._used_s(first, last)[burning.pid]}
        assert only == last.processes[burning.pid].cpu_s
        assert set(strangers._places(burning.pid)) <= last.steal_s.keys()
        burning.communicate(b"\n")
    again = strangers.look([os.getpid()])
    assert again and burning.pid not in again.processes


def test_a_container_is_known_by_what_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under another kernel the number of its first process is that of any process here."""
    monkeypatch.setattr(strangers, "PROC", tmp_path)
    for pid, parent, command in ((SHIM, 1, "a-shim -id 5dc071"), (INSIDE, SHIM, "python")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (x) S {parent} 0 0")
        (tmp_path / str(pid) / "cmdline").write_text(command.replace(" ", "\0"))
    assert strangers.container_top(INSIDE, "5dc071") == SHIM
    assert strangers.container_top(INSIDE, "5dc072") is None
    assert strangers.container_top(SHIM, "5dc071") is None  # there is no process 1 to be seen
    assert strangers.container_top(99, "5dc071") is None


def test_a_name_may_hold_anything(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_bytes(b"7 (a ) b) S 1 7 3 " + b"0 " * 40)
    assert strangers._stat(stat)[:4] == [b"S", b"1", b"7", b"3"]


def test_a_look_has_this_process_at_an_instant() -> None:
    before = time.process_time()
    seen = strangers.look([os.getpid()])
    assert seen
    assert before <= seen.processes[os.getpid()].cpu_s <= time.process_time()
    assert seen.processes[os.getpid()].parent == os.getppid()
