"""Open users through Locust's command line: arrivals at a rate, whatever the answers do."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from argparse import ArgumentTypeError
from math import sqrt
from pathlib import Path

import locusts
import pytest
from servers import Request, Server, after_delay, correct

from loadtests.catalog import ROOT
from loadtests.runtime.ports import free_port

# A stream of 100 arrivals/s with few in flight, and one in a process that sleeps once.
SPECIAL = f"""
import sys, time, json, os
sys.path.insert(0, {str(ROOT)!r})
import gevent
from gevent.monkey import get_original
from locust import events
from loadtests.load import users
from loadtests.load.open_user import OpenUser

class Capped(users.DelayUser, OpenUser):
    delay = "1"
    arrivals = "even"
    rate_rps = 100
    most_in_flight = 5
    heads = 0
    def next_head(self):
        Capped.heads += 1
        return super().next_head()

class Overslept(users.DelayUser, OpenUser):
    delay = "0"
    arrivals = "even"
    rate_rps = 100
    def run_requests(self):
        gevent.spawn_later(1, get_original("time", "sleep"), 1)
        super().run_requests()

times = []

@events.request.add_listener
def note(response_time, context, **_):
    times.append((response_time, context.get("sent_ms")))

@events.quitting.add_listener
def write(**_):
    with open("times.json", "w") as file:
        json.dump(times, file)
    with open("heads.json", "w") as file:
        json.dump(Capped.heads, file)
"""


def special(folder: Path, name: str, url: str, time_s: float) -> locusts.Stats:
    path = folder / "users_of_a_test.py"
    path.write_text(SPECIAL)
    return locusts.run(folder, url, 1, time_s, name, locustfile=path)


def rate_rps(server: Server) -> float:
    """The rate of arrivals between the first and the last request."""
    times = sorted(request.at for request in server.requests)
    return (len(times) - 1) / (times[-1] - times[0])


def test_even_arrivals(tmp_path: Path) -> None:
    """Each user sends at its rate; requests in flight at the end are answered and counted."""
    with Server(after_delay) as server:
        load = ("--rate", "50", "--arrivals", "even", "--delay", "0.2")
        stats = locusts.run(tmp_path, server.url, 4, 4, *load)
    assert (stats.requests, stats.failures) == (len(server.requests), 0)
    assert len(set(server.ids())) == stats.requests
    assert rate_rps(server) == pytest.approx(200, rel=0.1)
    assert server.connections < stats.requests / 2  # they are used again


def test_arrivals_at_random(tmp_path: Path) -> None:
    with Server(correct) as server:
        load = ("--rate", "100", "--delay", "0")
        stats = locusts.run(tmp_path, server.url, 2, 4, *load)
    assert (stats.requests, stats.failures) == (len(server.requests), 0)
    sigma = sqrt(stats.requests) / stats.requests  # of their number, as a share of it
    assert rate_rps(server) == pytest.approx(200, rel=5 * sigma)


def test_gaps_of_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")  # not this process
    from loadtests.load.open_user import OpenUser

    user = OpenUser.__new__(OpenUser)
    user.rate_rps = 50.0
    gaps = [user._gap_s() for _ in range(10_000)]
    assert sum(gaps) == pytest.approx(200, abs=5 * 2)
    # Poisson's arrivals have gaps whose deviation is their mean.
    assert sum((gap - 0.02) ** 2 for gap in gaps) / 10_000 == pytest.approx(0.0004, rel=0.2)
    again = []
    for _ in range(2):
        user.rng = random.Random("5 1")  # type: ignore[misc]
        again.append([user._gap_s() for _ in range(10)])
    assert again[0] == again[1] != gaps[:10]
    user.arrivals = "even"
    assert {user._gap_s() for _ in range(10)} == {0.02}


def test_a_stall_of_the_service_shows_in_all_that_were_due_meanwhile(tmp_path: Path) -> None:
    """100 arrivals/s and a stall of 2 s: 150 wait for more than half a second."""
    begun = 0.0

    async def stall(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal begun
        begun = begun or time.perf_counter()
        since_s = time.perf_counter() - begun
        if 1 < since_s < 3:
            await asyncio.sleep(3 - since_s)
        await correct(request, writer)

    with Server(stall) as server:
        stats = locusts.run(tmp_path, server.url, 1, 6, "--rate", "100", "--delay", "0")
    assert stats.failures == 0
    slow = sum(n for time_ms, n in stats.response_times.items() if time_ms > 500)
    assert slow > 100


def test_times_count_from_when_a_request_was_due(tmp_path: Path) -> None:
    """The generator oversleeps: what it sends late is late, though answered at once."""
    with Server(correct) as server:
        stats = special(tmp_path, "Overslept", server.url, 4)
    times = json.loads((tmp_path / "times.json").read_text())
    assert (len(times), stats.requests) == (len(server.requests), len(server.requests))
    assert rate_rps(server) == pytest.approx(100, rel=0.15)
    late = [(due_ms, sent_ms) for due_ms, sent_ms in times if due_ms > 300]
    assert len(late) > 20
    assert sum(due_ms - sent_ms > 200 for due_ms, sent_ms in late) > 20


def test_requests_beyond_the_cap_are_counted_as_dropped(tmp_path: Path) -> None:
    most = now = 0

    async def watched(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(1)
        now -= 1
        await correct(request, writer)

    with Server(watched) as server:
        stats = special(tmp_path, "Capped", server.url, 4)
    dropped = stats.failure_kinds.pop("dropped")
    assert not stats.failure_kinds
    assert most == 5
    assert stats.failures == dropped > 0
    assert stats.requests == len(server.requests) + dropped
    # One that is dropped has a head of its own: so the next one has the same, whatever is dropped.
    assert json.loads((tmp_path / "heads.json").read_text()) == stats.requests
    rows = json.loads((tmp_path / "stats.json").read_text())
    assert {row["method"]: row["num_requests"] for row in rows} == {
        "GET": len(server.requests),
        "DROP": dropped,
    }


def test_several_processes(tmp_path: Path) -> None:
    with Server(after_delay) as server:
        load = ("--rate", "25", "--arrivals", "even", "--delay", "0.1")
        stats = locusts.run(tmp_path, server.url, 4, 4, *load, *locusts.two_processes())
    assert (stats.requests, stats.failures) == (len(server.requests), 0)
    assert rate_rps(server) == pytest.approx(100, rel=0.15)
    assert len(set(server.ids())) == len(server.requests)
    assert {text.split(".")[0] for text in server.ids()} == {"0", "1"}


def test_even_arrivals_whatever_the_processes() -> None:
    """Each of 4 users has its own place between the arrivals of the others, whenever it starts."""
    script = """
