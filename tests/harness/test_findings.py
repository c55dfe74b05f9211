"""The figures of "What was wrong before" in docs/method.md that need no measurement.

Each test works one out and looks for it in its row, so that the table says what the code does.
"""

from __future__ import annotations

import random
import re
from itertools import combinations
from math import ceil, exp
from statistics import median

import pytest

from loadtests import catalog
from loadtests.bench.profiles import Profile, select
from loadtests.bench.surroundings import MAX_STEAL, MAX_STRANGERS_SERVICE
from loadtests.record import fingerprint
from loadtests.record.blocks import Block
from loadtests.workloads.composite import BURSTS
from loadtests.workloads.interference import perfect, schedule
from loadtests.workloads.interference.schedule import Schedule
from loadtests.workloads.open_rate.sustained import keeps_up

DOCUMENT = catalog.ROOT / "docs" / "method.md"
HEADING = "## What was wrong before"


def section() -> str:
    return DOCUMENT.read_text().partition(HEADING)[2].partition("\n## ")[0]


def rows() -> dict[str, list[str]]:
    """The cells of each row, by its number."""
    lines = (line for line in section().splitlines() if re.match(r"\| \d", line))
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {number: rest for number, *rest in cells}


def before(number: str) -> str:
    return rows()[number][1]


def now(number: str) -> str:
    return rows()[number][3]


def profile(name: str) -> Profile:
    (found,) = select(name)
    return found


def test_each_finding_has_a_row() -> None:
    numbers = [*map(str, range(1, 9)), "8b", *map(str, range(9, 17))]
    assert list(rows()) == numbers
    assert {len(cells) for cells in rows().values()} == {4}


def test_its_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", section())
    assert len(targets) > len(rows())
    assert [target for target in targets if not (DOCUMENT.parent / target).exists()] == []


def test_slots_of_a_capacity() -> None:
    of = profile("capacity")
    assert of.concurrency
    assert f"{of.concurrency / of.delay_s:,.0f}/s" in now("2")


def of_own_phases(rng: random.Random) -> Schedule:
    """As it was: 25 light users twice a second and four heavy ones, each with a phase by chance."""
    light = [rng.random() / 2 for _ in range(25)]
    heavy = [rng.random() for _ in range(4)]
    return Schedule(
        5.0,
        tuple(tuple(phase + 0.5 * turn for turn in range(10)) for phase in light),
        tuple(sorted(phase + turn for phase in heavy for turn in range(5))),
    )


def p99_ms(one: Schedule) -> float:
    """The p99 of a perfect loop, for bursts of 50 ms and a delay of 10 ms."""
    times_s = sorted(perfect.times_s(one, 0.01, 0.05))
    return 1000 * times_s[ceil(0.99 * len(times_s)) - 1]


def test_equal_services_beside_bursts_by_chance() -> None:
    rng = random.Random(5)
    found = sorted(p99_ms(of_own_phases(rng)) for _ in range(400))
    equal = [median(p99_ms(of_own_phases(rng)) for _ in range(3)) for _ in range(15)]
    assert f"{found[20]:.0f} to {found[380]:.0f} ms" in before("5")  # 5 % of them on either side
    assert f"{min(equal):.0f} to {max(equal):.0f}" in before("5")


def test_equal_services_beside_bursts_at_a_seed_s_instants() -> None:
    def drawn(seed: str) -> float:
        return p99_ms(schedule.draw(seed, 25, 50, 4, 5.0))

    found = [drawn(f"{seed} 1") for seed in range(400)]
    equal = [median(drawn(f"{seed} {turn}") for turn in (1, 2, 3)) for seed in range(100)]
    assert f"{min(found):.1f} to {max(found):.1f}" in now("5")
    assert f"×{max(equal) / min(equal):.2f}" in now("5")


# Windows that counted as sustained: rate, answers a second, and how many were in flight.
GROWING = {
    "sanic, 1": (9_890, 9_725.79, 1_663.7),
    "sanic, 3": (9_890, 9_796.38, 1_609.8),
    "aiohttp, 2": (9_890, 9_745.73, 1_395.2),
    "tornado, 1": (3_910, 3_815.70, 593.9),
    "tornado-blocking, 2": (10.2, 9.67, 0.989),
}


