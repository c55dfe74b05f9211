"""All rungs, climbed at a delay of 1 s and of 0.1 s, with a report of it."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from loadtests.bench import machine
from loadtests.errors import DONE, FAILED, INTERRUPTED
from loadtests.ladder import record, report
from loadtests.ladder.climb import RUNGS, Climb, climb
from loadtests.record import folders
from loadtests.report import index
from loadtests.runtime import ServiceFailed
from loadtests.runtime.local import LocalRuntime

DELAYS_S = (1.0, 0.1)
WINDOW_S = 5.0


def run(results: Path, rounds: int) -> int:
    """Exit status 0; 1 where a rung failed; 130 when interrupted, finished ones are kept."""
    started = folders.now()
    where = machine.describe()
    head = {"started_at": started, "commit": machine.commit(), "machine": where}
    folder: Path | None = None
    climbs: list[Climb] = []
    status = DONE
    try:
        with LocalRuntime("the ladder", [], {}) as runtime:
            for done in _climbs(runtime, rounds):
                climbs.append(done)
                folder = folder or folders.new(results, started, where["name"], "ladder")
                record.save(folder, head, sorted(climbs, key=_order))
    except ServiceFailed as error:
        print(f"{error}\n{error.log_tail}", file=sys.stderr)
        status = FAILED
    except KeyboardInterrupt:
        status = INTERRUPTED
    if folder:
        report.write(folder)
        index.write(results)
        print(f"report: {folder / 'report.md'}")
    return status


def _climbs(runtime: LocalRuntime, rounds: int) -> Iterator[Climb]:
    """Every rung at every delay once a round, in another order each; a line for each."""
    turns = [(rung, delay_s) for rung in RUNGS for delay_s in DELAYS_S]
    for round_number in range(1, rounds + 1):
        for rung, delay_s in random.sample(turns, len(turns)):
            done = climb(rung, delay_s, round_number, runtime, WINDOW_S)
            print(
                f"round {round_number}  {done.title:32} {delay_s:g} s backend "
                f"{done.rps:8.1f}/s of {done.limit_rps:g}",
                flush=True,
            )
            yield done


def _order(climb: Climb) -> tuple[float, int]:
    return -climb.delay_s, [rung.name for rung in RUNGS].index(climb.rung)
