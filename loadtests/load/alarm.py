"""A sleep that ends when it should: gevent's own ends up to a millisecond late, on whole ones."""

from __future__ import annotations

import ctypes
import os
from time import perf_counter

import gevent

READ = 1  # libev's name for "readable"
CLOCK_MONOTONIC = 1  # that of perf_counter
ABSOLUTE = 1  # TFD_TIMER_ABSTIME

_libc = ctypes.CDLL(None, use_errno=True)


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Time), ("value", _Time))


class Alarm:
    """Linux's timerfd, for one greenlet; elsewhere gevent's sleep."""

    def __init__(self) -> None:
        self._file = -1
        if hasattr(_libc, "timerfd_create"):
            self._file = _libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file >= 0:
            self._readable = gevent.get_hub().loop.io(self._file, READ)
            self._setting = _Setting()

    def sleep_until(self, at: float) -> None:
        """Come back at `at` on perf_counter's clock; others run meanwhile, also if it is past."""
        if self._file < 0:
            gevent.sleep(max(0.0, at - perf_counter()))
            return
        value = self._setting.value
        value.seconds, value.nanoseconds = divmod(int(at * 1e9), 1_000_000_000)
        _libc.timerfd_settime(self._file, ABSOLUTE, ctypes.byref(self._setting), None)
        gevent.get_hub().wait(self._readable)
        os.read(self._file, 8)

    def close(self) -> None:
        """Give its descriptor back."""
        if self._file >= 0:
            self._readable.close()
            os.close(self._file)
            self._file = -1
