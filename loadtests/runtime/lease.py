"""A container on another machine ends by itself once nobody here renews its lease.

Nothing there learns of a link that was cut, or of a machine here that stood still. So a shell in
the container reads a line every few seconds, and kills all in it when none has come for long.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading

from loadtests.runtime.engine import Engine, kill_session
from loadtests.runtime.footprint import LEASE

RENEWED_S, LAPSES_S = 5.0, 30

# In bash, whose `read` has a timeout: one process, which starts no other. Docker's init is spared,
# and ends when its child has.
SCRIPT = """
printf %s "$1" >/proc/$$/comm
while read -r -t "$0" _; do :; done
kill -KILL -1
"""


class Lease:
    """Of a `container`; ended, it is not renewed any more, and the container killed."""

    def __init__(self, engine: Engine, container: str, lapses_s: int = LAPSES_S) -> None:
        self._ended = threading.Event()
        command = ("bash", "-c", SCRIPT, str(lapses_s), LEASE)
        self._shell = engine.shell(container, *command, stdout=subprocess.DEVNULL)
        threading.Thread(target=self._renew, daemon=True).start()

    def _renew(self) -> None:
        assert self._shell.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # the container, or the link, is gone
            while not self._ended.wait(RENEWED_S):
                self._shell.stdin.write("\n")

    def end(self) -> None:
        """Renew it no more."""
        self._ended.set()
        kill_session(self._shell.pid)
        self._shell.communicate()
