"""An alarm for an event loop, exact to some 0.1 ms where the loop's own timers are to 2 ms."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable
from math import ceil
from time import CLOCK_MONOTONIC, monotonic


def alarm(
    loop: asyncio.AbstractEventLoop, ring: Callable[[], None]
) -> Callable[[float | None], None]:
    """Return a function that sets the alarm to a `time.monotonic()`, or by None to never.

    There is one alarm; it must be set anew each time it rings.
    """
    return _timerfd(loop, ring) if sys.platform == "linux" else _loop_timer(loop, ring)


class _TimerSpec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "at_s", "at_ns")]


def _timerfd(
    loop: asyncio.AbstractEventLoop, ring: Callable[[], None]
) -> Callable[[float | None], None]:
    # Python has os.timerfd_create since 3.13 only.
    libc = ctypes.CDLL(None, use_errno=True)
    timer = libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    if timer < 0:
        return _loop_timer(loop, ring)
    loop.add_reader(timer, ring)
    spec = _TimerSpec()
    settime, absolute, new, no_old = libc.timerfd_settime, 1, ctypes.byref(spec), None

    def set_to(when: float | None) -> None:
        # Setting it also ends its being readable, so it is never read. 0 stops it.
        ns = 0 if when is None else int(when * 1e9)
        spec.at_s, spec.at_ns = divmod(ns, 1_000_000_000)
        settime(timer, absolute, new, no_old)

    return set_to


def _loop_timer(
    loop: asyncio.AbstractEventLoop, ring: Callable[[], None]
) -> Callable[[float | None], None]:
    handle: asyncio.TimerHandle | None = None

    def set_to(when: float | None) -> None:
        nonlocal handle
        if handle:
            handle.cancel()
        # Whole milliseconds, rounded up: uvloop would round to the nearest.
        wait_s = 0 if when is None else max(ceil((when - monotonic()) * 1000) / 1000, 0)
        handle = None if when is None else loop.call_later(wait_s, ring)

    return set_to
