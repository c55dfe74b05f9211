"""As in `tail`: the service is another one only by its number of slots."""

from __future__ import annotations

from loadtests.workloads.tail.load import Load

__all__ = ["Load"]
