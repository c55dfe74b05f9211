"""The live page's figures, its form's errors, and its load made by processes of their own."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import locusts
import pytest
import servers
from commandline import until

from loadtests import catalog
from loadtests.catalog import ROOT
from loadtests.live import keeper
from loadtests.live.choice import first
from loadtests.live.figures import SHOWN_S, Figures, Report, Tally
from loadtests.load.burn import bursts
from loadtests.report.charts.theme import HUES
from loadtests.runtime import ServiceFailed, Usage
from loadtests.runtime.footprint import Footprint
from loadtests.runtime.ports import free_port
from loadtests.runtime.process import fetch
from services import contract


class Clock:
    """A clock that stands still."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def report(seconds: float, times_ms: list[float], **others: Any) -> Report:
    """A report of right answers with these response times."""
    tally = Tally()
    for time_ms in times_ms:
        tally.count(name="tornado /?delay=0.1", response_time=time_ms, exception=None, context={})
    made = tally.take(seconds, {"tornado": others.get("users", 10)}, {"tornado": 10.0})
    return made["tornado"]


def test_a_tally_counts_by_service_and_begins_anew() -> None:
    tally = Tally()
    tally.count("tornado /?delay=0.1", 100.04)
    tally.count("tornado /?delay=0.1", 300.0, ValueError())
    tally.count("flask-threads /?delay=0.1", None, ValueError())  # dropped: it was never sent
    made = tally.take(1.0, {"tornado": 2, "sanic": 0}, {"tornado": 1.5})
    assert made == {
        "tornado": Report(
            seconds=1.0, users=2, answers=1, failures=1, total_ms=400.04,
            times={100.0: 1, 300.0: 1}, in_flight=1.5,
        ),
        "flask-threads": Report(
            seconds=1.0, users=0, answers=0, failures=1, total_ms=0, times={}, in_flight=0.0
        ),
    }  # fmt: skip
    assert tally.take(1.0, {}, {}) == {}


def test_rates_of_several_processes_are_added() -> None:
    """Whenever their reports come, and however long each of them is."""
    clock = Clock(1000.2)
    figures = Figures(clock)
    for _ in range(4):
        figures.add("one", {"tornado": report(1.0, [100.0] * 50)})
        clock.now += 0.5
        figures.add("two", {"tornado": report(2.0, [200.0] * 100)})
        clock.now += 0.5
    found = figures.of("tornado")
    assert found["rps"] == pytest.approx(100)
    assert found["users"] == found["mean_users"] == 20
    assert found["in_flight"] == pytest.approx(20)
    # 50/s of 0.1 s, and 50/s of 0.2 s.
    assert found["little"] == pytest.approx(15)
    assert (found["p50_ms"], found["p99_ms"]) == (200.0, 200.0)


def test_a_series_has_a_point_a_second_and_gaps() -> None:
    clock = Clock(1000.0)
    figures = Figures(clock)
    for answers in (10, 30, 0, 20):
        clock.now += 1.0
        figures.add("one", {"tornado": report(1.0, [100.0] * answers)})
    clock.now += 2.0
    series = figures.of("tornado")["series"]
    assert figures.second() == 1004
    assert len(series) == SHOWN_S
    assert series[-5:] == [None, 10, 30, 0, 20]
    assert set(series[:-5]) == {None}


def test_percentiles_are_those_of_all_requests() -> None:
    clock = Clock(5.0)
    figures = Figures(clock)
    figures.add("one", {"tornado": report(1.0, [float(time_ms) for time_ms in range(1, 101)])})
    found = figures.of("tornado")
    assert (found["p50_ms"], found["p99_ms"]) == (50.0, 99.0)
    clock.now += 100
    assert figures.of("tornado")["p50_ms"] is None
    assert figures.of("nobody")["rps"] is None


def test_cpu_is_that_between_two_looks() -> None:
    clock = Clock(5.0)
    figures = Figures(clock)
    figures.use("tornado", 3.0, 1 << 20)
    assert figures.of("tornado")["cpu"] is None
    clock.now += 2.0
    figures.use("tornado", 4.0, 2 << 20)
    found = figures.of("tornado")
    assert (found["cpu"], found["pss_bytes"]) == (0.5, 2 << 20)


