"""The memory of a process tree, read from outside and from a shell beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from loadtests.bench.holdings import used
from loadtests.runtime import Usage, footprint
from loadtests.runtime.footprint import Footprint
from loadtests.workloads import KINDS

# 20 threads that wait, 30 descriptors and 40 MiB more than a bare interpreter; then they are
# woken 1000 times.
HOLDER = """
import os, sys, threading
go, pages = threading.Semaphore(0), bytearray(os.urandom(40 << 20))
done = threading.Semaphore(0)
def work():
    while True:
        go.acquire()
        done.release()
for _ in range(20):
    threading.Thread(target=work, daemon=True).start()
files = [open(os.devnull) for _ in range(30)]
print(flush=True)
sys.stdin.readline()
for _ in range(1000):
    go.release()
    done.acquire()
print(flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
        process.kill()


def test_threads_descriptors_and_pages(holder: subprocess.Popen[str]) -> None:
    found = footprint.of([psutil.Process(holder.pid)], switches=False)
    assert found.threads == 21
    assert found.descriptors is not None
    assert 33 <= found.descriptors < 40
    assert found.voluntary_switches is found.involuntary_switches is None
    if sys.platform == "linux":
        assert found.pss_bytes is not None
        assert 40 << 20 < found.pss_bytes < 80 << 20


def test_a_tree_is_the_sum_of_its_processes(holder: subprocess.Popen[str]) -> None:
    own, other = psutil.Process(), psutil.Process(holder.pid)
    threads = [footprint.of(tree, switches=False).threads for tree in ([own], [own, other])]
    assert threads[1] == (threads[0] or 0) + 21


def test_switches_are_those_of_all_threads(holder: subprocess.Popen[str]) -> None:
    """The /proc file of a process has the switches of its first thread only."""
    process = psutil.Process(holder.pid)
    before = footprint.of([process], switches=True)
    assert holder.stdin is not None
    assert holder.stdout is not None
    print(file=holder.stdin, flush=True)
    assert holder.stdout.readline()
    after = footprint.of([process], switches=True)
    if sys.platform != "linux":
        pytest.skip("no file for each thread")
    assert before.voluntary_switches is not None
    assert after.voluntary_switches is not None
    first = process.num_ctx_switches().voluntary
    assert after.voluntary_switches - before.voluntary_switches > 500
    assert after.voluntary_switches > first


def test_a_process_that_has_ended(holder: subprocess.Popen[str]) -> None:
    process = psutil.Process(holder.pid)
    holder.kill()
    holder.wait()
    assert footprint.of([process], switches=True) == Footprint()


@pytest.mark.skipif(sys.platform != "linux", reason="it is for a container")
def test_a_shell_reads_the_same(holder: subprocess.Popen[str]) -> None:
    """The shell, which is for containers, reads the same numbers of one process."""
    script = footprint.SHELL.replace("/proc/[0-9]*;", f"/proc/{holder.pid} /proc/$$;")
    for wanted in ("footprint", "switches"):
        shell = subprocess.run(
            ["sh", "-c", f"wanted={wanted}\n{script}"], text=True, capture_output=True, check=True
        )
        there = footprint.of([psutil.Process(holder.pid)], switches=wanted == "switches")
        here = footprint.read(shell.stdout.splitlines())
        assert (here.threads, here.descriptors) == (there.threads, there.descriptors)
        assert (here.voluntary_switches is None) == (wanted == "footprint")
        assert here.voluntary_switches == there.voluntary_switches
        assert here.pss_bytes == pytest.approx(there.pss_bytes, rel=0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="it is for a container")
def test_a_lease_is_no_part_of_it() -> None:
    """The shell that holds it is in the container, and none of the service's processes."""
    command = ["bash", "-c", f"printf {footprint.LEASE} >/proc/$$/comm; echo; read -r _"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as lease:
        assert lease.stdout is not None
        lease.stdout.readline()
        script = footprint.SHELL.replace("/proc/[0-9]*;", f"/proc/{lease.pid} /proc/$$;")
        shell = subprocess.run(
            ["sh", "-c", f"wanted=footprint\n{script}"],
            stdin=subprocess.DEVNULL, text=True, capture_output=True, check=True,
        )  # fmt: skip
    assert footprint.read(shell.stdout.splitlines()) == Footprint(threads=0, descriptors=0)


@pytest.mark.skipif(sys.platform != "linux", reason="it is of Linux")
def test_the_kernel_holds_something_for_a_socket() -> None:
    before = footprint.kernel_bytes()
    assert before is not None and before > 2**20


def test_the_figures_of_a_point_from_two_readings() -> None:
    looks = (
        Usage(1.0, 500), Footprint(400, 10, 20, 1000, 10),
        Usage(1.5, 900), Footprint(800, 11, 21, 1300, 5),
    )  # fmt: skip
    last = {"pss_bytes": 800, "threads": 11, "descriptors": 21}
    switches = {"voluntary_switches": 300, "involuntary_switches": 0, "kernel_bytes": None}
    assert used(KINDS["delay"], *looks) == {"cpu_s": 0.5, "rss_bytes": 900, **last, **switches}
    first = {"pss_bytes": 400, "threads": 10, "descriptors": 20}
    assert used(KINDS["chat"], *looks) == {"cpu_s": 0.5, "rss_bytes": 500, **first, **switches}
    nobody_asked = (looks[0], Footprint(), looks[2], Footprint(800, 11, 21))
    assert used(KINDS["delay"], *nobody_asked)["voluntary_switches"] is None
