"""A process that outlives this one and then takes down what it has left.

`__exit__` and Ctrl-C never run in a harness that is killed. Local processes are on a leash
(runtime/leash.py); of containers nobody here is the parent.
"""

from __future__ import annotations

import subprocess

# Reads until the writing end is closed, by whatever ends its owner. A `docker compose up` that
# was under way finishes what it has begun: hence more than one look.
SCRIPT = """
cat >/dev/null
for look in 1 2 3; do
    docker ps --all --quiet --filter "label=$0" | xargs -r docker rm --force --volumes
    docker network ls --quiet --filter "label=$0" | xargs -r docker network rm
    sleep 2
done
"""


class Guard:
    """Removes the containers and networks with a label when this process is killed."""

    def __init__(self, label: str) -> None:
        self._process = subprocess.Popen(
            ["sh", "-c", SCRIPT, label],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """End it: nothing is left."""
        self._process.kill()
        self._process.communicate()