@pytest.mark.parametrize("cycles", [1, 9_999_999, 10_000_000, 35_000_000])
def test_a_burst_is_made_of_what_services_accept(cycles: int) -> None:
    made = bursts(cycles)
    assert all(0 < burst <= contract.MAX_CYCLES for burst in made)
    assert sum(made) == pytest.approx(cycles, rel=0.001)


def test_the_first_two_are_of_different_models() -> None:
    services = [
        {"name": "bare", "model": "greenlets", "kind": "bare"},
        {"name": "fast", "model": "event loop", "kind": "stock"},
        {"name": "faster", "model": "event loop", "kind": "stock"},
        {"name": "pool", "model": "threads", "kind": "stock"},
    ]
    assert first(services) == ["pool", "fast"]
    assert first([{"name": "a"}, {"name": "b"}, {"name": "c"}]) == ["a", "b"]


FORM = {"services": ["a", "b"], "delay": "0.1", "by": "users", "load": "50", "when": "at once"}
REFUSED = {
    "none": ({"services": []}, "choose one to 4 different services"),
    "too many": ({"services": [*"abcde"]}, "choose one to 4"),
    "unknown": ({"services": ["a", "c"]}, "no service 'c'"),
    "no list": ({"services": "ab"}, "choose one to 4"),
    "delay": ({"delay": "soon"}, "the delay must be a number from 0 to 60, such as 0.1"),
    "delays": (
        {"delay": "lognormal 0.1"},
        "the delay is wrong: delays must be constant S, lognormal",
    ),
    "a file": ({"delay": "file /etc/hosts"}, "the delay must be a number from 0 to 60"),
    "users": ({"load": "many"}, "users must be a whole number from 1 to 2000, not many"),
    "no users": ({"load": "0"}, "users must be a whole number"),
    "rate": ({"by": "rate", "load": "-1"}, "the rate must be a number from 0 to 100000"),
    "no rate": ({"by": "rate", "load": "0"}, "the rate must be above 0"),
}


class Asking(BaseHTTPRequestHandler):
    """The web UI as its keeper sees it: it always wants two services, and loads one."""

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append(said)  # type: ignore[attr-defined]
        answer = json.dumps({"wanted": ["tornado", "sanic"], "loaded": ["tornado"]}).encode()
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + answer)


class Mortal:
    """A service that ends after the second look at it."""

    looks = 0

    def usage(self) -> Usage:
        self.looks += 1
        if self.looks > 2:
            raise ServiceFailed("tornado exited with 3 in mid-run")
        return Usage(cpu_s=1.5, rss_bytes=0)

    def footprint(self, switches: bool) -> Footprint:
        return Footprint(pss_bytes=1 << 20)


def test_what_does_not_start_or_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keeper tells the web UI why, and what runs is stopped when it is left."""
    monkeypatch.setattr(keeper, "EVERY_S", 0.0)
    monkeypatch.setattr(keeper, "LOOK_EVERY_S", 0.0)
    stopped = []

    @contextmanager
    def start(service: catalog.Service) -> Iterator[Any]:
        if service.name == "sanic":
            raise ServiceFailed("sanic exited with 1 before it was ready", "first\nno module x\n")
        yield Mortal()
        stopped.append(service.name)

    with HTTPServer(("127.0.0.1", 0), Asking) as server:
        server.heard = heard = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        services = [catalog.load("tornado"), catalog.load("sanic")]
        with keeper.Keeper(url, services, start) as keeping:
            keeping.keep(lambda: len(heard) < 5)
        server.shutdown()
    assert heard[0]["about"]["tornado"]["waits"] == catalog.load("tornado").waits
    assert heard[0]["about"]["tornado"]["hues"] == list(HUES["coroutine"])
    assert (heard[0]["up"], heard[0]["failed"]) == ([], {})
    assert heard[1]["failed"] == {"sanic": "sanic exited with 1 before it was ready: no module x"}
    assert heard[1]["uses"] == {"tornado": [1.5, 1 << 20]}
    assert heard[3]["failed"]["tornado"] == "tornado exited with 3 in mid-run"
    assert heard[3]["up"] == []
    assert heard[4]["up"] == ["tornado"]  # it was still wanted, and started again
    assert stopped == ["tornado", "tornado"]


def test_delays_are_drawn_alike_for_each_service() -> None:
    script = """
from itertools import islice
from locust.env import Environment
from types import SimpleNamespace
from loadtests.live import users

a, b = users.kinds("a=http://127.0.0.1:1 b=http://127.0.0.1:2").values()

