"""Settings of the interpreter, for the bare variants; stock services leave them alone."""

import gc
import sys


def calm_gc() -> None:
    """Collect less often, and never what was there at the start.

    Everything that waits would be walked again and again: an eighth of the CPU of an
    event loop at 1000 users. Call it last before serving, in each process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def calm_switching() -> None:
    """Let a thread keep the GIL for up to 0.1 s instead of 5 ms.

    A thousand runnable threads spend their time taking it from each other; each of ours
    soon waits for the network and gives it up by itself.
    """
    sys.setswitchinterval(0.1)
