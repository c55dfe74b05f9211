"""Closed users, as in `delay`."""

from __future__ import annotations

from loadtests.workloads.delay.load import Load

__all__ = ["Load"]
