"""Eight questions whose answers were wrong once, over results of the shape they were asked of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import runs

from loadtests import catalog
from loadtests.advise.answer import answer
from loadtests.advise.measured import measured
from loadtests.advise.question import parse
from loadtests.record import Point
from loadtests.report.results.stored import Entry, Results

MIB = 2**20
# Of each service, by its workload, (delay s, users, answered requests/s, CPU ms a request, p99 ms).
Load = tuple[float, int, float, float, float]
STANDARD: dict[str, list[Load]] = {
    "flask-threads": [(0.1, 10, 99.5, 0.53, 101.7), (0.1, 200, 1972, 0.356, 110.7),
                      (0.1, 1000, 3493, 0.286, 334)],
    "flask-granian": [(0.1, 10, 99.5, 0.372, 101.7), (0.1, 200, 1987, 0.195, 102.1),
                      (0.1, 1000, 6801, 0.147, 215)],
    "aiohttp-bare": [(0.1, 10, 99.5, 0.241, 101.0), (0.1, 200, 1993, 0.135, 101.2),
                     (0.1, 1000, 9850, 0.083, 104.8)],
    "asyncio-protocol": [(0.1, 10, 99.5, 0.154, 101.0), (0.1, 200, 1992, 0.064, 101.1),
                         (0.1, 1000, 9875, 0.036, 104.4)],
    "scratch-epoll": [(0.1, 10, 99.5, 0.156, 100.8), (0.1, 200, 1994, 0.067, 100.9),
                      (0.1, 1000, 9908, 0.040, 105.0)],
    "tornado-blocking": [(0.1, 1, 9.75, 1.215, 102.7), (0.1, 200, 9.75, 0.926, 10_019)],
}  # fmt: skip
MAP: dict[str, list[Load]] = {
    "flask-threads": [(0.01, 10, 941, 0.415, 11.3), (0.01, 100, 3770, 0.266, 37.8),
                      (1, 1000, 999.5, 0.452, 1002.2), (1, 4000, 2529, 0.396, 1705)],
    "tornado": [(0.01, 10, 936, 0.294, 12.1), (0.01, 100, 5800, 0.172, 19.7),
                (0.1, 100, 994, 0.329, 101.6), (0.1, 1000, 5254, 0.191, 202.6)],
    "aiohttp-bare": [(0.01, 10, 944, 0.109, 11.7), (0.01, 100, 9203, 0.067, 11.7),
                     (0.01, 1000, 14_507, 0.069, 103), (0.1, 4000, 11_998, 0.083, 381)],
    "asyncio-protocol": [(0.01, 100, 9439, 0.031, 11.4), (1, 4000, 3976, 0.052, 1010)],
}  # fmt: skip
HTTP_LOAD: dict[str, list[Load]] = {
    "flask-threads": [(2.0, 200, 99.9, 0.607, 2001.9)],
    "aiohttp-bare": [(2.0, 200, 100, 0.274, 2001.9)],
}
# Requests/s that they sustain; for two of them 1,000 slots and 100 ms set the limit.
CAPACITY = {"flask-threads": 2770.0, "asyncio-protocol": 9890.0, "aiohttp-bare": 9460.0}
# KiB of a waiting request.
HELD = {"flask-threads": 41, "aiohttp-bare": 12, "asyncio-protocol": 6}


def run(profile: str, slots: int, points: list[Point], **settings: Any) -> Entry:
    made = runs.empty(profile=profile, workloads={profile: {"kind": "delay", **settings}})
    made.points = points
    for name in {point.service for point in points}:
        known = runs.about(name, 1 if name == "tornado-blocking" else slots)
        made.services[name] = known | catalog.load(name).description()
    return Entry(Path(profile), runs.summed(made))


def point(profile: str, name: str, scenario: str, **values: Any) -> Point:
    given = {"users": 0, "rate_rps": None, "delay_s": 0.1, "duration_s": 3.0} | values
    return Point(profile=profile, service=name, scenario=scenario, round=1, **given)


def loads(profile: str, found: dict[str, list[Load]], slots: int = 1000, **other: Any) -> Entry:
    points = [
        point(
            profile, name, f"{users}-users-{delay}", users=users, delay_s=delay, rps=rps,
            requests=round(3 * rps), cpu_ms_per_request=cpu, p99_ms=p99,
        )
        for name, every in found.items()
        for delay, users, rps, cpu, p99 in every
    ]  # fmt: skip
    return run(profile, slots, points, **other)


def results() -> Results:
    capacity = [
        point(
            "capacity", name, "capacity", rps=most, capacity_rps=most, failed_at_rps=1.05 * most,
            requests=9000, cpu_ms_per_request=STANDARD[name][-1][3], p99_ms=180.0,
            bound="slots" if most >= 0.9 * 1000 / 0.1 else "",
        )
        for name, most in CAPACITY.items()
    ]  # fmt: skip
    held = [
        point(
            "held", name, f"held-{number}", users=number, delay_s=30.0,
            pss_bytes=40 * MIB + number * kib * 1024,
        )
        for name, kib in HELD.items()
        for number in (0, 100, 1000, 5000)
    ]  # fmt: skip
    entries = [
        loads("standard", STANDARD),
        loads("map", MAP, 4000, kind="map"),
        loads("http-load", HTTP_LOAD),
        run("capacity", 1000, capacity, kind="capacity"),
        run("held", 6000, held, kind="held"),
    ]
    return Results(entries, [], [])


def ask(*words: str) -> tuple[dict[str, list[str]], str, str]:
    """The rows of the answer by service, its notes with the settings, and its conclusion."""
    known = measured(results())
    assert known
    found = answer(parse(*words), known)
    rows = {row[0].partition(" ")[0]: row[1:] for row in found.rows + found.rest}
    settings = [line for change in found.changes for line in change.settings]
    return rows, "\n".join(found.notes + settings), found.conclusion


def test_slots_are_not_cpu() -> None:
    rows, _, conclusion = ask("0.1", "12000", "", "1")
    assert rows["asyncio-protocol"][:3] == ["1", "1,304 callbacks", "44"]
    assert rows["asyncio-protocol"][-1].startswith("fits by arithmetic: measured with no more")
    assert rows["scratch-epoll"][2] == "48"
    assert rows["aiohttp-bare"][-1].startswith("no: needs 2 cores: one answered 11,998/s when")
    assert conclusion == "Nothing that people run fits."


def test_processes_and_cpu_agree() -> None:
    rows, _, _ = ask("0.05", "9000", "", "4")
    for processes, _, cpu, _, _, verdict in rows.values():
        count, share = int(processes.replace(",", "")), int(cpu.replace(",", ""))
        assert share <= 70 * count
        assert count > 4 or verdict.startswith("fits")
    assert rows["aiohttp-bare"][0] == "2"
    assert rows["aiohttp-bare"][-1] == "fits by arithmetic: 2 processes, measured with 1"
    assert rows["asyncio-protocol"][-1] == "fits"


def test_the_map_s_delays_are_measured() -> None:
    rows, notes, conclusion = ask("0.01", "3500", "", "1")
    assert "Outside" not in notes
    assert rows["flask-threads"][-1].startswith("no: needs 2 cores: one")
    assert rows["tornado"][-1] == "no: needs 2 cores: one would be 81 % busy, above 70 %"
    assert rows["aiohttp-bare"][2] == "34" and rows["aiohttp-bare"][-1] == "fits"
    assert conclusion.startswith("The simplest that fits: flask-granian (threads: ")
    assert "nearest delay that was measured counts for flask-granian, scratch-epoll" in notes


def test_the_slots_that_a_long_delay_takes_are_said() -> None:
    rows, notes, conclusion = ask("2", "800", "", "1")
    assert rows["flask-threads"][1] == "1,720 threads"
    assert "--threads 1720 --worker-connections 3440 " in notes
    assert "Outside" not in notes and "timeout=10)" in notes
    assert rows["flask-threads"][-1] == "fits" and "flask-threads" in conclusion


def test_a_timeout_is_longer_than_the_delay() -> None:
    rows, notes, _ = ask("30", "150", "", "1")
    assert rows["flask-threads"][1:4] == ["4,702 threads", "10", "229"]
    assert "timeout=60)" in notes and "--graceful-timeout 60 " in notes
    assert "a delay of 30 s is longer than the longest, 2 s" in notes


def test_threads_where_they_do() -> None:
    rows, _, conclusion = ask("0.2", "300", "512M", "1")
    assert rows["flask-threads"][-1] == "fits"
    assert conclusion.startswith("The simplest that fits: flask-threads (threads: ")


def test_the_cheaper_of_two_servers() -> None:
    rows, _, conclusion = ask("0.1", "3000", "", "1")
    assert rows["flask-threads"][-1] == "no: needs 2 cores: one sustains 2,770/s"
    assert rows["flask-granian"][-1] == "fits"
    assert conclusion.startswith("The simplest that fits: flask-granian (threads: ")


@pytest.mark.parametrize(
    ("goal", "verdict"), [("", "fits"), ("0.15", "fits"), ("101ms", "no: p99 is 102 ms")]
)
def test_little_is_served_by_anything_and_the_goal_is_asked_for(goal: str, verdict: str) -> None:
    rows, _, _ = ask("0.1", "8", "", "1", goal)
    assert rows["flask-threads"][-1] == verdict
    assert rows["tornado-blocking"][0] == "4"
    said = "not known: p99 was not measured" if goal else "fits by arithmetic: 4 processes"
    assert rows["tornado-blocking"][-1].startswith(said)


def test_more_load_that_was_given_less_is_no_fit() -> None:
    """2,529/s were answered when 4,000 waited, though CPU and capacity have room for more."""
    rows, _, _ = ask("1", "2600", "", "8")
    assert int(rows["flask-threads"][0]) > 1
    one, _, _ = ask("1", "2600", "", "1")
    assert one["flask-threads"][-1].endswith("one answered 2,529/s when 4,000 waited")


@pytest.mark.parametrize(("due", "is_full"), [(740, False), (800, True)])
def test_few_arrivals_are_no_sign_of_too_few_answers(due: int, is_full: bool) -> None:
    """Of random arrivals 740 instead of 800 come in 4 s: who answered them all can do more."""
    came = point(
        "cost", "flask-threads", "cost-200rps-100ms", rate_rps=200.0, due=due, duration_s=4.0,
        requests=740, rps=185.0, in_flight=18.5, cpu_ms_per_request=0.8,
    )  # fmt: skip
    found = measured(Results([run("cost", 1000, [came], rates=[200])], [], []))
    assert found
    (service,) = found.services
    assert [load.full for load in service.loads] == [is_full]