from itertools import count
from locust.env import Environment
from loadtests.load import open_user, users

class Even(users.DelayUser, open_user.OpenUser):
    host, arrivals, rate_rps = "http://127.0.0.1:9", "even", 10

def places(processes, each):
    clock = count(1000, 0.37)
    open_user.time = type("Clock", (), {"time": staticmethod(lambda: now)})
    Even.processes = processes
    for Even.process in range(processes):
        users.RawHttpUser._numbers = count()  # as in a process of its own
        for _ in range(each):
            user, now = Even(Environment()), next(clock)
            globals()["now"] = now
            user.on_start()
            yield round((now + user._first_gap_s()) % 0.1, 6) % 0.1

apart = sorted(places(4, 1))
assert apart == sorted(places(1, 4)) == sorted(places(2, 2)), apart
gaps = [b - a for a, b in zip(apart, [*apart[1:], apart[0] + 0.1])]
assert min(gaps) > 0.014, gaps
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60, check=True)


def test_master_and_worker(tmp_path: Path) -> None:
    """The rate is an option of the master; in its web form, too."""
    port = str(free_port())
    to_master = locusts.command("--worker", "--master-port", port, "--skip-log")
    worker = subprocess.Popen(to_master, cwd=tmp_path, env=locusts.environment())
    try:
        with Server(after_delay) as server:
            master = ("--master", "--master-bind-port", port, "--expect-workers", "1")
            load = ("--rate", "50", "--arrivals", "even", "--delay", "0.1")
            stats = locusts.run(tmp_path, server.url, 2, 4, *load, *master)
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()
    assert (stats.requests, stats.failures) == (len(server.requests), 0)
    assert rate_rps(server) == pytest.approx(100, rel=0.15)


def test_a_bad_rate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = locusts.command("--headless", "--rate=fast", "--host", "http://127.0.0.1:1")
    done = subprocess.run(asked, timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "from 0 to 100000, such as 250, not 'fast'" in done.stderr

    monkeypatch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")  # not this process
    from loadtests.load.open_user import valid_rate

    for good in ("", "0", "0.5", "100", "100000"):
        assert valid_rate(good) == good
    for bad in ("-1", "1e3", "nan", "100001", "1,5", " 1"):
        with pytest.raises(ArgumentTypeError, match="from 0 to 100000"):
            valid_rate(bad)


def test_an_alarm_rings_when_it_should() -> None:
    """An alarm is never early, rings at once if its instant is past, and blocks nobody."""
    script = """
import gevent
from time import perf_counter
from loadtests.load.alarm import Alarm

ran = []
gevent.spawn(ran.append, 1)
alarm = Alarm()
alarm.sleep_until(perf_counter() - 1)
assert ran == [1]
for wait_s in (0.0003, 0.02):
    at = perf_counter() + wait_s
    alarm.sleep_until(at)
    assert at <= perf_counter() < at + 2
alarm.close()
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=30, check=True)
