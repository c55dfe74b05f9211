"""Compare the artificial-delay backend with nginx's `echo_sleep`, side by side.

    python -m loadtests.checks.backend [--rounds 3] [--seconds 4] [--only 1000:0.1]

For developers: it takes a few minutes of two otherwise idle cores. Both servers
run at once, pinned to core 0; wrk, pinned to core 1, loads them in turn. Printed
are medians over the rounds; the exit status is 1 where a target is missed, 2
where nginx, its echo module, wrk, a second core or the backend's environment is.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from loadtests.catalog import BACKEND, SERVICES
from loadtests.runtime import environments
from loadtests.runtime.ports import free_port

SCENARIOS = ("200:0.1", "1000:0.1", "8000:0.1", "200:0", "1000:0", "8000:0")
REQUEST_ID = "0123456789abcdef"
# Our requests/s over nginx's, at least; and our p99 over nginx's, at most, where there is a delay.
TARGET_DELAYED, TARGET_AT_ONCE, TARGET_P99 = 0.95, 0.85, 1.1

NGINX_CONF = """\
load_module {modules}/ngx_http_echo_module.so;
daemon off;
master_process off;
worker_rlimit_nofile 20000;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=16384;
        location = /health {{ echo ok; }}
        location = /static {{ return 200 '{{"delay":0,"id":"{request_id}"}}'; }}
        location = /delay/0 {{ echo -n '{{"delay":0,"id":"{request_id}"}}'; }}
        location = /delay/0.1 {{ echo_sleep 0.1; echo -n '{{"delay":0.1,"id":"{request_id}"}}'; }}
    }}
}}
"""
# wrk's own report rounds; this adds nothing to the work of one request.
WRK_SCRIPT = """\
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("\\nresult %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"""


class Missing(Exception):
    """Something this comparison needs is not there."""


@dataclass(frozen=True)
class Measured:
    """One run of wrk."""

    rps: float
    p99_ms: float
    errors: int


def nginx_modules() -> Path:
    """The folder with nginx's echo module; Missing where there is none."""
    if not shutil.which("nginx"):
        raise Missing("nginx is not installed")
    built = subprocess.run(["nginx", "-V"], capture_output=True, encoding="utf-8").stderr
    found = re.search(r"--modules-path=(\S+)", built)
    folder = Path(found[1] if found else "/usr/lib/nginx/modules")
    if not (folder / "ngx_http_echo_module.so").exists():
        raise Missing(f"nginx's echo module is not in {folder} (Debian: libnginx-mod-http-echo)")
    return folder


def backend_python() -> Path:
    """The interpreter of the backend's environment; Missing where it is not built."""
    python = Path(os.environ.get("BACKEND_PYTHON", environments.python(BACKEND)))
    if not python.exists():
        raise Missing(f"the backend has no environment: make bench PROFILE=smoke makes {python}")
    return python


@contextmanager
def running(command: list[str], port: int, env: dict[str, str]) -> Iterator[None]:
    """Run a server on core 0 until the block ends; RuntimeError where it does not get ready."""
    server = subprocess.Popen(["taskset", "-c", "0", *command], env=env)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                    break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not get ready") from None
                time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait(40)


def wrk(script: Path, port: int, connections: int, delay: str, seconds: float) -> Measured:
    """Load one server from core 1."""
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s"]
    command += ["--timeout", "10s", "-s", str(script), "-H", f"X-Request-ID: {REQUEST_ID}"]
    run = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/delay/{delay}"],
        capture_output=True,
        encoding="utf-8",
        timeout=seconds + 60,
    )
    found = re.search(r"^result (\d+) (\d+) (\d+) (\d+)$", run.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(f"wrk failed: {run.stdout}{run.stderr}")
    requests, duration_us, p99_us, errors = map(int, found.groups())
    return Measured(requests / duration_us * 1e6, p99_us / 1000, errors)


def compare(
    script: Path, ports: dict[str, int], scenario: str, rounds: int, seconds: float
) -> bool:
    """Measure one scenario, print its line and return whether its targets are met."""
    connections, delay = scenario.split(":")
    runs: dict[str, list[Measured]] = {name: [] for name in ports}
    for number in range(-1, rounds):  # round -1 warms up
        for name in sorted(ports, reverse=number % 2 == 1):
            length = seconds if number >= 0 else min(seconds, 2)
            measured = wrk(script, ports[name], int(connections), delay, length)
            if number >= 0:
                runs[name].append(measured)
    rps = {name: median(m.rps for m in runs[name]) for name in runs}
    p99 = {name: median(m.p99_ms for m in runs[name]) for name in runs}
    errors = {name: sum(m.errors for m in runs[name]) for name in runs}
    rps_ratio, p99_ratio = rps["backend"] / rps["nginx"], p99["backend"] / p99["nginx"]
    delayed = delay != "0"
    met = rps_ratio >= (TARGET_DELAYED if delayed else TARGET_AT_ONCE) and not errors["backend"]
    met = met and (p99_ratio <= TARGET_P99 or not delayed)
    columns = (
        f"{connections:>5} {delay:>5}",
        f"{rps['nginx']:>9.0f} {rps['backend']:>9.0f} {rps_ratio:>6.3f}",
        f"{p99['nginx']:>8.1f} {p99['backend']:>8.1f} {p99_ratio:>6.3f}",
        f"{errors['nginx']:>5} {errors['backend']:>5}",
        "ok" if met else "MISSED",
    )
    print("  ".join(columns), flush=True)
    return met


def check(scenarios: list[str], rounds: int, seconds: float) -> bool:
    """Start both servers, compare them in every scenario, return whether all targets are met."""
    for tool in ("taskset", "wrk"):
        if not shutil.which(tool):
            raise Missing(f"{tool} is not installed")
    if not {0, 1} <= os.sched_getaffinity(0):
        raise Missing("cores 0 and 1 are both needed: one for the servers, one for wrk")
    modules, python = nginx_modules(), backend_python()
    ports = {"nginx": free_port(), "backend": free_port()}
    env = os.environ | {"PORT": str(ports["backend"]), "HOST": "127.0.0.1"}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        script, conf = folder / "report.lua", folder / "nginx.conf"
        script.write_text(WRK_SCRIPT, encoding="utf-8")
        conf.write_text(
            NGINX_CONF.format(
                modules=modules, folder=folder, port=ports["nginx"], request_id=REQUEST_ID
            )
        )
        nginx = ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(conf)]
        stack.enter_context(running(nginx, ports["nginx"], dict(os.environ)))
        stack.enter_context(
            running(
                [str(python), str(SERVICES / "folders.py"), "run", BACKEND], ports["backend"], env
            )
        )
        print(f"medians of {rounds} rounds of {seconds:g} s")
        print("users delay     nginx/s backend/s  ratio  p99/ms n        b  ratio    errors n/b")
        met = [compare(script, ports, s, rounds, seconds) for s in scenarios]  # all of them run
        return all(met)


def main() -> int:
    """Parse the command line, compare, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="length of one run of wrk")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="connections:delay")
    options = parser.parse_args()
    try:
        return 0 if check(options.only or list(SCENARIOS), options.rounds, options.seconds) else 1
    except (Missing, RuntimeError) as error:
        print(f"check_backend: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
