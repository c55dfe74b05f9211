"""Compare our Locust users with Locust's FastHttpUser and with wrk, against nginx.

    python -m loadtests.checks.generator [--rounds 3] [--seconds 3]

For developers, like `checks.backend`: nginx on core 0, one generator at a time on
core 1. Printed are medians over the rounds; the exit status is 1 where a target
is missed, 2 where nginx, its echo module, wrk or a second core is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from loadtests.checks.backend import (
    NGINX_CONF,
    REQUEST_ID,
    Missing,
    nginx_modules,
    running,
)
from loadtests.runtime.ports import free_port

# Requests/s over FastHttpUser's and over wrk's against static answers.
TARGET_OVER_FAST, TARGET_OVER_WRK = 5.0, 0.5
# The share of the limit at 1000 users × 100 ms, and the distance of its p50 from wrk's.
TARGET_SHARE, TARGET_P50_MS = 0.98, 1.0
# Random arrivals/s of an open user, against 100 ms, and how late 99 % of them may be sent.
TARGET_RATE_RPS, TARGET_LAG_MS = 5000, 2.0

LOCUST = """
import gc, json, sys, time
import gevent
from locust import FastHttpUser, task
from locust.env import Environment
from loadtests.load import histogram
from loadtests.load.open_user import OpenUser
from loadtests.load.users import RawHttpUser

kind, url, path, users, seconds = *sys.argv[1:4], int(sys.argv[4]), float(sys.argv[5])

times_ms, lags_ms, failures = [], [], 0

class Recorder:  # as the bench's, in the place of Locust's statistics
    def count(self, name, response_time_ms, length, failure, context):
        global failures
        times_ms.append(response_time_ms or 0.0)  # a dropped one has none: it is a failure
        if failure is not None:
            failures += 1
        if "sent_ms" in context:
            lags_ms.append(response_time_ms - context["sent_ms"])

class Raw(RawHttpUser):
    recorder = Recorder()
    spread_s = 0.1
    @classmethod
    def path(cls):
        return path.encode()
    def is_right(self, body, request_id):
        return body.endswith(b'"id":"REQUEST_ID"}')

class Fast(FastHttpUser):
    @task
    def run_request(self):
        self.client.get(path)

class Open(Raw, OpenUser):
    rate_rps = users  # of the only one

def note(response_time, exception, **_):
    Recorder().count("", response_time, 0, exception, {})

user = {"raw": Raw, "fast": Fast, "open": Open}[kind]
users = 1 if kind == "open" else users
runner = Environment(user_classes=[user], host=url).create_local_runner()
runner.environment.events.request.add_listener(note)
runner.start(users, spawn_rate=users)
gevent.sleep(2)
gc.collect()
gc.freeze()
gevent.sleep(0.5)  # what the collector held up has been sent and answered
times_ms, lags_ms, failures = [], [], 0
started = time.perf_counter()
gevent.sleep(seconds)
requests, took = len(times_ms), time.perf_counter() - started
figures = histogram.figures(histogram.of(times_ms))
if kind == "open":
    figures["lag_p99_ms"] = histogram.figures(histogram.of(lags_ms))["p99_ms"]
print(json.dumps({"rps": (requests - failures) / took, "failures": failures, **figures}))
runner.quit()
""".replace("REQUEST_ID", REQUEST_ID)

WRK_SCRIPT = """\
done = function(summary, latency)
  io.write(string.format("\\nresult %d %d %d\\n",
    summary.requests, summary.duration, latency:percentile(50)))
end
"""

Figures = dict[str, float]


def locust(kind: str, url: str, path: str, users: int, seconds: float) -> Figures:
    """One run of a Locust user on core 1: rps, failures and percentiles in ms."""
    command = ["taskset", "-c", "1", sys.executable, "-c", LOCUST, kind, url, path]
    done = subprocess.run(
        [*command, str(users), str(seconds)],
        capture_output=True,
        encoding="utf-8",
        timeout=seconds + 60,
    )
    if done.returncode:
        raise RuntimeError(f"locust failed: {done.stderr}")
    figures: Figures = json.loads(done.stdout)
    return figures


def wrk(url: str, path: str, users: int, seconds: float) -> Figures:
    """One run of wrk on core 1: rps and p50 in ms."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".lua") as file:
        file.write(WRK_SCRIPT)
        file.flush()
        command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{users}", f"-d{seconds:.0f}s"]
        command += ["-s", file.name, url + path]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=seconds + 60)
    requests, took_us, p50_us = map(int, done.stdout.rpartition("result ")[2].split())
    return {"rps": requests / took_us * 1e6, "p50_ms": p50_us / 1000}


