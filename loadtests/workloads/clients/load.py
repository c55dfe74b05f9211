"""Users that wait for the backend, as in `delay`: what is compared are the services' clients."""

from __future__ import annotations

from loadtests.workloads.delay.load import Load as Load
