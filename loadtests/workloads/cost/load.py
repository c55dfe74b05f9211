"""Arrivals at low rates, as in `open`: what is told of them is what a request costs."""

from __future__ import annotations

from loadtests.workloads.open_rate.load import Load as Load
