"""Several calls at once, for the services that wait in threads or greenlets."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor, wait

import start

# Branches wait for calls: in one pool they could take all its threads.
calls = ThreadPoolExecutor(start.helpers())
branches = ThreadPoolExecutor(start.helpers())


def together(pool: Executor, work: Callable, parts: list) -> list:
    """Run `work` on all parts, the first in this thread; raises after the others have ended."""
    others = [pool.submit(work, part) for part in parts[1:]]
    try:
        return [work(parts[0]), *(other.result() for other in others)]
    finally:
        wait([other for other in others if not other.cancel()])
