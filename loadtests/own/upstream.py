"""`waits upstream`: the backend as a slow upstream that answers whatever it is asked."""

from __future__ import annotations

import signal

from loadtests.catalog import BACKEND
from loadtests.commands import free_port_given, until_ctrl_c
from loadtests.errors import UsageError
from loadtests.runtime import ServiceFailed, environments
from loadtests.runtime.local import DESCRIPTORS, HOST
from loadtests.runtime.process import ServiceProcess, fetch, raise_descriptor_limit

MAX_BODY = 1 << 20


def run(delay_s: float, port: str = "9000", body_bytes: int = 0) -> int:
    """Answer every path and method after `delay_s` until Ctrl-C; UsageError for a bad setting."""
    if not 0 <= delay_s <= 60:
        raise UsageError(f"--delay must be from 0 to 60 seconds, not {delay_s:g}")
    if not 0 <= body_bytes <= MAX_BODY:
        raise UsageError(f"--body must be from 0 to {MAX_BODY:,} bytes, not {body_bytes:,}")
    number = free_port_given("--port", port)

    def serve() -> int:
        raise_descriptor_limit(DESCRIPTORS)
        environments.ensure([BACKEND])
        with ServiceProcess(BACKEND, {"HOST": HOST, "PORT": str(number)}) as backend:
            backend.wait_ready()
            answer_any(backend.url, delay_s, body_bytes)
            size = f"{body_bytes:,} bytes" if body_bytes else "a few bytes"
            print(f"any path, any method: {size} of JSON after {delay_s:g} s")
            print(f"\n  {backend.url}\n")
            print(
                "Set that as your service's upstream. Calls so far: /stats. Ctrl-C ends it.",
                flush=True,
            )
            signal.pause()
        return 0

    return until_ctrl_c(serve)


def answer_any(url: str, delay_s: float, body_bytes: int) -> None:
    """Have the backend at `url` do so; ServiceFailed where it refuses."""
    status, said = fetch(f"{url}/any/{_seconds(delay_s)}/{body_bytes}", "POST")
    if status != 200:
        raise ServiceFailed(f"the backend refused: {said.decode(errors='replace')}")


def _seconds(delay_s: float) -> str:
    """As the contract writes a delay: without exponent, six decimals at most."""
    return f"{delay_s:.6f}".rstrip("0").rstrip(".")
