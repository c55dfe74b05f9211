"""`waits upstream`: the backend as a slow upstream that answers whatever it is asked."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence

from loadtests import quantities
from loadtests.catalog import BACKEND
from loadtests.commands import free_port_given, until_ctrl_c
from loadtests.errors import UsageError
from loadtests.runtime import ServiceFailed, environments
from loadtests.runtime.local import DESCRIPTORS, HOST
from loadtests.runtime.process import ServiceProcess, fetch, raise_descriptor_limit
from loadtests.workloads import delays, faults

MOST_DELAYS = 1000  # in turn: they have to fit into the head of one request
MAX_BODY = 1 << 20


def run(delay: str, port: str = "9000", body_bytes: int = 0) -> int:
    """Answer every path and method after a delay until Ctrl-C; UsageError for a bad setting."""
    delays_s = _delays(delay)
    if not 0 <= body_bytes <= MAX_BODY:
        raise UsageError(f"--body must be from 0 to {MAX_BODY:,} bytes, not {body_bytes:,}")
    number = free_port_given("--port", port)

    def serve() -> int:
        raise_descriptor_limit(DESCRIPTORS)
        environments.ensure([BACKEND])
        with ServiceProcess(BACKEND, {"HOST": HOST, "PORT": str(number)}) as backend:
            backend.wait_ready()
            answer_any(backend.url, delays_s, body_bytes)
            size = f"{body_bytes:,} bytes" if body_bytes else "a few bytes"
            after = f"{delays_s[0]:g} s" if len(delays_s) == 1 else f"delays: {delay}"
            print(f"any path, any method: {size} of JSON after {after}")
            print(f"\n  {backend.url}\n")
            print("Set that as your service's upstream. Calls so far: /stats. Ctrl-C ends it.")
            print(f"curl -X POST {backend.url}/fault/500/0.1/10 has a tenth fail for 10 s; instead")
            print(f"of 500: {', '.join(faults.BACKEND)}.", flush=True)
            signal.pause()
        return 0

    return until_ctrl_c(serve)


def _delays(text: str) -> list[float]:
    """The delays that answers take in turn, in seconds; UsageError for a text that names none.

    Those that are drawn are spread evenly over what they may be, in random order, so that all
    together have the mean and the tail they should; those of a file keep its order.
    """
    if text.partition(" ")[0] not in (*delays.MADE, "file"):
        needed = f"seconds, like 0.2 or 200ms, from 0 to 60, or {delays.FORMS}"
        return [quantities.seconds("--delay", text, needed, least=0, most=delays.LONGEST_S)]
    if mistake := delays.mistake(text):
        raise UsageError(f"--delay: {mistake}")
    found = delays.parse(text)
    if 0 < len(found.recorded) <= MOST_DELAYS:
        return list(map(delays.whole, found.recorded))
    shares = [(number + 0.5) / MOST_DELAYS for number in range(MOST_DELAYS)]
    random.Random(text).shuffle(shares)
    return [delays.whole(found.quantile(share)) for share in shares]


def answer_any(url: str, delays_s: Sequence[float], body_bytes: int) -> None:
    """Have the backend at `url` do so, after each delay in turn; ServiceFailed where it refuses."""
    in_turn = ",".join(map(_seconds, delays_s))
    status, said = fetch(f"{url}/any/{in_turn}/{body_bytes}", "POST")
    if status != 200:
        raise ServiceFailed(f"the backend refused: {said.decode(errors='replace')}")


def _seconds(delay_s: float) -> str:
    """As the contract writes a delay: without exponent, six decimals at most."""
    return f"{delay_s:.6f}".rstrip("0").rstrip(".")
