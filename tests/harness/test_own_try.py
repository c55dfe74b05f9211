"""`waits try` and `waits upstream`, as somebody runs them who has never seen this checkout."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from statistics import fmean

import pytest

from loadtests.catalog import ROOT
from loadtests.errors import UsageError
from loadtests.own import advice, listening
from loadtests.own.trial import Measured
from loadtests.own.upstream import _delays
from loadtests.record import Point
from loadtests.runtime import environments
from loadtests.runtime.ports import free_port, is_free
from loadtests.runtime.process import fetch
from tests.harness.commandline import Command, until
from tests.harness.own.started import PLAIN, plain, started, upstream
from tests.harness.servers import Request, Server, response

START = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); from loadtests.cli.main import main; main()"
)
WAITS = (sys.executable, "-c", START)  # from whichever folder


def tried(url: str, *arguments: str, cwd: Path | None = None) -> tuple[int, str, str]:
    """`waits try` in short windows: status, output, complaints."""
    words = ("try", url, "--seconds", "0.5", *arguments)
    with Command(*words, command=WAITS, cwd=cwd) as command:
        return command.end()


def rows(said: str) -> dict[int, list[str]]:
    """The cells of the table by the number of users, without signs that a figure is a bound."""
    lines = re.sub("[≥≤] |max ", "", said).splitlines()
    return {int(line.split()[0]): line.split() for line in lines if re.match(r" *\d+ +[-\d]", line)}


def test_a_service_with_few_slots_and_a_known_delay(tmp_path: Path) -> None:
    # Users begin within the delay: a pause of the machine must not be the most of it.
    with started(plain("slots=4", "delay=0.5")) as (url, pid):
        status, said, _ = tried(
            f"{url}/orders/1", "--users", "2,20", "--delay", "0.5", cwd=tmp_path
        )
    assert status == 0, said
    assert f"process {pid} (" in said and "found by port" in said
    table = rows(said)
    assert [table[users][1] for users in (2, 20)] == ["4", "40"]  # the limit
    assert 0 < float(table[2][2]) <= 4.1
    assert float(table[20][2]) <= 9, "4 slots of 0.5 s"
    slow = table[20][4]  # not there where some were never served
    assert slow == "-" or float(slow) >= 1500, "the others wait for their turn"
    assert "beside it: " in said and "Change first: " in said
    assert not list(tmp_path.iterdir())


def test_failures_are_counted_by_status() -> None:
    with started(plain("fails=4", "delay=0.01")) as (url, _):
        status, said, _ = tried(f"{url}/orders/1", "--users", "4", "-X", "POST", "-d", "{}")
    assert status == 1
    assert re.search(r"4 users: (\d+) of \d+ failed: status 503 × \1\n", said), said
    assert "Change first: Failures: " in said


def test_an_answer_that_is_never_right_is_not_measured() -> None:
    with started(plain()) as (url, _):
        status, _, complaint = tried(f"{url}/nothing")
        assert status == 1 and "was answered with status 404: '{}'" in complaint
    status, _, complaint = tried(f"{url}/orders/1")
    assert (
        status == 1 and f"refused: nothing listens on {url.removeprefix('http://')};" in complaint
    )


@pytest.mark.parametrize("each", [1, 3])
def test_a_500_is_reported_and_not_that_its_connection_was_closed(each: int) -> None:
    """As uvicorn does after an error that nobody handles: at once, and no header says so."""

    async def send(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        fails = request.number % each == 0
        writer.write(response(b"", status="500 Error" if fails else "200 OK"))
        if fails:
            writer.close()

    with Server(send) as server:
        status, said, complaint = tried(server.url, "--users", "2")
    assert status == 1 and "reset" not in said + complaint
    assert "status 500" in (complaint if each == 1 else said)


def test_its_processes_are_found_with_what_they_started() -> None:
    keeps = f"import subprocess, sys; subprocess.Popen([sys.executable, {PLAIN!r}]).wait()"
    with started([sys.executable, "-c", keeps]) as (url, pid):
        port = int(url.rpartition(":")[2])
        (found,) = listening.listeners(port)
        assert found.ppid() == pid
        tree, which = listening.tree(port, pid)
        assert tree is not None and "as --pid says" in which and "1 that it started" in which
        assert {process.pid for process in tree.processes()} == {pid, found.pid}
        assert tree.each().keys() == {pid, found.pid}
        assert tree.footprint(switches=False).pss_bytes
        found.kill()
    assert listening.tree(free_port(), None)[0] is None
    with pytest.raises(UsageError, match=f"--pid {2**22 + 1}: there is no such process"):
        listening.tree(port, 2**22 + 1)


GUNICORN = ("gunicorn", "--threads", "20", "-b", "127.0.0.1:{port}")
APPS = {
    "fastapi-httpx": ("uvicorn", "with_fastapi:app", "--port", "{port}", "--no-access-log"),
    "flask-threads-requests": (*GUNICORN, "with_flask:app"),
    "django-threads": (*GUNICORN, "with_django:application"),
}


@pytest.mark.parametrize("environment", APPS)
def test_an_application_as_readers_have_it(environment: str, tmp_path: Path) -> None:
    environments.ensure([environment])
    programs = environments.python(environment).parent
    program, *words = APPS[environment]
    command = [str(programs / "python"), str(programs / program), *words]
    with upstream(0.05) as url, started(command, UPSTREAM=url) as (own, pid):
        status, said, complaint = tried(f"{own}/orders/7", "--users", "4", "--delay", "0.05")
        calls = fetch(f"{url}/stats")[1]
    assert status == 0, said + complaint
    assert f"process {pid} (" in said
    assert 0 < float(rows(said)[4][2]) <= 81
    assert b'"calls":0' not in calls
    framework = environment.partition("-")[0]
    assert re.findall(r"beside it: (\w+)", said)[0] == framework


def test_an_upstream_answers_until_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    with Command(
        *("upstream", "--delay", "0.02", "--port", str(port), "--body", "100"),
        command=WAITS,
        cwd=tmp_path,
    ) as command:
        command.until_it_says("Ctrl-C ends it")
        assert f"http://127.0.0.1:{port}\n" in command.said
        status, body = fetch(f"http://127.0.0.1:{port}/any/thing?x=1", "DELETE")
        assert (status, len(body)) == (200, 100)
        command.interrupt()
        assert command.end()[0] == 0
        assert until(lambda: not command.processes())
    assert is_free(port) and not list(tmp_path.iterdir())


def test_an_upstream_with_drawn_delays_and_faults() -> None:
    port = free_port()
    asked = ("upstream", "--delay", "bimodal 0.01 0.1 0.5", "--port", str(port))
    with Command(*asked, command=WAITS) as command:
        url = f"http://127.0.0.1:{port}"
        command.until_it_says(f"curl -X POST {url}/fault/500/0.1/10")
        answers = [json.loads(fetch(f"{url}/orders/{number}")[1]) for number in range(30)]
        assert {answer["delay"] for answer in answers} == {0.01, 0.1}
        assert fetch(f"{url}/fault/500/1/60", "POST")[0] == 200
        assert fetch(f"{url}/orders/1")[0] == 500
        assert fetch(f"{url}/reset", "POST")[0] == 200
        assert fetch(f"{url}/orders/1")[0] == 200
        command.interrupt()
        assert command.end()[0] == 0


def test_delays_of_an_upstream(tmp_path: Path) -> None:
    """All together have the mean and the tail that they should; those of a file keep its order."""
    assert _delays("200ms") == [0.2]
    drawn = _delays("bimodal 0.05 3 0.01")
    assert (len(drawn), drawn.count(3.0), drawn.count(0.05)) == (1000, 10, 990)
    assert drawn != sorted(drawn)
    assert fmean(_delays("lognormal 0.1 1")) == pytest.approx(0.1, rel=0.02)
    recorded = tmp_path / "recorded"
    recorded.write_text("0.2\n0.05\n1.5\n")
    assert _delays(f"file {recorded}") == [0.2, 0.05, 1.5]
    recorded.write_text("0.1 0.3\n" * 1000)
    many = _delays(f"file {recorded}")
    assert (len(many), many.count(0.1)) == (1000, 500)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--delay", "61"], "--delay must be seconds, like 0.2 or 200ms, from 0 to 60"),
        (["--delay", "0,2"], "not 0,2: write 0.2"),
        (["--delay", "lognormal 0.1"], "--delay: delays must be constant S, lognormal MEAN SIGMA"),
        (["--delay", "lognormal 50 1"], "more than 1 % from it"),
        (["--body", "-1"], "--body must be from 0"),
        (["--port", "0"], "--port must be a port"),
    ],
)
def test_an_upstream_that_cannot_be(words: list[str], says: str) -> None:
    with Command("upstream", *words) as command:
        status, _, complaint = command.end()
    assert status == 2 and says in complaint


def window(users: int, rps: float, cores: float | None = 0.1, **other: object) -> Measured:
    """A window of 3 s with an upstream of 0.1 s."""
    given = {"requests": int(3 * rps), "p50_ms": 100.0, "cpu_ms_per_request": 1.0, **other}
    about = {"profile": "try", "service": "own", "scenario": "", "round": 1, "rate_rps": None}
    point = Point(users=users, rps=rps, delay_s=0.1, duration_s=3.0, **about, **given)
    return Measured(point, cores, cores, 0.0)


@pytest.mark.parametrize(
    ("windows", "says"),
    [
        ([window(10, 100), window(50, 497)], "Nothing up to 50 users"),
        ([window(10, 99), window(50, 100)], "10 is what you get with requests"),
        ([window(50, 399), window(200, 400)], "thread pool of Starlette"),
        ([window(50, 9.9)], "1 is what you get with a blocking call"),
        ([window(50, 255)], "about 26 of 50 requests wait"),
        ([window(50, 255, None)], "Slots: about 26 of 50"),
        ([window(50, 255), window(200, 260)], "about 26 of 50 requests wait"),  # of one window
        ([window(50, 255)], "Slots are threads, or the connections of the client's pool"),
        ([window(10, 500), window(50, 2000)], "--delay 0.1 may be wrong: 500 requests/s for 10"),
        ([window(50, 430)], "neither CPU nor slots stand out"),
        ([window(50, 300, 0.95)], "a process fills its core at 50 users, with 1 ms"),
        ([window(50, 400, 0.9), window(200, 90, 0.95)], "It collapses: 90/s for 200 users"),
        ([window(50, 490, 0.9, failures=20)], "Failures: 20 of 1,470"),
        ([window(50, 400, 0.5, bound="generator")], "The load generator is the limit"),
        ([window(50, 400, 0.5, overslept_p99_ms=40.0)], "up to 40 ms late"),
    ],
)
def test_the_advice_follows_from_the_figures(windows: list[Measured], says: str) -> None:
    assert says in advice.first(windows, 0.1)


@pytest.mark.parametrize(
    ("windows", "says"),
    [
        ([window(10, 100), window(50, 497)], "Nothing stands out up to 50 users"),
        ([window(10, 99), window(50, 100)], "Slots or the upstream: only 0.10 of a core is in use"),
        ([window(50, 300, 0.95)], "a process fills its core at 50 users"),
    ],
)
def test_where_the_wait_is_not_known_none_is_made_up(windows: list[Measured], says: str) -> None:
    said = advice.first(windows, None)
    assert says in said
    assert "wait for the upstream" not in said and "what the wait allows" not in said


def test_cpu_in_the_advice_is_that_of_the_table() -> None:
    alone, of_two = window(50, 255, 0.16), Measured(window(50, 255).point, 0.16, 0.06)
    assert "only 0.16 of a core is in use" in advice.first([alone], 0.1)
    assert "its busiest process uses only 0.06 of a core" in advice.first([of_two], 0.1)


def test_another_machine_is_not_matched_with_a_process_of_this_one() -> None:
    """Whatever listens here on the port that a tunnel has."""
    with started(plain("delay=0.01")) as (url, pid):
        status, said, _ = tried(f"{url}/orders/1", "--users", "2", "--remote")
    assert status == 0, said
    assert "on another machine" in said and str(pid) not in said.splitlines()[0]
    assert rows(said)[2][-3:] == ["-", "-", "-"]


def test_a_service_that_got_no_core_is_not_said_to_lack_slots() -> None:
    measured = Measured(window(50, 200).point, 0.4, 0.4, 0.5)
    assert "stood in the queue for one for 50%" in advice.first([measured], 0.1)


def test_where_it_came_from_is_on_this_machine() -> None:
    assert all(map(listening.is_here, ("127.0.0.1", "localhost", "::1")))
    assert not listening.is_here("192.0.2.1")
    assert not listening.is_here("no.such.host.invalid")
