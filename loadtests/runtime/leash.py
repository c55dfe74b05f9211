"""Become a command that is asked to end when the process that started it has ended.

    python leash.py PARENT COMMAND …

A harness that is killed stops nothing any more. On Linux the kernel then sends SIGTERM to what
it had started, which ends its own workers; elsewhere nothing is changed. PARENT is the number of
the process that starts this, and the thread that does must be its first, as it is the end of the
thread that counts. Only the standard library is needed: a service's Python runs this.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for the signal, which lasts beyond the exec, and become the command."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ask()
        if os.getppid() != int(parent):  # it ended before
            sys.exit(1)
    os.execv(command[0], command)


def ask() -> None:
    """Have the kernel send SIGTERM; without ctypes, or in a sandbox, all goes on as before."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return


if __name__ == "__main__":
    main()
