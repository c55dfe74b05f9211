"""`make advise`: arithmetic that can be done by hand, and plain words where it ends."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests import catalog
from loadtests.advise.__main__ import main
from loadtests.advise.answer import Answer, answer
from loadtests.advise.measured import Cpu, Figure, Full, Measured, Service
from loadtests.advise.question import MIB, BadQuestion, Question, parse
from loadtests.advise.simplicity import ORDER, place

KIB = 1024


def sure(value: float) -> Figure:
    return Figure(value, value)


def service(name: str, waits: str, **other: object) -> Service:
    """One that takes 0.5 ms a request, 40 MiB, and 100 KiB for each request that waits."""
    return Service(
        **{
            "name": name,
            "place": place(waits),
            "workers": 1,
            "one_at_a_time": False,
            "cpu": [Cpu(10, sure(1.0)), Cpu(200, sure(0.5))],
            "capacity_rps": sure(1500),
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
        "machines": ["here"],
        "delays_s": (0.1, 0.1),
        "top_rps": 1500.0,
        "held": 5000,
    }
    chosen = services or (THREADS, COROUTINES, PROCESS)
    return answer(question, Measured(services=list(chosen), **(known | other)))  # type: ignore[arg-type]


def rows(found: Answer) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in found.rows}


def test_what_each_needs_is_arithmetic() -> None:
    """300/s × 0.2 s are 60 in flight; with 3 × √60 on top 84 (83.2, rounded up)."""
    found = ask(parse("0.2", "300", "", "1"))
    assert "60 requests are in flight on average, and up to 84 when" in found.question
    assert rows(found) == {
        # 15 % of a core; 40 MiB + 84 × 100 KiB, 20 KiB; 84 × 40 MiB.
        "threads": ["84 threads", "1", "15", "49", "fits"],
        "coroutines": ["84 coroutines", "1", "15", "42", "fits"],
        "process": [
            "84 processes", "84", "15", "3,360",
            "fits by arithmetic: 84 processes, measured with 1",
        ],
    }  # fmt: skip
    assert found.conclusion.startswith("The simplest that fits: threads (threads: blocking code")
    assert "arithmetic" not in found.conclusion
    assert [note[:14] for note in found.notes] == ["More processes"]


@pytest.mark.parametrize(
    ("memory", "simplest"), [("", "threads"), ("49M", "threads"), ("48M", "coroutines")]
)
def test_memory_decides(memory: str, simplest: str) -> None:
    found = ask(parse("0.2", "300", memory, "1"))
    assert found.conclusion.startswith(f"The simplest that fits: {simplest} (")


def test_a_process_shares_with_the_first_what_was_measured() -> None:
    shares = replace(PROCESS, request_bytes=sure(2 * MIB))
    question = parse("0.2", "50", "", "4")
    processes = question.most_in_flight
    (row,) = ask(question, shares).rows
    assert row[4] == str(40 + 2 * (processes - 1))
    (row,) = ask(question, PROCESS).rows
    assert row[4] == f"{40 * processes:,}"


def test_who_answers_less_the_more_wait_does_not_fit() -> None:
    """CPU time at a low rate says that one core is enough; but at 50 users it was not."""
    slow = replace(COROUTINES, capacity_rps=None, full=[Full(50, 102.0), Full(200, 61.0)])
    for rate, verdict in (
        ("80", "fits"),  # with up to 17 in flight
        ("120", "no: answered 102/s when 50 users waited"),
        ("300", "no: answered 102/s when 50 users waited"),
        ("700", "no: answered 102/s when 50 users waited"),
    ):
        assert rows(ask(parse("0.1", rate, "", "1"), slow))["coroutines"][-1] == verdict
    (row,) = ask(parse("1", "90", "", "1"), slow).rows
    assert row[-1] == "no: answered 61/s when 200 users waited"
    sustained = replace(slow, capacity_rps=sure(1500))
    assert rows(ask(parse("0.1", "300", "", "1"), sustained))["coroutines"][-1] == "fits"


def test_a_limit_of_its_own_takes_processes() -> None:
    pool = replace(THREADS, slots=40)
    (row,) = ask(parse("0.2", "300", "", "1"), pool).rows
    assert row[1:3] == ["84 threads", "3"]
    assert row[-1] == "fits by arithmetic: 3 processes, measured with 1"
    (row,) = ask(parse("0.1", "100", "", "1"), pool).rows
    assert (row[2], row[-1]) == ("1", "fits")


def test_what_a_service_is_stands_beside_its_name() -> None:
    found = ask(parse("0.2", "300", "", "1"), replace(THREADS, mark="bare"), COROUTINES)
    assert [row[0] for row in found.rows] == ["threads (bare)", "coroutines"]
    assert found.conclusion.startswith("The simplest that fits: threads (bare) (threads: ")


def test_nothing_fits() -> None:
    found = ask(parse("0.2", "300", "1M", "1"))
    assert found.conclusion == "Nothing that was measured fits."
    assert rows(found)["threads"][-1] == "no: needs 49 MiB"


def test_more_cores_are_arithmetic_and_said_to_be() -> None:
    quick = replace(COROUTINES, capacity_rps=sure(9000))
    one = ask(parse("0.1", "4000", "", "1"), THREADS, quick)
    assert rows(one)["threads"][-1] == "no: needs 3 cores"
    assert one.conclusion.startswith("The simplest that fits: coroutines (")
    three = ask(parse("0.1", "4000", "", "3"), THREADS, quick)
    assert rows(three)["threads"][1] == "3"
    assert rows(three)["threads"][-1] == "fits by arithmetic: 3 processes, measured with 1"
    assert "nothing about scaling" in three.notes[0]
    assert "The simplest that fits: threads (" in three.conclusion
    assert three.conclusion.endswith("fits as measured: coroutines (coroutines).")


def test_without_capacity_four_fifths_of_a_core_count() -> None:
    """At 0.5 ms a request a core has 2,000 of them a second, and 1,600 are counted on."""
    slow = replace(THREADS, capacity_rps=None)
    for rate, cores in (("1600", "1"), ("1601", "2")):
        found = ask(parse("0.1", rate, "", "8"), slow)
        assert rows(found)["threads"][1] == cores
    assert found.notes[-1] == (
        "Capacity was not measured for any service: "
        "counted on is 80 % of a core at the CPU per request."
    )


def test_cpu_is_that_of_the_nearest_lower_rate() -> None:
    """1 ms up to 200 requests/s, then half of it."""
    for rate, cpu in (("5", "1"), ("100", "10"), ("200", "10"), ("300", "15")):
        assert rows(ask(parse("0.1", rate, "", "1")))["threads"][2] == cpu


def test_what_lies_within_noise_decides_nothing() -> None:
    """Threads have the capacity by the median, and not in their worst round."""
    shaky = replace(THREADS, capacity_rps=Figure(310, 290))
    found = ask(parse("0.2", "300", "", "1"), shaky, COROUTINES)
    assert rows(found)["threads"][-1] == "borderline: needs 2 cores in the worst round"
    assert found.conclusion.startswith("The simplest that fits: coroutines (")
    assert found.conclusion.endswith(" Within noise, so not decided: threads.")
    alone = ask(parse("0.2", "300", "", "1"), shaky)
    assert alone.conclusion.startswith("Only borderline, ")


def test_equally_simple_ones_are_all_named() -> None:
    twin = replace(THREADS, name="twin", cpu=[Cpu(200, sure(0.1))], request_bytes=sure(KIB))
    found = ask(parse("0.2", "300", "", "1"), THREADS, twin, COROUTINES)
    assert found.conclusion.startswith("The simplest that fits: threads, twin (threads: ")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (("10ms", "300"), "a delay of 10 ms is shorter than the shortest, 100 ms"),
        (("1.1", "300"), "a delay of 1.1 s is far longer than the longest, 100 ms"),
        (("0.1", "1501"), "1,501 requests/s are more than any service's 1,500 on one core times 1"),
        (("10", "500"), "5,213 requests in flight are more than the most, 5,000"),
    ],
)
def test_outside_what_was_measured(question: tuple[str, str], said: str) -> None:
    found = ask(parse(*question, "", "1"))
    assert found.notes[0].startswith("Outside what was measured: ")
    assert said in found.notes[0]


@pytest.mark.parametrize("question", [("0.1", "1500"), ("1", "300"), ("100ms", "1")])
def test_inside_what_was_measured(question: tuple[str, str]) -> None:
    assert "Outside" not in "".join(ask(parse(*question, "", "1")).notes)


def test_what_was_not_measured_is_said_and_not_recommended() -> None:
    bare = replace(THREADS, request_bytes=None)
    idle = replace(COROUTINES, cpu=[], capacity_rps=None)
    found = ask(parse("0.2", "300", "512M", "1"), bare, idle, PROCESS)
    assert rows(found)["threads"][3:] == ["–", "not known: memory was not measured"]
    assert rows(found)["coroutines"][-1] == "not known: CPU was not measured"
    assert "CPU per request was not measured for coroutines." in found.notes
    assert "Memory per waiting request was not measured for threads, coroutines." in found.notes
    assert found.conclusion.startswith("Nothing is known to fit")
    without = ask(parse("0.2", "300", "", "1"), bare)
    assert rows(without)["threads"][-1] == "fits"
    assert without.notes == ["Memory per waiting request was not measured for any service."]


def test_more_in_flight_than_a_service_ever_held() -> None:
    few = replace(THREADS, held=50)
    broken = replace(COROUTINES, held=50, invalid=True)
    found = ask(parse("0.2", "300", "", "1"), few, broken)
    assert rows(found)["threads"][-1].endswith("measured with no more than 50 in flight")
    assert rows(found)["coroutines"][-1] == "not known: invalid with more than 50 in flight"
    assert found.conclusion.endswith("nothing fits as it was measured.")


def test_results_of_different_machines_are_named() -> None:
    found = ask(parse("0.2", "300", "", "1"), machines=["here", "there"])
    assert found.notes[-1] == "The results are of different machines: here, there."


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (("0.2", "300", "", "1"), Question(0.2, 300, None, 1)),
        ((" 200ms ", ".5", "512M", "2"), Question(0.2, 0.5, 512 * MIB, 2)),
        (("2s", "1.5", "2g", "1"), Question(2, 1.5, 2048 * MIB, 1)),
        (("2", "1", "1000000", "1"), Question(2, 1, 1_000_000, 1)),
        (("2", "1", "1.5GiB", "1"), Question(2, 1, 1536 * MIB, 1)),
    ],
)
def test_a_question_is_understood(words: tuple[str, str, str, str], question: Question) -> None:
    assert parse(*words) == question


WRONG = {
    "no delay": (("", "300", "", "1"), "DELAY must be seconds from 0.001 to 3600, like 0.2 or"),
    "delay": (("0.2m", "300", "", "1"), "DELAY must be seconds"),
    "short": (("0", "300", "", "1"), "DELAY must be seconds"),
    "long": (("1e9", "300", "", "1"), "DELAY must be seconds"),
    "rate": (("1", "many", "", "1"), "RATE must be requests a second, like 300, not many"),
    "negative": (("1", "-3", "", "1"), "RATE must be requests a second"),
    "memory": (("1", "1", "512X", "1"), "MEMORY must be bytes, or like 512M or 2G, not 512X"),
    "nothing": (("1", "1", "0", "1"), "MEMORY must be bytes"),
    "cores": (("1", "1", "", "1.5"), "CORES must be a whole number from 1 to 9999, not 1.5"),
    "no cores": (("1", "1", "", "0"), "CORES must be a whole number"),
}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_understood(words: tuple[str, str, str, str], said: str) -> None:
    with pytest.raises(BadQuestion) as caught:
        parse(*words)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_every_service_has_a_place_in_the_order() -> None:
    found = [place(catalog.load(name).waits) for name in catalog.names()]
    assert set(found) == set(range(len(ORDER) - 1))
    assert place("a unicorn") == len(ORDER) - 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "which question? make advise DELAY=0.2 RATE=300"),
        (("--delay", "0.2", "--rate", "x"), "RATE must be"),
        (("--delay", "0.2", "--rate", "300"), "no results in "),
    ],
)
def test_what_has_no_answer_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    for results in (tmp_path, tmp_path / "nowhere"):
        monkeypatch.setattr(sys, "argv", ["advise", *arguments, "--results", str(results)])
        assert main() == 2
        complaint = capsys.readouterr()
        assert complaint.out == ""
        assert complaint.err.startswith(said) and complaint.err.count("\n") == 1
