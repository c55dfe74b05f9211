"""The change that `make advise` tells: settings that servers and clients take, and why."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Any

import pytest
from test_advise import COROUTINES, THREADS, ask, load, sure

from loadtests import catalog
from loadtests.advise.change import PARTS, PLACEHOLDER, values
from loadtests.advise.question import BadQuestion, parse
from loadtests.advise.verdict import judge
from loadtests.workloads import delays
from loadtests.workloads.pool import theory
from services import folders

STOCK = [one for one in catalog.select("") if one.kind in ("stock", "tuned")]
FLASK = {"framework": "Flask", "model": "threads", "server": "gunicorn", "client": "urllib3"}
THREADED = replace(
    THREADS,
    made_of=FLASK,
    advice={"client": "Pool({slots}, {timeout_s})", "server": "serve -w {processes} -t {slots}"},
)
LOOP = replace(COROUTINES, made_of=FLASK | {"model": "event loop", "client": "aiohttp"})


def test_settings_are_filled_in_and_say_why() -> None:
    """300/s × 205 ms are 61.5 in flight; with 3 × √61.5 on top 86 (85.03, rounded up)."""
    slow = replace(THREADED, loads=[load(300, 0.5, own_s=0.0042)])
    (made,) = ask(parse("0.2", "300", "", "1"), slow).changes
    assert made.service == "threads"
    assert made.settings == ["serve -w 1 -t 86", "Pool(86, 10)"]
    assert made.why == (
        "300/s × (200 ms + 5 ms of its own) = 62 in flight on average; 86 is enough when many "
        "arrive together. CPU: 15 % of a core, and 70 % of each is what is counted on."
    )


def test_several_processes_share_what_is_in_flight() -> None:
    """2,600/s × 100 ms in two processes: 130 in flight in each, and 34.2 more."""
    (made,) = ask(parse("0.1", "2600", "", "2"), THREADED).changes
    assert made.settings[0] == "serve -w 2 -t 165"
    assert "= 260 in flight on average; 165 in each of 2 processes is enough" in made.why


def test_a_goal_for_the_p99_says_how_many_slots() -> None:
    """200/s × 100 ms: 24 slots have a p99 below 150 ms in M/D/c, with 23 it is 163 ms."""
    exact = replace(THREADED, loads=[load(200, 0.0, 0.0)])
    (made,) = ask(parse("0.1", "200", "", "1", "150ms"), exact).changes
    assert made.settings == ["serve -w 1 -t 24", "Pool(24, 10)"]
    assert made.why.startswith(
        "200/s × 100 ms = 20 in flight on average; about 24 slots keep the p99 within "
        "150 ms by an approximation of queueing theory (M/D/c). CPU:"
    )


def test_a_slot_is_held_for_the_cpu_of_its_request_too() -> None:
    """With 4 ms of CPU 20.8 are in flight; what the p99 is above that comes off the goal."""
    goal = parse("0.1", "150", "", "1", "150ms")
    light, heavy, uneven = (
        judge(goal, replace(THREADED, loads=[load(150, cpu_ms, above_ms)])).need.slots
        for cpu_ms, above_ms in ((0.0, 0.0), (4.0, 4.0), (4.0, 34.0))
    )
    assert light == theory.slots_for(150, delays.constant(0.100), 0.99, 150)
    assert heavy == theory.slots_for(150, delays.constant(0.104), 0.99, 150)
    assert uneven == theory.slots_for(150, delays.constant(0.104), 0.99, 120)
    assert light < heavy < uneven


def test_the_slots_for_a_goal_are_of_each_process() -> None:
    (made,) = ask(parse("0.1", "2600", "", "2", "150ms"), THREADED).changes
    slots = theory.slots_for(1300, delays.constant(0.1005), 0.99, 140.5)
    assert made.settings[0] == f"serve -w 2 -t {slots}"
    assert f"about {slots} slots in each of 2 processes keep the p99 within 150 ms" in made.why


@pytest.mark.parametrize(
    ("delay", "timeout_s", "drain_s", "answer_s"),
    [("0.1", 10, 30, 60), ("5.2", 11, 30, 60), ("40", 80, 80, 160)],
)
def test_timeouts_leave_the_backend_twice_its_delay(
    delay: str, timeout_s: int, drain_s: int, answer_s: int
) -> None:
    question = parse(delay, "1", "", "1")
    found = values(question, judge(question, THREADS))
    assert [found[name] for name in ("timeout_s", "drain_s", "answer_s")] == [
        *(timeout_s, drain_s, answer_s),
    ]


def test_more_connections_than_requests_in_flight() -> None:
    """gthread keeps no connection where it has as many threads as it may have connections."""
    for rate, connections in (("100", 1000), ("6000", 2 * 674)):
        question = parse("0.1", rate, "", "9")
        one = judge(question, replace(THREADS, loads=[load(9000, 0.05)], capacity_rps=None))
        assert values(question, one)["connections"] == connections


def have(name: str, *services: Any, rate: str = "300", memory: str = "") -> tuple[str, list[str]]:
    found = ask(parse("0.2", rate, memory, "1"), *services, have=name)
    return found.have, [change.service for change in found.changes]


def test_there_is_nothing_to_change_in_what_fits() -> None:
    said, changes = have("coroutines", THREADED, LOOP)
    assert said == "You have coroutines, and it fits: change no more than its settings."
    assert changes == ["coroutines"]


def test_the_least_change_that_fits() -> None:
    """Another client is less than another way of waiting; the simplest comes after that."""
    heavy = replace(LOOP, name="heavy", request_bytes=sure(100 * 1024))
    light = replace(LOOP, name="light", made_of=LOOP.made_of | {"client": "another"})
    said, changes = have("heavy", THREADED, heavy, light, memory="45M")
    assert said == (
        "You have heavy, which does not fit (needs 49 MiB). The least change that fits is light: "
        "another in place of aiohttp."
    )
    assert changes == ["light"]
    said, changes = have("threads", THREADED, light, memory="45M")
    assert said.endswith("is light: event loop in place of threads; another in place of urllib3.")


def test_a_mistake_is_to_be_changed_though_it_fits() -> None:
    wrong = replace(LOOP, name="wrong", mark="mistake")
    said, changes = have("wrong", THREADED, wrong)
    assert said.startswith(
        "You have wrong (mistake), which fits, but nobody should run it (it is of the kind mistake"
    )
    assert changes == ["threads"]


def test_nothing_fits_whatever_there_is() -> None:
    said, changes = have("threads", THREADED, memory="1M")
    assert said.endswith("(needs 49 MiB). Nothing that people run is known to fit.")
    assert changes == []


def test_why_it_is_nothing_simpler() -> None:
    found = ask(parse("0.2", "300", "45M", "1"), THREADED, COROUTINES)
    assert found.notes[0] == "Simpler, but not to be had: threads (needs 49 MiB)."
    assert "to be had" not in "".join(ask(parse("0.2", "300", "", "1"), THREADED, LOOP).notes)


def test_the_most_like_what_was_not_measured_stands_for_it() -> None:
    found = ask(parse("0.2", "300", "", "1"), LOOP, THREADED, have="django-threads")
    assert found.have == (
        "django-threads was not measured: these are the figures of threads. You have "
        "django-threads, and it fits: change no more than its settings."
    )
    assert found.changes[0].settings[0].startswith("gunicorn -k gthread --workers 1 --threads 84 ")
    with pytest.raises(BadQuestion, match=r"a service, not flask-thread; .*mean flask-threads\?"):
        have("flask-thread", THREADED, LOOP)


@pytest.mark.parametrize("service", STOCK, ids=lambda service: service.name)
def test_every_service_that_people_run_says_its_settings(service: catalog.Service) -> None:
    """Its processes, and the slots, which its client's pool has to have in any case."""
    assert {"server", "client"} <= service.advice.keys() <= set(PARTS)
    text = " ".join(service.advice.values())
    assert {"slots", "timeout_s"} >= set(PLACEHOLDER.findall(service.advice["client"])) >= {"slots"}
    assert "{processes}" in text
    server = service.advice["server"]
    if not re.match(r"[\w.]+\(", server):  # it is a command line
        assert shlex.split(server, comments=True)[0] in {
            *("gunicorn", "granian", "uvicorn", "sanic", "twistd"),
        }


def test_a_client_has_the_same_settings_wherever_it_is() -> None:
    of_client: dict[str, set[str]] = {}
    for service in STOCK:
        library = service.client.partition(",")[0]
        kind = "async" if service.model == "event loop" else "blocking"
        of_client.setdefault(f"{library}, {kind}", set()).add(service.advice["client"])
    assert {name: lines for name, lines in of_client.items() if len(lines) > 1} == {}


def test_a_variant_inherits_what_it_does_not_say() -> None:
    parent, variant = folders.advice("flask-threads"), folders.advice("flask-threads-requests")
    assert variant["server"] == parent["server"]
    assert variant["client"] != parent["client"]
