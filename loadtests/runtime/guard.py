"""A process that outlives this one and then takes down what it has left.

`__exit__` and Ctrl-C never run in a harness that is killed. Local processes are on a leash
(runtime/leash.py); of containers nobody here is the parent. An Engine elsewhere may be out of
reach then: it waits until that answers.
"""

from __future__ import annotations

import subprocess

from loadtests.runtime.engine import Engine

# Reads until the writing end is closed, by whatever ends its owner. A `docker compose up` that
# was under way finishes what it has begun: hence more than one look.
SCRIPT = """
cat >/dev/null
until docker version >/dev/null 2>&1 || [ $((tries += 1)) -gt 360 ]; do sleep 10; done
for look in 1 2 3; do
    docker ps --all --quiet --filter "label=$0" | xargs -r docker rm --force --volumes
    docker network ls --quiet --filter "label=$0" | xargs -r docker network rm
    sleep 2
done
"""


class Guard:
    """Removes an Engine's containers and networks with a label when this process is killed."""

    def __init__(self, engine: Engine, label: str) -> None:
        self._process = subprocess.Popen(
            ["sh", "-c", SCRIPT, label],
            env=engine.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """End it: nothing is left."""
        self._process.kill()
        self._process.communicate()

    def leave(self) -> None:
        """Let it begin now, and outlive this process: for an hour, until the Engine answers."""
        assert self._process.stdin is not None
        self._process.stdin.close()
