"""`make advise`: arithmetic that can be done by hand, and plain words where it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtests import catalog
from loadtests.advise.answer import Answer, answer
from loadtests.advise.figure import Figure
from loadtests.advise.measured import Load, Measured, Service
from loadtests.advise.need import likely, unlucky
from loadtests.advise.question import MIB, Question, parse
from loadtests.advise.scaling import Several, together
from loadtests.advise.simplicity import ORDER, place
from loadtests.cli.main import run as waits
from loadtests.quantities import BadNumber

KIB = 1024


def sure(value: float) -> Figure:
    return Figure(value, value)


def load(rps: float, cpu_ms: float, above_ms: float = 1.0, **other: Any) -> Load:
    """A load at a delay of 100 ms, with a p99 that is so much above it."""
    found = Load(0.1, rps, max(1, round(rps / 10)), sure(cpu_ms), sure(100 + above_ms))
    return replace(found, **other)


def full(waiting: int, rps: float) -> Load:
    """A load that is more than the process could answer."""
    return load(rps, 1000 / rps, waiting=waiting, p99_ms=None, full=True)


def service(name: str, waits: str, **other: object) -> Service:
    """A service with 0.5 ms of CPU a request, 40 MiB, and 100 KiB for each waiting request."""
    return Service(
        **{
            "name": name,
            "place": place(waits),
            "workers": 1,
            "one_at_a_time": False,
            "loads": [load(10, 1.0), load(200, 0.5), load(1300, 0.5, 10.0)],
            "capacity_rps": sure(1350),
            "at_rest_bytes": sure(40 * MIB),
            "request_bytes": sure(100 * KIB),
            "held": 5000,
            "invalid": False,
        }
        | other  # type: ignore[arg-type]
    )


THREADS = service("threads", "a thread")
COROUTINES = service("coroutines", "a coroutine", request_bytes=sure(20 * KIB))
PROCESS = service(
    "process", "the process", one_at_a_time=True, capacity_rps=None, request_bytes=None
)


def ask(question: Question, *services: Service, **other: object) -> Answer:
    known = {
        "sources": {"standard": "a-run"},
        "delays_s": (0.1, 0.1),
        "top_rps": 1300.0,
        "held": 5000,
    }
    chosen = services or (THREADS, COROUTINES, PROCESS)
    have = str(other.pop("have", ""))
    return answer(question, Measured(services=list(chosen), **(known | other)), have)  # type: ignore[arg-type]


def rows(found: Answer) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in found.rows + found.rest}


def test_the_needs_of_services_are_arithmetic() -> None:
    """300/s × 0.2 s are 60 in flight; with 3 × √60 on top 84 (83.2, rounded up)."""
    found = ask(parse("0.2", "300", "", "1"))
    assert "by Little's law 60 of them wait at once on average, and up to 84 when" in found.question
    assert rows(found) == {
        # 15 % of a core; 40 MiB + 84 × 100 KiB, 20 KiB; 84 × 40 MiB, 1 ms a request, as each
        # is asked 3.6 times a second.
        "threads": ["1", "84 threads", "15", "49", "202", "fits"],
        "coroutines": ["1", "84 coroutines", "15", "42", "202", "fits"],
        "process": [
            "84", "1", "30", "3,360", "–", "fits by arithmetic: 84 processes, measured with 1",
        ],
    }  # fmt: skip
    assert found.conclusion.startswith("The simplest that fits: threads (threads: blocking code")
    assert "arithmetic" not in found.conclusion
    assert [note[:14] for note in found.notes] == ["Outside what w", "More processes"]


@pytest.mark.parametrize(
    ("memory", "simplest"), [("", "threads"), ("49M", "threads"), ("48M", "coroutines")]
)
def test_memory_decides(memory: str, simplest: str) -> None:
    found = ask(parse("0.2", "300", memory, "1"))
    assert found.conclusion.startswith(f"The simplest that fits: {simplest} (")


def test_processes_share_memory_where_that_was_measured() -> None:
    shares = replace(PROCESS, request_bytes=sure(2 * MIB))
    question = parse("0.2", "50", "", "4")
    processes = question.most_in_flight
    row = rows(ask(question, shares))["process"]
    assert row[3] == str(40 + 2 * (processes - 1))
    row = rows(ask(question, PROCESS))["process"]
    assert row[3] == f"{40 * processes:,}"


def test_slots_that_are_too_few_are_no_lack_of_cores() -> None:
    """More slots, or a process more on the same core, would do."""
    few = replace(COROUTINES, slots=40, loads=[load(90, 0.5), full(40, 363.0)])
    said = rows(ask(parse("0.1", "450", "", "1"), few))["coroutines"][-1]
    assert said == "no: needs 2 processes: the 40 slots of one answered 363/s"


def test_less_that_was_answered_the_more_waited_does_not_fit() -> None:
    """CPU time at a low rate says that one core is enough; but at 50 users it was not."""
    slow = replace(COROUTINES, loads=[load(90, 0.5), full(200, 61.0), full(50, 102.0)])
    for rate, verdict in (
        ("80", "fits"),  # with up to 17 in flight
        ("120", "no: needs 2 cores: one answered 102/s when 50 waited"),
        ("300", "no: needs 4 cores: one answered 102/s when 50 waited"),
    ):
        assert rows(ask(parse("0.1", rate, "", "1"), slow))["coroutines"][-1] == verdict
    (row,) = ask(parse("1", "90", "", "1"), slow).rest
    assert row[-1] == "no: needs 2 cores: one answered 61/s when 200 waited"


def test_a_limit_of_its_own_takes_processes() -> None:
    """With 3 processes 20 are in flight in each, and up to 34 when many arrive together."""
    pool = replace(THREADS, slots=40, limit="a pool")
    found = ask(parse("0.2", "300", "", "1"), pool)
    assert rows(found)["threads"][:2] == ["3", "34 threads"]
    assert rows(found)["threads"][-1] == "fits by arithmetic: 3 processes, measured with 1"
    assert found.notes[0] == "threads: no more than 40 in each process were measured, a pool."
    (row,) = ask(parse("0.1", "100", "", "1"), pool).rows
    assert (row[1], row[-1]) == ("1", "fits")


def test_no_more_than_a_share_of_each_core_is_counted_on() -> None:
    """At 0.5 ms a request 1,400 a second are 70 % of a core."""
    uncapped = replace(THREADS, capacity_rps=None)
    for rate, cores, cpu in (("1400", "1", "70"), ("1401", "2", "71"), ("2801", "3", "141")):
        row = rows(ask(parse("0.1", rate, "", "8"), uncapped))["threads"]
        assert (row[0], row[2]) == (cores, cpu)
    (row,) = ask(parse("0.1", "1401", "", "1"), uncapped).rest
    assert row[-1] == "no: needs 2 cores: one would be 71 % busy, above 70 %"


def test_capacity_counts_where_it_is_less_than_the_cpu_says() -> None:
    for rate, verdict in (("1300", "fits"), ("1351", "no: needs 2 cores: one sustains 1,350/s")):
        assert rows(ask(parse("0.1", rate, "", "1"), THREADS))["threads"][-1] == verdict


def test_a_goal_for_the_response_time() -> None:
    """The p99 is 1 ms above the delay up to 200/s, and 10 ms at 1,300/s."""
    for p99, verdict in (
        ("105ms", "fits"),  # up to 200 + 4/9 × 1,100 = 688.9/s
        ("104ms", "no: needs 2 cores: p99 of one is too long above 566/s"),
        ("100.5ms", "no: p99 is 105 ms"),
    ):
        found = ask(parse("0.1", "600", "", "1", p99), THREADS)
        assert rows(found)["threads"][-1] == verdict
        assert f"p99 within {p99.replace('ms', ' ms')}: by" in found.question
    slow = replace(THREADS, loads=[replace(one, p99_ms=None) for one in THREADS.loads])
    found = ask(parse("0.1", "600", "", "1", "0.2"), slow, PROCESS)
    assert rows(found)["threads"][-1] == "not known: p99 was not measured"
    assert rows(found)["process"][-1] == "not known: p99 was not measured"


def test_nobody_is_advised_to_run_what_people_do_not_run() -> None:
    found = ask(parse("0.2", "300", "", "1"), replace(THREADS, mark="bare"), COROUTINES)
    assert [row[0] for row in found.rows] == ["threads (bare)", "coroutines"]
    assert found.conclusion.startswith("The simplest that fits: coroutines (coroutines: ")
    alone = ask(parse("0.2", "300", "", "1"), replace(THREADS, mark="mistake"))
    assert (alone.conclusion, alone.changes) == ("Nothing that people run fits.", [])


def test_nothing_fits() -> None:
    found = ask(parse("0.2", "300", "1M", "1"))
    assert found.conclusion == "Nothing that people run fits."
    assert rows(found)["threads"][-1] == "no: needs 49 MiB"


def test_more_cores_are_arithmetic_and_said_to_be() -> None:
    quick = replace(COROUTINES, loads=[load(200, 0.1), load(5000, 0.1)], capacity_rps=None)
    one = ask(parse("0.1", "4000", "", "1"), THREADS, quick)
    assert rows(one)["threads"][-1] == "no: needs 3 cores: one sustains 1,350/s"
    assert one.conclusion.startswith("The simplest that fits: coroutines (")
    three = ask(parse("0.1", "4000", "", "3"), THREADS, quick)
    assert rows(three)["threads"][0] == "3"
    assert rows(three)["threads"][-1] == "fits by arithmetic: 3 processes, measured with 1"
    assert "scaling was not measured" in "".join(three.notes)
    assert "The simplest that fits: threads (" in three.conclusion
    assert three.conclusion.endswith("fits as measured: coroutines (coroutines).")


def test_processes_that_were_measured_are_not_taken_for_as_many_times_one() -> None:
    """Two do 1.5 times what one does: of 3,000/s each would be as busy as one with 2,000."""
    two = Several(2, sure(1.5), at_least=True, further_bytes=sure(25 * MIB))
    scaled = replace(THREADS, several=[two])
    linear = ask(parse("0.1", "2500", "1G", "2"), THREADS)
    assert rows(linear)["threads"][-1] == "fits by arithmetic: 2 processes, measured with 1"
    short = ask(parse("0.1", "2500", "1G", "2"), scaled)
    assert rows(short)["threads"][-1] == "no: needs 3 cores: one sustains 1,350/s"
    fits = ask(parse("0.1", "1900", "1G", "2"), scaled)
    assert rows(fits)["threads"][-1] == "fits"
    assert (
        "Processes count as measured: 2 of threads do ≥ 1.5 × one, each further one 25 MiB."
    ) in fits.notes
    more = ask(parse("0.1", "2500", "1G", "3"), scaled)
    assert rows(more)["threads"][-1] == "fits by arithmetic: 3 processes, measured with 2"
    assert "More processes than were measured are arithmetic: they are taken in proportion." in (
        more.notes
    )
    memory = [int(rows(found)["threads"][3]) for found in (linear, short)]
    assert memory[0] - memory[1] == 40 - 2 * 25


def test_between_two_measured_numbers_of_processes_lies_a_line() -> None:
    measured = [
        Several(2, Figure(1.6, 1.4), False, None),
        Several(4, Figure(2.8, 2.0), False, None),
    ]
    found = [together(measured, number, likely) for number in (1, 2, 3, 4, 8)]
    assert found == [1, 1.6, pytest.approx(2.2), 2.8, pytest.approx(5.6)]
    assert together(measured, 3, unlucky) == pytest.approx(1.7)
    assert together([], 7, likely) == 7


def test_cpu_lies_on_the_line_between_the_loads_on_both_sides() -> None:
    """1 ms up to 10 requests/s, then less, 0.5 ms from 200/s: 0.763 ms at 100/s."""
    for rate, cpu in (("5", "1"), ("100", "8"), ("200", "10"), ("300", "15")):
        assert rows(ask(parse("0.1", rate, "", "1")))["threads"][2] == cpu


def test_between_two_delays_the_dearer_counts() -> None:
    slower = load(200, 0.8, delay_s=1.0, p99_ms=sure(1040.0))
    both = replace(THREADS, loads=[*THREADS.loads, slower])
    for delay, cpu, p99 in (("0.1", "10", "101"), ("0.5", "16", "540"), ("1", "16", "1,040")):
        (row,) = ask(parse(delay, "200", "", "1"), both).rows
        assert (row[3], row[5]) == (cpu, p99)


def test_more_than_a_service_was_asked_is_arithmetic() -> None:
    (row,) = ask(parse("0.1", "400", "", "1"), replace(THREADS, loads=[load(300, 0.5)])).rows
    assert row[-1] == "fits by arithmetic: measured with no more than 300 requests/s"


def test_differences_within_noise_decide_nothing() -> None:
    """Threads have the capacity by the median, and not in their worst round."""
    shaky = replace(THREADS, capacity_rps=Figure(310, 290))
    found = ask(parse("0.2", "300", "", "1"), shaky, COROUTINES)
    said = "borderline: needs 2 cores: one sustains 290/s in the worst round"
    assert rows(found)["threads"][-1] == said
    assert found.conclusion.startswith("The simplest that fits: coroutines (")
    assert found.conclusion.endswith(" Within noise, so not decided: threads.")
    alone = ask(parse("0.2", "300", "", "1"), shaky)
    assert alone.conclusion.startswith("Only borderline, ")


def test_equally_simple_ones_are_all_named() -> None:
    twin = replace(THREADS, name="twin", loads=[load(1300, 0.1)], request_bytes=sure(KIB))
    found = ask(parse("0.2", "300", "", "1"), THREADS, twin, COROUTINES)
    assert found.conclusion.startswith("The simplest that fits: threads, twin (threads: ")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (("10ms", "300"), "a delay of 10 ms is shorter than the shortest, 100 ms"),
        (("0.2", "300"), "a delay of 200 ms is longer than the longest, 100 ms"),
        (("0.1", "1301"), "1,301 requests/s are more than any service's 1,300 on one core times 1"),
        (("10", "500"), "5,213 requests in flight are more than the most, 5,000, times 1"),
    ],
)
def test_a_question_outside_the_measurements(question: tuple[str, str], said: str) -> None:
    found = ask(parse(*question, "", "1"))
    (note,) = (note for note in found.notes if note.startswith("Outside what was measured: "))
    assert said in note


@pytest.mark.parametrize("question", [("0.1", "1300"), ("100ms", "1")])
def test_a_question_inside_the_measurements(question: tuple[str, str]) -> None:
    assert "Outside" not in "".join(ask(parse(*question, "", "1")).notes)


def test_services_without_measurements_are_named_and_not_recommended() -> None:
    bare = replace(THREADS, request_bytes=None)
    idle = replace(COROUTINES, loads=[], capacity_rps=None)
    found = ask(parse("0.1", "300", "512M", "1"), bare, idle, PROCESS)
    assert rows(found)["threads"][3:] == ["–", "102", "not known: memory was not measured"]
    assert rows(found)["coroutines"][-1] == "not known: CPU was not measured"
    assert found.rows == []
    assert "The kernel's memory for sockets and threads comes on top." in found.notes
    assert found.conclusion.startswith("Nothing is known to fit")
    without = ask(parse("0.1", "300", "", "1"), bare)
    assert rows(without)["threads"][-1] == "fits"
    assert without.notes == []


def test_more_in_flight_than_a_service_ever_held() -> None:
    few = replace(THREADS, held=50)
    broken = replace(COROUTINES, held=50, invalid=True)
    found = ask(parse("0.2", "300", "", "1"), few, broken)
    assert rows(found)["threads"][-1].endswith("measured with no more than 50 in flight")
    assert rows(found)["coroutines"][-1] == "not known: invalid with more than 50 in flight"
    assert found.conclusion.endswith("nothing fits as it was measured.")


def test_one_service_s_delays_are_not_another_s() -> None:
    both = replace(COROUTINES, loads=[load(1300, 0.1, delay_s=0.01), *COROUTINES.loads])
    found = ask(parse("0.01", "300", "", "1"), THREADS, both, delays_s=(0.01, 0.1))
    said = "At 10 ms the nearest delay that was measured counts for threads."
    assert found.notes == [said]
    assert ask(parse("0.1", "300", "", "1"), THREADS, both, delays_s=(0.01, 0.1)).notes == []


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (("0.2", "300", "", "1"), Question(0.2, 300, None, 1)),
        ((" 200ms ", ".5", "512M", "2"), Question(0.2, 0.5, 512 * MIB, 2)),
        (("2s", "1.5", "2g", "1"), Question(2, 1.5, 2048 * MIB, 1)),
        (("200 ms", "1,000", "512 MB", "1"), Question(0.2, 1000, 512 * MIB, 1)),
        (("2", "1", "1.5GiB", "1"), Question(2, 1, 1536 * MIB, 1)),
        (("2", "1", "", "1", "2.5"), Question(2, 1, None, 1, 2.5)),
        (("0.2", "1", "", "1", " 250ms "), Question(0.2, 1, None, 1, 0.25)),
    ],
)
def test_a_question_is_understood(words: tuple[str, ...], question: Question) -> None:
    assert parse(*words) == question


WRONG = {
    "no delay": (("", "300", "", "1"), "DELAY must be seconds from 0.001 to 3600, like 0.2 or"),
    "delay": (("0.2m", "300", "", "1"), "DELAY must be seconds"),
    "short": (("0", "300", "", "1"), "DELAY must be seconds"),
    "long": (("1e9", "300", "", "1"), "DELAY must be seconds"),
    "rate": (("1", "many", "", "1"), "RATE must be requests a second, like 300, not many"),
    "a comma": (("0,2", "300", "", "1"), "DELAY must be seconds from 0.001 to 3600, like 0.2 or"),
    "negative": (("1", "-3", "", "1"), "RATE must be requests a second"),
    "memory": (("1", "1", "512X", "1"), "MEMORY must be a size of 1M or more, like 512M or 2G"),
    "a few bytes": (("1", "1", "12", "1"), "MEMORY must be a size of 1M or more"),
    "cores": (("1", "1", "", "1.5"), "CORES must be a whole number from 1 to 9999, not 1.5"),
    "p99": (("1", "1", "", "1", "x"), "P99 must be seconds, like 0.25 or 250ms, and longer than"),
    "p99 within the delay": (("1", "1", "", "1", "900ms"), "P99 must be seconds, like 0.25 or"),
    "no cores": (("1", "1", "", "0"), "CORES must be a whole number"),
}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=WRONG)
def test_a_question_that_cannot_be_understood(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadNumber) as caught:
        parse(*words)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_every_service_has_a_place_in_the_order() -> None:
    services = [one for one in catalog.select("") if one.kind != catalog.FLOOR]
    found = [place(service.waits) for service in services]
    assert set(found) == set(range(len(ORDER) - 1))
    assert place("a unicorn") == len(ORDER) - 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "which question? advise --delay 0.2 --rate 300"),
        (("--delay", "0.2", "--rate", "x"), "RATE must be"),
        (("--delay", "0.2", "--rate", "300"), "no results in "),
    ],
)
def test_a_question_without_an_answer_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    for results in (tmp_path, tmp_path / "nowhere"):
        assert waits(["advise", *arguments, "--results", str(results)]) == 2
        complaint = capsys.readouterr()
        assert complaint.out == ""
        assert complaint.err.startswith(said) and complaint.err.count("\n") == 1
