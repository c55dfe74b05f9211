"""Runs the rungs and measures them from outside: not one of them contains a stopwatch.

A rung achieved as much as the backend answered meanwhile; it cost as much as the
system says of its process.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO
from urllib.parse import urlsplit

import psutil

from loadtests.catalog import ROOT
from loadtests.runtime import ServiceFailed
from loadtests.runtime.local import LocalRuntime
from loadtests.runtime.process import fetch, leashed
from loadtests.runtime.tree import cpu_s_of

START_S = 20.0  # for a program to start and be answered for the first time


@dataclass(frozen=True)
class Rung:
    """A program of the ladder, and how many requests it is to keep under way.

    `extra` of them more are what its second thread asks for in each delay.
    """

    module: str
    in_flight: int
    title: str
    extra: int = 0

    @property
    def name(self) -> str:
        """`rung2_threads_50`; without the number where there is but one way to start it."""
        several = sum(other.module == self.module for other in RUNGS) > 1
        return f"{self.module}_{self.in_flight}" if several else self.module


RUNGS = (
    Rung("rung1_blocking", 1, "a blocking socket"),
    Rung("rung2_threads", 1, "1 thread"),
    Rung("rung2_threads", 5, "5 threads"),
    Rung("rung2_threads", 50, "50 threads"),
    Rung("rung3_select", 500, "generators and select", 7),
    Rung("rung4_socketpair", 500, "the same, woken by a socketpair", 7),
    Rung("rung5_classes", 500, "EventLoop, Future, AsyncSocket", 7),
    Rung("rung6_asyncio", 500, "asyncio and aiohttp", 7),
)


@dataclass(frozen=True)
class Climb:
    """One rung at one delay, once.

    `threads` are those that make requests, `idle_share` is the part of their
    time, 0 to 1, in which they had nothing to do. `start_lag_ms` is the median
    time for which a request that another thread asked for was not even started;
    None where a rung has no such thread, or none of them was started at all.
    """

    rung: str
    module: str
    title: str
    delay_s: float
    in_flight: int
    round: int
    rps: float
    limit_rps: float
    threads: int
    idle_share: float
    cpu_ms_per_request: float
    start_lag_ms: float | None


def climb(
    rung: Rung, delay_s: float, round_number: int, runtime: LocalRuntime, window_s: float
) -> Climb:
    """Measure one rung for `window_s`; ServiceFailed where it ends or nothing is answered."""
    with _started(rung, delay_s, runtime) as (program, said):
        _wait_for_an_answer(program, runtime)
        time.sleep(2 * delay_s + 0.3)  # until what started at once has spread
        process = psutil.Process(program.pid)
        lags_before = len(_lags(said))
        answered, cpu_s, opened = _answered(runtime), cpu_s_of(process), time.perf_counter()
        time.sleep(window_s)
        answered, cpu_s = _answered(runtime) - answered, cpu_s_of(process) - cpu_s
        duration_s = time.perf_counter() - opened
        threads = process.num_threads() - (1 if rung.extra else 0)
        lags = _lags(said)[lags_before:]
    if not answered:
        raise ServiceFailed(f"{rung.name}: nothing was answered in {duration_s:.1f} s")
    return Climb(
        rung=rung.name,
        module=rung.module,
        title=rung.title,
        delay_s=delay_s,
        in_flight=rung.in_flight + rung.extra,
        round=round_number,
        rps=round(answered / duration_s, 2),
        limit_rps=round((rung.in_flight + rung.extra) / delay_s, 2),
        threads=threads,
        idle_share=round(1 - cpu_s / duration_s / threads, 4),
        cpu_ms_per_request=round(1000 * cpu_s / answered, 4),
        start_lag_ms=round(1000 * statistics.median(lags), 3) if lags else None,
    )


@contextmanager
def _started(
    rung: Rung, delay_s: float, runtime: LocalRuntime
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """The rung's process, pinned to the service's core, and the file with what it says."""
    address = urlsplit(runtime.backend_url)
    command = leashed(sys.executable, "-m", f"loadtests.ladder.{rung.module}")
    arguments = [address.hostname or "", str(address.port), f"{delay_s:g}", str(rung.in_flight)]
    # Appending, because the program's place in the file moves with ours.
    with tempfile.TemporaryFile("a+b") as said, tempfile.TemporaryFile("a+b") as errors:
        program = subprocess.Popen(
            command + arguments, cwd=ROOT, stdout=said, stderr=errors, start_new_session=True
        )
        try:
            if runtime.service_cpus:
                psutil.Process(program.pid).cpu_affinity(list(runtime.service_cpus))
            with suppress(psutil.NoSuchProcess):  # what it ended with is told below
                yield program, said
            ended = program.poll()
        finally:
            program.kill()
            program.wait()
        if ended is not None:
            errors.seek(0)
            tail = errors.read().decode(errors="replace")[-2000:]
            raise ServiceFailed(f"{rung.name} ended with {ended}", tail)


def _wait_for_an_answer(program: subprocess.Popen[bytes], runtime: LocalRuntime) -> None:
    """Wait for the first answer, the end of the program, or START_S."""
    before, deadline = _answered(runtime), time.monotonic() + START_S
    while _answered(runtime) == before and program.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def _lags(said: IO[bytes]) -> list[float]:
    """The whole lines of the file: seconds."""
    said.seek(0)
    return [float(line) for line in said.read().splitlines(keepends=True) if line.endswith(b"\n")]


def _answered(runtime: LocalRuntime) -> int:
    status, body = fetch(f"{runtime.backend_url}/stats")
    if status != 200:
        raise ServiceFailed(f"the backend's /stats was answered with {status}")
    answered: int = json.loads(body)["answered"]
    return answered
