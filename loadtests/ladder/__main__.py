"""`make ladder`: climb all rungs, at a delay of 1 s and of 0.1 s, and leave a report."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from loadtests.bench import machine
from loadtests.catalog import ROOT
from loadtests.ladder import report
from loadtests.ladder.climb import RUNGS, Climb, climb
from loadtests.record import folders
from loadtests.runtime import ServiceFailed
from loadtests.runtime.environments import InstallError
from loadtests.runtime.local import LocalRuntime
from loadtests.runtime.process import end_as_on_ctrl_c

DELAYS_S = (1.0, 0.1)
ROUNDS = 3
WINDOW_S = 5.0


def main() -> int:
    """Exit status 0; 1 where a rung failed; 130 when interrupted, finished ones are kept."""
    parser = argparse.ArgumentParser(prog="make ladder")
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    end_as_on_ctrl_c()
    started = folders.now()
    where = machine.describe()
    head = {"started_at": started, "commit": machine.commit(), "machine": where}
    folder: Path | None = None
    climbs: list[Climb] = []
    status = 0
    try:
        with LocalRuntime("make ladder", [], {}) as runtime:
            for round_number in range(1, given.rounds + 1):
                turns = [(rung, delay_s) for rung in RUNGS for delay_s in DELAYS_S]
                for rung, delay_s in random.sample(turns, len(turns)):
                    done = climb(rung, delay_s, round_number, runtime, WINDOW_S)
                    climbs.append(done)
                    print(
                        f"round {round_number}  {done.title:32} {delay_s:g} s backend "
                        f"{done.rps:8.1f}/s of {done.limit_rps:g}",
                        flush=True,
                    )
                    folder = folder or folders.new(given.results, started, where["name"], "ladder")
                    report.save(folder, head, sorted(climbs, key=_order))
    except ServiceFailed as error:
        print(f"{error}\n{error.log_tail}", file=sys.stderr)
        status = 1
    except InstallError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        status = 130
    if folder:
        report.write(folder)
        print(f"report: {folder / 'report.md'}")
    return status


def _order(climb: Climb) -> tuple[float, int]:
    return -climb.delay_s, [rung.name for rung in RUNGS].index(climb.rung)


if __name__ == "__main__":
    sys.exit(main())