def check(rounds: int, seconds: float) -> bool:
    """Measure in turn, print the medians, return whether the targets are met."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    runs: dict[str, Callable[[], Figures]] = {}
    for users in (50, 200):
        for kind in ("raw", "fast"):
            runs[f"{kind} {users}"] = partial(locust, kind, url, "/static", users, seconds)
        runs[f"wrk {users}"] = partial(wrk, url, "/static", users, seconds)
    runs["raw 1000 × 100 ms"] = partial(locust, "raw", url, "/delay/0.1", 1000, seconds)
    opened = f"open {TARGET_RATE_RPS}/s × 100 ms"
    runs[opened] = partial(locust, "open", url, "/delay/0.1", TARGET_RATE_RPS, seconds)
    runs["wrk 1000 × 100 ms"] = partial(wrk, url, "/delay/0.1", 1000, seconds)
    measured: dict[str, list[Figures]] = {name: [] for name in runs}
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "nginx.conf"
        modules = nginx_modules()
        conf.write_text(
            NGINX_CONF.format(modules=modules, folder=folder, port=port, request_id=REQUEST_ID)
        )
        with running(
            ["nginx", "-p", folder, "-e", "stderr", "-c", str(conf)], port, dict(os.environ)
        ):
            for _ in range(rounds):
                for name, run in runs.items():
                    measured[name].append(run())
    figures = {
        name: {key: median(row[key] for row in rows) for key in rows[0]}
        for name, rows in measured.items()
    }
    for name, row in figures.items():
        print(f"{name:20}", "  ".join(f"{key} {value:.1f}" for key, value in row.items()))
    over_fast, over_wrk = (
        [figures[f"raw {n}"]["rps"] / figures[f"{other} {n}"]["rps"] for n in (50, 200)]
        for other in ("fast", "wrk")
    )
    share = figures["raw 1000 × 100 ms"]["rps"] / 10_000
    apart = abs(figures["raw 1000 × 100 ms"]["p50_ms"] - figures["wrk 1000 × 100 ms"]["p50_ms"])
    for other, (few, many), least in (
        ("FastHttpUser", over_fast, TARGET_OVER_FAST),
        ("wrk", over_wrk, TARGET_OVER_WRK),
    ):
        print(f"raw over {other}: {few:.2f} at 50 users, {many:.2f} at 200 (at least {least:g})")
    print(f"of the limit at 1000 users × 100 ms: {share:.3f} (at least {TARGET_SHARE})")
    print(f"p50 apart from wrk's: {apart:.1f} ms (at most {TARGET_P50_MS:g})")
    arrivals = figures[opened]
    lag_ms = arrivals["lag_p99_ms"]
    print(f"open: {arrivals['rps']:.0f}/s (at least 98 % of {TARGET_RATE_RPS})")
    print(f"open: start lag p99 {lag_ms:.2f} ms (at most {TARGET_LAG_MS:g})")
    failures = sum(row.get("failures", 0) for row in figures.values())
    return (
        min(over_fast) >= TARGET_OVER_FAST
        and min(over_wrk) >= TARGET_OVER_WRK
        and share >= TARGET_SHARE
        and apart <= TARGET_P50_MS
        and arrivals["rps"] >= 0.98 * TARGET_RATE_RPS
        and lag_ms <= TARGET_LAG_MS
        and not failures
    )


def main() -> int:
    """Parse the command line, compare, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="length of one run")
    options = parser.parse_args()
    try:
        return 0 if check(options.rounds, options.seconds) else 1
    except (Missing, RuntimeError, FileNotFoundError) as error:
        print(f"check_generator: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