def configured(delay):
    options = SimpleNamespace(delay=delay, rate="", arrivals="poisson")
    users.configure(Environment(parsed_options=options))
    return [list(islice(kind.drawn, 50)) for kind in (a, b)]

one, other = configured("lognormal 0.1 1")
assert one == other and len(set(one)) > 20, (one, other)
assert configured("lognormal 0.1 1") == [one, other]
assert (a.label(), a.mean_s()) == ("a /?delay=lognormal 0.1 1", 0.1)
one, other = configured("0.05")
assert one == other == [b"0.05"] * 50
assert (a.label(), a.mean_s()) == ("a /?delay=0.05", 0.05)
users.configure(Environment(parsed_options=SimpleNamespace(delay="x", rate="", arrivals="even")))
assert a.delays is None and a.mean_s() == 0
"""
    asked = [sys.executable, "-c", script]
    done = subprocess.run(asked, cwd=ROOT, timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--delay must be a number from 0 to 60, such as 0.1, or lognormal" in done.stderr
    assert "not 'x': nothing is sent" in done.stderr


def post(url: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Press a button of the page: the status of the answer, and the answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", f"/live/{path}", json.dumps(body), headers)
    answer = connection.getresponse()
    status, document = answer.status, json.load(answer)
    connection.close()
    return status, document


@pytest.fixture(scope="module")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The web UI of a master with one worker, over two services: its URL, once it answers."""
    web, bind = str(free_port()), str(free_port())
    roles = (
        ("--master", "--web-host", "127.0.0.1", "--web-port", web, "--master-bind-port", bind),
        ("--worker", "--master-host", "127.0.0.1", "--master-port", bind),
    )
    with ExitStack() as stack:
        services = [stack.enter_context(servers.Server(servers.after_delay)) for _ in range(2)]
        targets = " ".join(f"{name}={one.url}" for name, one in zip("ab", services, strict=True))
        for role in roles:
            process = stack.enter_context(
                subprocess.Popen(
                    locusts.command("--skip-log", *role),
                    cwd=tmp_path_factory.mktemp("locust"),
                    env=locusts.environment(TARGETS=targets),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            stack.callback(process.kill)
        url = f"http://127.0.0.1:{web}"

        def answers() -> bool:
            try:
                return fetch(f"{url}/live/figures")[0] == 200
            except OSError:
                return False

        assert until(answers, 60)
        yield url


@pytest.mark.parametrize(("fields", "reason"), REFUSED.values(), ids=REFUSED)
def test_the_form_says_what_is_wrong(distributed: str, fields: dict[str, Any], reason: str) -> None:
    status, said = post(distributed, "start", {**FORM, **fields})
    assert status == 400
    assert reason in said["error"]


def test_with_a_worker_the_page_is_the_master_s(distributed: str) -> None:
    """The load is the worker's, and its figures come to the page by Locust's messages."""

    start = {**FORM, "delay": "0.05", "load": "5"}
    assert until(lambda: post(distributed, "start", start) == (200, {}), 60)

    def shown() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(fetch(f"{distributed}/live/figures")[1])["services"]
        return found

    # Both figures of a moment: the rate is that of a few seconds.
    assert until(lambda: all(one["rps"] and one["users"] == 5 for one in shown().values()), 60)
    figures = shown()
    assert set(figures) == {"a", "b"}
    for one in figures.values():
        assert one["failures"] == 0
        assert one["p50_ms"] >= 50
    # Nobody here keeps services up, so none has CPU time; and there is no backend to freeze.
    assert figures["a"]["cpu"] is None
    status, said = post(distributed, "freeze", {})
    assert (status, said["error"]) == (400, "the backend's address is not known: set BACKEND_URL")
    assert post(distributed, "fault", {"fault": "silent"}) == (400, said)
    assert post(distributed, "fault", {"fault": "no"}) == (400, {"error": "no fault 'no'"})
    drawn = {**start, "delay": "bimodal 0.02 0.06 0.5"}
    assert post(distributed, "start", drawn) == (200, {})
    assert until(lambda: all(one["rps"] and one["limit_rps"] for one in shown().values()), 60)
    for one in shown().values():
        assert one["failures"] == 0
        assert one["limit_rps"] <= 5 / 0.04 + 0.001  # of as many users as there were so far
    assert post(distributed, "stop", {}) == (200, {})
    assert post(distributed, "more", {}) == (400, {"error": "no test runs"})
