"""See which workers of other machines come, before a run begins.

    python -m loadtests.load.gather '{"processes": 2, "port": 5557, "patience_s": 60, …}'

It prints a JSON line: the `workers`, each with its
machine and the round trip to it in ms, or the `reason` why there are too few.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from locust.exception import RPCError

from loadtests.load.base import StepFailed
from loadtests.load.crew import Crew


def main() -> None:
    """Wait for the workers of the plan that is the only argument."""
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    print(json.dumps(gathered(json.loads(sys.argv[1]))), flush=True)


def gathered(plan: dict[str, Any]) -> dict[str, Any]:
    """The workers that came within the plan's patience, or the reason."""
    try:
        crew = Crew(plan, lambda number, kind, data: None)
    except RPCError:
        return {"reason": f"port {plan['port']} is taken here: choose another with LOAD_PORT"}
    try:
        crew.start(plan["patience_s"])
        return {"workers": [crew.described(number) for number in range(crew.size)]}
    except StepFailed as error:
        return {"reason": str(error)}
    finally:
        crew.stop()


if __name__ == "__main__":
    main()