@pytest.mark.parametrize("name", GROWING)
def test_a_queue_that_grew_is_not_sustained(name: str) -> None:
    rate_rps, rps, in_flight = GROWING[name]
    window_s = profile("capacity").window_s
    assert not keeps_up(rate_rps * window_s, rps * window_s, in_flight)


def waits_s(gaps: list[float], response_s: float) -> list[float]:
    """How long each arrival waits for the only slot, the shortest first."""
    at = free = 0.0
    found = []
    for gap in gaps:
        at += gap
        free = max(free, at)
        found.append(free - at)
        free += response_s
    return sorted(found)


def test_one_slot_under_arrivals_at_random() -> None:
    """99 % wait for no longer than 100 ms; at the rate that even ones allowed, for seconds."""
    said = re.search(r"one slot ([\d.]+)/s", now("6"))
    assert said
    rate_rps, rng = float(said[1]), random.Random(1)

    def p99_s(rate_rps: float, gap: float | None = None) -> float:
        gaps = [gap or rng.expovariate(rate_rps) for _ in range(200_000)]
        return waits_s(gaps, 0.1)[198_000]

    assert p99_s(rate_rps) == pytest.approx(0.1, rel=0.02)
    assert p99_s(1.1 * rate_rps) > 0.104
    assert p99_s(9.83) > 1
    assert p99_s(9.83, gap=1 / 9.83) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("rounds", "seed", "at"), [(3, "a", 0), (2, "b", 1)])
def test_pairs_of_equal_services_that_are_called_different(rounds: int, seed: str, at: int) -> None:
    """40 tables of 17 services that are out of CPU, with spreads as they were measured."""
    rng, apart, told, pairs = random.Random(seed), 0, 0, 0
    for _ in range(40):
        shared = [rng.gauss(0, 0.047) for _ in range(rounds)]
        values = {
            f"s{number}": {
                turn + 1: 1000 * exp(shared[turn] + rng.gauss(0, 0.048)) for turn in range(rounds)
            }
            for number in range(17)
        }
        block = Block(values)
        for one, other in combinations(values, 2):
            pairs += 1
            told += not block.tied(one, other)
            a, b = values[one].values(), values[other].values()
            apart += max(a) < min(b) or max(b) < min(a)
    assert re.findall(r"[\d.]+ %", before("7"))[at] == f"{100 * apart / pairs:.2g} %"
    assert re.findall(r"[\d.]+ %", now("7"))[at] == f"{100 * told / pairs:.1g} %"


def test_what_strangers_and_the_host_may_take() -> None:
    assert MAX_STRANGERS_SERVICE == MAX_STEAL
    assert f"{MAX_STEAL:.0%}".replace("%", " %") in now("8")


def test_two_speeds_of_a_machine() -> None:
    first, second = (
        {"generator_ceiling_rps": float(rate.replace(",", ""))}
        for rate in re.findall(r"([\d,]+)/s", before("9"))
    )
    assert len(list(fingerprint.speeds(first, second))) == 1
    assert f"{fingerprint.SAME_SPEED:.0%}".replace("%", " %") in now("9")


def test_the_bursts_of_a_page() -> None:
    of = profile("composite")
    (step,) = of.steps()
    pages_rps = step.users / (of.of_kind.waits * of.delay_s)
    assert step.burst_s == pytest.approx(BURSTS * 0.001)
    assert f"{100 * pages_rps * step.burst_s:.0f} %" in now("10")


def test_whose_cost_is_asked() -> None:
    """None with a limit of its own that is below a rate, and none that blocks."""
    of = profile("cost")
    assert not {"flask-ioloop", "tornado-blocking"} & set(of.services)
    kinds = {catalog.load(name).kind for name in of.services}
    assert not kinds & {"lesson", "mistake"}
    assert [step.rate_rps for step in of.steps()] == [200, 1000]


def test_the_p95_of_a_stall() -> None:
    of = profile("stall")
    stall_s = of.description()["stall_s"]
    assert f"{1000 * (of.delay_s + stall_s - 0.05 * of.window_s):.0f} ms" in now("15")


def test_messages_of_a_chat() -> None:
    of = profile("chat")
    most = of.steps()[-1]
    assert most.rate_rps and most.idle_connections == 5000
    assert f"{round(most.rate_rps * of.window_s)} messages" in now("16")
