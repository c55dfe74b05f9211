"""The raw users, started through Locust's command line, against servers good and bad."""

from __future__ import annotations

import asyncio
import subprocess
from argparse import ArgumentTypeError
from collections import Counter
from pathlib import Path

import locusts
import pytest
from servers import Request, Server, after_delay, chunked, correct, in_pieces, reset, response

from loadtests.catalog import ROOT
from loadtests.runtime.ports import free_port
from loadtests.runtime.process import raise_descriptor_limit

# Users with other settings than the command line can give.
IMPATIENT = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from loadtests.load import users

class Impatient(users.DelayUser):
    delay = "0.01"
    timeout_s = 1.0
    pause_after_failure_s = 0.01

class Leaving(users.DelayUser):
    delay = "0.01"
    new_connections = True

class Herd(users.DelayUser):
    delay = "5"
    spread_s = property(lambda self: 0.0, lambda self, value: None)
"""


def locustfile(folder: Path) -> Path:
    path = folder / "users_of_a_test.py"
    path.write_text(IMPATIENT)
    return path


def sent_once(server: Server) -> bool:
    """No request came twice: Locust's users give each an id of its own."""
    return len(set(server.ids())) == len(server.ids())


def test_every_dropped_connection_is_one_failure(tmp_path: Path) -> None:
    async def one_in_six(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.number % 6:
            await correct(request, writer)
        else:
            writer.close()

    with Server(one_in_six) as server:
        stats = locusts.run(tmp_path, server.url, 6, 4, "--delay", "0")
    dealt = len(server.requests) // 6
    assert dealt > 2
    assert (stats.requests, stats.failures) == (len(server.requests), dealt)
    assert stats.failure_kinds == {"reset": dealt}
    assert sent_once(server)


# Answers that are wrong, or right in an unusual way, and how they have to be counted.
CONDUCT = {
    "correct": "",
    "split": "",
    "chunked": "",
    "chunked and split": "",
    "told to close": "",
    "lower case": "",
    "HTTP/1.0": "",
    "hangs up": "reset",
    "resets": "reset",
    "truncated": "reset",
    "silent": "timeout",
    "stuck in the head": "timeout",
    "error": "bad status",
    "redirect": "bad status",
    "garbage": "bad status",
    "no length": "bad status",
    "longer than announced": "wrong body",
    "other id": "wrong body",
    "other delay": "wrong body",
    "empty": "wrong body",
    "bad chunks": "wrong body",
}


async def misbehave(request: Request, writer: asyncio.StreamWriter) -> None:
    """Do everything in CONDUCT, in turn."""
    body = request.body()
    whole = response(body)
    match list(CONDUCT)[request.number % len(CONDUCT)]:
        case "correct":
            writer.write(whole)
        case "split":
            await in_pieces(writer, whole)
        case "chunked":
            writer.write(chunked(body))
        case "chunked and split":
            await in_pieces(writer, chunked(body))
        case "told to close":
            writer.write(response(body, "Connection: close"))
            writer.close()
        case "lower case":
            writer.write(whole.replace(b"Content-Length: ", b"content-length:"))
        case "HTTP/1.0":  # which closes without saying so
            writer.write(whole.replace(b"HTTP/1.1", b"HTTP/1.0"))
            writer.close()
        case "hangs up":
            writer.close()
        case "resets":
            reset(writer)
        case "truncated":
            writer.write(whole[:-3])
            writer.close()
        case "silent":
            pass
        case "stuck in the head":
            writer.write(whole[:20])
        case "error":
            writer.write(response(b'{"error":"no"}', status="502 Bad Gateway"))
        case "redirect":
            writer.write(response(b"", "Location: /", status="302 Found"))
        case "garbage":
            writer.write(b"220 mail.example ESMTP\r\n\r\n")
        case "no length":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        case "longer than announced":
            writer.write(whole + b"x")
        case "other id":
            writer.write(response(body.replace(request.id.encode(), b"0-0-0")))
        case "other delay":
            writer.write(response(body.replace(b"0.01", b"0.02")))
        case "empty":
            writer.write(response(b""))
        case "bad chunks":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n")


def test_a_new_connection_for_each_request(tmp_path: Path) -> None:
    async def once(request: Request, writer: asyncio.StreamWriter) -> None:
        assert request.last
        writer.write(response(request.body(), "Connection: close"))
        writer.close()

    with Server(once) as server:
        stats = locusts.run(tmp_path, server.url, 5, 2, "Leaving", locustfile=locustfile(tmp_path))
    assert len(server.requests) > 5  # users: each sends more than one
    assert all(request.first and request.last for request in server.requests)
    assert (stats.requests, stats.failures) == (len(server.requests), 0)


def test_every_kind_of_failure_is_counted_once(tmp_path: Path) -> None:
    with Server(misbehave) as server:
        stats = locusts.run(
            tmp_path, server.url, 20, 5, "Impatient", locustfile=locustfile(tmp_path)
        )
    dealt: Counter[str] = Counter()
    for request in server.requests:
        dealt[list(CONDUCT.values())[request.number % len(CONDUCT)]] += 1
    assert len(server.requests) > 3 * len(CONDUCT)
    assert stats.requests == len(server.requests)
    assert stats.failures == len(server.requests) - dealt.pop("")
    assert stats.failure_kinds == dealt
    assert sent_once(server)


def test_nobody_listens(tmp_path: Path) -> None:
    stats = locusts.run(tmp_path, f"http://127.0.0.1:{free_port()}", 5, 4)
    assert stats.failure_kinds == {"refused": stats.requests}
    # Each of the five tries ten times a second, not as often as the core allows.
    assert 5 <= stats.requests <= 5 * 10 * 4


def test_descriptors_above_1024_keep_one_connection_each(tmp_path: Path) -> None:
    raise_descriptor_limit(4096)  # for the server, which is in this process
    with Server(after_delay) as server:
        stats = locusts.run(tmp_path, server.url, 1200, 6, "--delay", "0.5")
    assert (stats.failures, server.connections) == (0, 1200)
    assert stats.requests == len(server.requests) > 1200
    assert sent_once(server)


def largest_share(server: Server, span_s: float) -> float:
    """The largest share of the first requests that came within `span_s`."""
    times = sorted(request.at for request in server.requests if request.first)
    within = (sum(start <= at < start + span_s for at in times) for start in times)
    return max(within) / len(times)


@pytest.mark.parametrize(
    ("user", "at_least", "at_most"), [("DelayUser", 0.1, 0.35), ("Herd", 0.6, 1)]
)
def test_starts_are_spread_over_one_delay(
    tmp_path: Path, user: str, at_least: float, at_most: float
) -> None:
    """Spread evenly, a fifth of the first requests comes in any fifth of the delay.

    The delay is long: a busy machine may hold all of them up for some tenths of a second.
    """
    with Server(after_delay) as server:
        if user == "Herd":
            locusts.run(tmp_path, server.url, 200, 7, "Herd", locustfile=locustfile(tmp_path))
        else:
            locusts.run(tmp_path, server.url, 200, 7, "--delay", "5")
    assert server.connections == 200
    assert at_least <= largest_share(server, 1.0) <= at_most


def precise(times: dict[float, int]) -> bool:
    """True if response times are kept to 0.1 ms, and not to two significant digits."""
    tenths = [time * 10 for time in times]
    fine = all(abs(tenth - round(tenth)) < 1e-6 for tenth in tenths)
    return fine and any(round(tenth) % 10 for tenth in tenths)


def test_response_times_are_kept_to_a_tenth_of_a_millisecond(tmp_path: Path) -> None:
    with Server(after_delay) as server:
        stats = locusts.run(tmp_path, server.url, 20, 3, "--delay", "0.1")
    assert sum(stats.response_times.values()) == stats.requests
    assert precise(stats.response_times)
    assert min(stats.response_times) >= 99.9


def test_all_that_is_shown_is_shown_to_a_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")  # not this process
    from locust.stats import RequestStats

    import loadtests.load.users  # noqa: F401  what it does to Locust is tested

    stats = RequestStats()
    for time in (101.26, 105.04, 1234.56):
        stats.log_request("GET", "/", time, 1)
    shown = stats.get("/", "GET").to_dict()
    assert (shown["min_response_time"], shown["max_response_time"]) == (101.3, 1234.6)
    assert (shown["median_response_time"], shown["response_time_percentile_0.95"]) == (105, 1234.6)


async def uneven(request: Request, writer: asyncio.StreamWriter) -> None:
    """Have every other user wait three times as long, so that it sends a quarter of all."""
    await asyncio.sleep(float(request.delay) * (3 if request.connection % 2 else 1))
    await correct(request, writer)


def right_percentiles(stats: locusts.Stats) -> bool:
    """True if the merged times of `uneven`, asked for 0.1 s, are as Locust says, to 0.1 ms."""
    everything = sum(stats.response_times.values()) == stats.requests
    both = {stats.p50_ms, stats.p90_ms} <= stats.response_times.keys()
    return everything and both and 99.9 <= stats.p50_ms < 300 - 0.1 <= stats.p90_ms


def test_two_processes_count_all_requests(tmp_path: Path) -> None:
    with Server(uneven) as server:
        stats = locusts.run(tmp_path, server.url, 20, 3, "--delay", "0.1", *locusts.two_processes())
    assert (stats.requests, stats.failures) == (len(server.requests), 0)
    assert (server.connections, precise(stats.response_times)) == (20, True)
    assert stats.requests > 20  # each user more than once
    assert right_percentiles(stats)


def test_what_is_answered_after_the_end_is_counted(tmp_path: Path) -> None:
    """Locust itself waits half a second for what its processes have counted."""
    with Server(after_delay) as server:
        stats = locusts.run(tmp_path, server.url, 20, 2, "--delay", "4", *locusts.two_processes())
    assert (stats.requests, stats.failures) == (len(server.requests), 0)
    assert min(stats.response_times) >= 3999.9  # all of them
    assert stats.requests > 2


def test_master_and_worker_count_all_requests(tmp_path: Path) -> None:
    port = str(free_port())
    to_master = locusts.command("--worker", "--master-port", port, "--skip-log")
    worker = subprocess.Popen(to_master, cwd=tmp_path, env=locusts.environment())
    try:
        with Server(uneven) as server:
            master = ("--master", "--master-bind-port", port, "--expect-workers", "1")
            stats = locusts.run(tmp_path, server.url, 20, 3, "--delay", "0.1", *master)
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()
    assert (stats.requests, stats.failures) == (len(server.requests), 0)
    assert (server.connections, precise(stats.response_times)) == (20, True)
    assert stats.requests > 20  # each user more than once
    assert right_percentiles(stats)


def test_the_chosen_service_gets_the_load(tmp_path: Path) -> None:
    with Server(correct) as one, Server(correct) as other:
        load = ("-u", "2", "-r", "2", "-t", "3s", "--delay", "0", "--service", "other")
        done = subprocess.run(
            locusts.command(*locusts.GENTLY, *load),
            env=locusts.environment(TARGETS=f"one={one.url} other={other.url}"),
            timeout=60,
            check=False,
        )
    assert done.returncode == 0
    assert not one.requests
    assert other.requests


def test_no_host_is_one_line_before_anything_is_started() -> None:
    """Of processes that were started already an error of the first would leave the others."""
    said = []
    for host in ((), ("--host", "a:80")):
        load = ("--headless", "-u", "20", "-r", "20", "-t", "3s", "--processes", "2", *host)
        asked = subprocess.run(
            locusts.command(*load),
            env=locusts.environment(),
            timeout=60,
            capture_output=True,
            text=True,
            check=False,
        )
        said.append((asked.returncode, asked.stdout, asked.stderr))
    line = "--host: the host must look like http://name:port, not {!r}\n"
    assert said == [(2, "", line.format(host)) for host in ("", "a:80")]


def test_the_clients_own_limit_follows_the_delay(tmp_path: Path) -> None:
    """A request may have to wait for those before it: 60 s are less than two of 35 s."""
    probe = tmp_path / "limit.py"
    probe.write_text(
        "from locust import events\n"
        "@events.test_stop.add_listener\n"
        "def say(environment, **_):\n"
        "    for kind in environment.user_classes:\n"
        "        print(kind.timeout_s)\n"
    )
    load = ("--headless", "-t", "1s", "--host", "http://127.0.0.1:9", "--delay", "35")
    files = (locusts.LOCUSTFILE, probe)
    asked = subprocess.run(
        locusts.command(*load, "--only-summary", files=files),
        env=locusts.environment(),
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.stdout.startswith("410.0\n"), asked.stderr


def test_a_bad_delay_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = locusts.command("--headless", "--delay=nan", "--host", "http://127.0.0.1:1")
    done = subprocess.run(asked, timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert (
        "from 0 to 60, such as 0.1, or lognormal 0.1 1 or bimodal 0.05 3 0.01, not 'nan'"
        in done.stderr
    )

    monkeypatch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")  # not this process
    from loadtests.live.users import DRAWN, valid_delay

    for good in ("0", "0.1", "0.10", "9", "59.999999", "60", "60.0", *DRAWN):
        assert valid_delay(good) == good
    for bad in (
        "-1",
        "61",
        "60.1",
        "1e1",
        "nan",
        "inf",
        "",
        " 1",
        "1 ",
        "01",
        ".5",
        "1.",
        "0.1234567",
        "1\n",
    ):
        with pytest.raises(ArgumentTypeError, match="from 0 to 60"):
            valid_delay(bad)
