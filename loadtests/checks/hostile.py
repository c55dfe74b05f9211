"""Bad input at scale: wrong requests, many held connections, and SIGTERM under load.

    python3 loadtests/bootstrap.py --tests -m loadtests.checks.hostile
        [--services "flask-threads backend"] [--requests 100000] [--held 10000] [--seed 1]

For developers; Hypothesis, which makes the requests, is in the tests' environment. Without
`--services` all stock services and the backend are asked. No 5xx that the contract does not know,
no hang, no traceback in the log, no growth of memory; so many connections held beside which a
request is answered; and a SIGTERM that loses nothing in flight. Exit status 1 where something
was found, 2 where it could not be looked for.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack

import psutil

from loadtests import catalog, runtime
from loadtests.catalog import BACKEND
from loadtests.errors import UsageError
from loadtests.runtime import ServiceFailed, environments
from loadtests.runtime.local import LocalRuntime
from loadtests.runtime.ports import free_port
from loadtests.runtime.process import ServiceProcess, fetch, raise_descriptor_limit
from loadtests.runtime.tree import ProcessTree

try:
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis.errors import Flaky, HypothesisWarning
except ImportError:
    sys.exit(
        "no Hypothesis here: python3 loadtests/bootstrap.py --tests -m loadtests.checks.hostile"
    )

from loadtests.checks import crowds
from loadtests.checks.answers import HANG_S, exchange, fault
from loadtests.checks.bad_input import Input, inputs

warnings.simplefilter("ignore", HypothesisWarning)  # of floods it would be long to show
MORE_DESCRIPTORS = 200  # of this process and a service, beside the connections
GROWTH_BYTES, GROWTH_OF_EACH = 8 * 2**20, 64  # memory may grow by both, the second a request
LATE_S = 0.2  # after an answer: by then the service has logged what it will


class Look:
    """Asks a service bad things; `faults` are those found, each with its shortest input.

    `log_since` gives what the service has logged beyond so many bytes.
    """

    def __init__(
        self, url: str, log_since: Callable[[int], bytes], excused: Collection[str] = ()
    ) -> None:
        self.url = url
        self.faults: dict[str, Input] = {}
        self.asked = 0
        self._log_since = log_since
        self._logged_bytes = 0
        self._last: Input | None = None  # whose answer what is logged late came after
        self._excused = excused

    def ask(self, asked: Input) -> str:
        """Send it; the fault of the answer, empty where there is none."""
        self.asked += 1
        self._note(self._logged_fault(), self._last)
        self._last = asked
        received = exchange(self.url, asked)
        if asked.is_dropped:  # it may be at it still: by then it has logged what it will
            fetch(f"{self.url}/health", timeout_s=HANG_S)
        return self._note(self._logged_fault(received), asked)

    def late_fault(self) -> str:
        """The fault of what was logged since the last look, in a moment; empty if there is none."""
        time.sleep(LATE_S)
        return self._logged_fault()

    def _logged_fault(self, received: bytes | None = b"") -> str:
        """Of an answer and what is new in the log: each byte of it is judged once."""
        new = self._log_since(self._logged_bytes)
        self._logged_bytes += len(new)
        return fault(received, new.decode(errors="replace"), self._excused)

    def _note(self, found: str, asked: Input | None) -> str:
        if found and asked and (found not in self.faults or asked.size < self.faults[found].size):
            self.faults[found] = asked
        return found

    def search(self, number: int, from_seed: int, shrinks: bool = True) -> None:
        """Send so many inputs; goes on where one fails, which Hypothesis may make shorter first."""
        phases = [Phase.generate, *([Phase.shrink] if shrinks else [])]
        first = self.asked
        while (left := number - (self.asked - first)) > 0:
            known = set(self.faults)

            @seed(from_seed + len(known))
            @settings(
                max_examples=left,
                database=None,
                deadline=None,
                phases=phases,
                suppress_health_check=list(HealthCheck),
                print_blob=False,
            )
            @given(inputs())
            def none_fails(asked: Input) -> None:
                found = self.ask(asked)
                assert not found or found in known or "hang" in found, found  # noqa: B023

            try:
                none_fails()
                break
            except (AssertionError, Flaky):
                if set(self.faults) == known:
                    break
        self._note(self.late_fault(), self._last)


def names(wanted: str) -> list[str]:
    """The services that are asked: those named, or all that people run, and the backend."""
    if not wanted:
        return [*(one.name for one in catalog.select("") if one.kind == "stock"), BACKEND]
    return [name if name == BACKEND else catalog.load(name).name for name in wanted.split()]


def findings(name: str, backend_url: str, options: argparse.Namespace) -> Iterator[str]:
    """The faults of a service, a line each."""
    exceptions = {} if name == BACKEND else catalog.load(name).exceptions
    given_settings = {"PORT": str(free_port()), "BACKEND_URL": backend_url, "WORKERS": "1"}
    with ServiceProcess(name, given_settings) as process:
        process.wait_ready()
        look = Look(process.url, process.log_since, exceptions)
        half = max(1, options.requests // 2)
        look.search(half, options.seed)
        memory, descriptors = _held(process)
        look.search(options.requests - half, options.seed + 1000)
        for found, asked in look.faults.items():
            yield f"{found}, after {asked!r}"
        memory_after, descriptors_after = _held(process)
        grown = memory_after - memory
        if grown > may_grow_bytes(half):
            yield f"memory grew by {grown / 2**20:.0f} MiB in {half:,} requests"
        if (more := descriptors_after - descriptors) > 20:
            yield f"{more} more descriptors are open after {half:,} requests"
        path = "/delay/0" if name == BACKEND else "/?delay=0"
        if (status := fetch(process.url + path)[0]) != 200:
            yield f"a good request is answered {status} after the bad ones"
        if found := look.late_fault():
            yield f"{found}, after a good request"
        if options.held:
            yield from crowds.held(process.url, path, options.held)
            if found := look.late_fault():
                yield f"{found}, after {options.held:,} held connections"
        logged_bytes = len(process.log_since(0))
        yield from crowds.drained(process, name, backend_url)
        if b"Traceback" in process.log_since(logged_bytes):
            yield "a traceback at its end"


def may_grow_bytes(requests: int) -> int:
    """The growth of memory that is allowed in so many requests: no request is kept."""
    return GROWTH_BYTES + requests * GROWTH_OF_EACH


def _held(process: ServiceProcess) -> tuple[int, int]:
    """Memory in bytes (RSS) and open descriptors of its processes."""
    tree = ProcessTree(lambda: [psutil.Process(process.pid)])
    return tree.usage().rss_bytes, tree.footprint(switches=False).descriptors or 0


def main() -> int:
    """Ask all, print what was found; the exit status."""
    parser = argparse.ArgumentParser(prog="loadtests.checks.hostile")
    parser.add_argument("--services", default="", help="names, apart by spaces")
    parser.add_argument("--requests", type=int, default=100_000, help="bad inputs for each")
    parser.add_argument("--held", type=int, default=10_000, help="connections; 0: none")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        asked = names(options.services)
        raise_descriptor_limit(options.held + MORE_DESCRIPTORS)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    local = LocalRuntime("this check", [], {})
    lacks = {name: runtime.lacks(local, catalog.load(name)) for name in asked if name != BACKEND}
    asked = [name for name in asked if not lacks.get(name)]
    environments.ensure([*{*asked, BACKEND}])
    failed = 0
    with ExitStack() as stack:
        port = str(free_port())
        backend = stack.enter_context(ServiceProcess(BACKEND, {"PORT": port}))
        backend.wait_ready()
        for name in asked:
            began = time.monotonic()
            try:
                found = list(findings(name, backend.url, options))
            except (ServiceFailed, OSError) as error:
                found = [f"{error}"]
            took = time.monotonic() - began
            print(f"{name}: {len(found)} findings, {took:.0f} s, seed {options.seed}", flush=True)
            for line in found:
                print(f"  {line}", flush=True)
            failed += len(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
