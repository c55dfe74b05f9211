"""The profile of faults: it tells a service that survives them from one that hides them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SETTINGS, Stage
from pages import Page, page

from loadtests.bench import profiles, rounds
from loadtests.bench.laps import Laps
from loadtests.bench.measure import measure
from loadtests.bench.plan import Part
from loadtests.catalog import Service
from loadtests.record import Point, Run, summarise
from loadtests.report import sections
from loadtests.report.results import parts
from loadtests.runtime.local import LocalRuntime
from loadtests.runtime.process import fetch
from loadtests.workloads.faults import BACKEND, CALLERS, HARNESS, SAID
from loadtests.workloads.faults.cells import LEAST_LEAK, Outcome, outcomes
from loadtests.workloads.faults.outcome import HUGE_BYTES, judged

RIGHT = b'{"delay":0.05,"id":"f1"}'
FAST = {
    "kind": "faults", "title": "", "rounds": 1, "warmup_s": 0.1, "window_s": 6.0, "delay_s": 0.05,
    "rate_rps": 20, "fault_s": 0.5, "timeout_s": 2.0,
}  # fmt: skip
# A huge body takes seconds of a busy core, and its reader's time with it; names are containers'.
QUICK = tuple(name for name in SAID if name not in ("huge-body", "no-name"))
# Nothing of them reaches a caller of a service that opens a connection for each call.
UNSEEN = ("two-answers", "close-idle", *CALLERS)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, RIGHT, "right"),
        (200, b'{"delay":0.05,"id":"f2"}', "wrong"),  # of another request
        (200, b'{"delay": 0.05, "id": "f1"}', "wrong"),  # made up
        (200, RIGHT[:-3], "wrong"),
        (200, b"", "wrong"),
        (502, b'{"error":"x"}', "error"),
        (504, b'{"error":"x"}', "error"),
        (502, b"<h1>Bad Gateway</h1>", "wrong"),
        (502, b"[]", "wrong"),
        (500, b'{"error":"x"}', "wrong"),
        (503, b'{"error":"x"}', "wrong"),
        (400, b'{"error":"x"}', "wrong"),
    ],
)
def test_an_answer_is_judged_by_what_the_contract_says(status: int, body: bytes, kind: str) -> None:
    assert judged(status, body, RIGHT)[0] == kind


def test_a_huge_body_is_right_with_nothing_but_spaces_in_it() -> None:
    huge = bytearray(RIGHT[:-1] + b" " * (HUGE_BYTES - len(RIGHT)) + b"}")
    assert judged(200, huge, RIGHT)[0] == "right"
    assert judged(200, huge[:-1], RIGHT)[0] == "wrong"
    huge[-2:] = b"x}"
    assert judged(200, huge, RIGHT)[0] == "wrong"


BEFORE = "before the fault it answers"
FAULTY = Path(__file__).with_name("faulty_service.py")
Try = Callable[..., list[Point]]


@pytest.fixture
def attempt(stage: Stage) -> Try:
    """`attempt("hides", "500", "kill")`: the points of a service that meets faults so."""
    settings = SETTINGS | {"CONCURRENCY": "20", "BACKEND_TIMEOUT_S": "0.5"}
    runtime = LocalRuntime("a test asks for it", [], settings)

    def make(way: str, *faults: str, **given: float) -> list[Point]:
        service = stage(script=FAULTY, mine=way)[0]
        with runtime:
            found = turn(runtime, service, faults, **given)
            # The machine stood still for as long as the service's timeout.
            if any(BEFORE in reason for point in found for reason in point.invalid_because):
                found = turn(runtime, service, faults, **given)
        return found

    return make


def turn(
    runtime: LocalRuntime, service: Service, faults: tuple[str, ...], **given: float
) -> list[Point]:
    """The points of one turn."""
    profile = profiles.made("faults", **(FAST | given), faults=faults)
    part = Part(profile, [service], {}, runtime)
    return list(measure(service, 1, part, rounds.new_run("faults", [part]), Laps()))


def by_fault(points: list[Point]) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for point in points:
        assert (point.problems or []) == [] and point.valid, point.invalid_because
        outcome = found[point.fault["kind"]] = Outcome(point.fault["kind"])
        outcome.add(point)
    return found


def test_one_that_survives_all_of_them(attempt: Try) -> None:
    found = by_fault(attempt("survives", *QUICK))
    assert list(found) == list(QUICK)
    for name, one in found.items():
        assert (one.broken, one.wrong, one.none) == ("", 0, 0), (name, one)
        assert one.during >= 5, (name, one)
        assert one.right > one.right_during or name in CALLERS, (name, one)  # afterwards it is well
    for name in ("refuse", "500", "cut-body", "silent", "kill"):
        assert found[name].error > 0, (name, found[name])
    assert found["500"].seen.keys() == {"502"}
    # Calls that are held at the end of the fault are reset, which may be before the timeout.
    assert found["silent"].seen.keys() <= {"502", "504"}
    for name in UNSEEN:
        assert found[name].error == 0, (name, found[name])


@pytest.mark.parametrize("way", ["makes-up", "repeats"])
def test_one_that_hides_them(attempt: Try, way: str) -> None:
    """A 200 is no survival: its body is not what the backend would have said."""
    seen = [name for name in QUICK if name not in UNSEEN]
    # Twice the service's timeout: a backend that is frozen for less answers all calls, if late.
    for name, one in by_fault(attempt(way, *seen, fault_s=1.0)).items():
        assert one.broken == "wrong", (name, one)
        assert one.wrong >= one.during - one.right_during > 0, (name, one)
        assert any(said.startswith("200 ") for said in one.seen)


def test_one_that_passes_on_what_a_500_says(attempt: Try) -> None:
    found = by_fault(attempt("passes", "500", "cut-body"))
    assert found["500"].broken == "wrong"
    assert found["cut-body"].broken == ""


@pytest.mark.parametrize(("way", "is_wrong"), [("survives", False), ("trims", True)])
def test_a_huge_body_is_whole_or_wrong(attempt: Try, way: str, is_wrong: bool) -> None:
    long = {"fault_s": 1.0, "timeout_s": 15.0, "window_s": 18.0}
    huge = by_fault(attempt(way, "huge-body", **long))["huge-body"]
    assert ((huge.broken == "wrong"), huge.wrong > 0) == (is_wrong, is_wrong), huge


def test_one_that_waits_for_ever(attempt: Try) -> None:
    long = {"fault_s": 2.5, "timeout_s": 1.0, "window_s": 5.0}
    found = by_fault(attempt("hangs", "500", "silent", **long))
    assert found["500"].broken == ""
    assert found["silent"].broken == "hangs"


def test_one_that_loses_slots(attempt: Try) -> None:
    lost = by_fault(attempt("leaks", "503"))["503"]
    assert (lost.wrong, lost.none, lost.broken) == (0, 0, "leaks")
    assert lost.lost["slots"] >= lost.during - lost.right_during > 0


def test_one_that_leaves_files_open(attempt: Try) -> None:
    lost = by_fault(attempt("keeps", "500", fault_s=1.5, window_s=4.5))["500"]
    assert (lost.wrong, lost.none, lost.broken) == (0, 0, "leaks")
    assert lost.lost["files"] > LEAST_LEAK


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_an_interrupted_one_leaves_the_backend_well(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    runtime = LocalRuntime("a test asks for it", [], SETTINGS)
    disturb = runtime.disturb

    def disturb_and_interrupt(what: str) -> None:
        disturb(what)
        raise KeyboardInterrupt

    monkeypatch.setattr(runtime, "disturb", disturb_and_interrupt)
    service = stage(script=FAULTY, mine="survives")[0]
    with runtime:
        with pytest.raises(KeyboardInterrupt):
            turn(runtime, service, (fault,))
        assert fetch(f"{runtime.backend_url}/health") == (200, b'{"status":"ok"}')


def test_without_containers_no_name_can_be_taken_away(attempt: Try) -> None:
    (point,) = attempt("survives", "no-name")
    assert (point.valid, point.requests) == (True, 0)
    assert "only a container" in point.fault["skipped"]


# --------------------------------------------------------------------------------- the report


def made_up() -> Run:
    """A run of two services: one is well, of the other one fault is told twice as bad."""
    from runs import made_up as any_run

    run = any_run(users=(10,), rounds=2, profile="faults")
    names = list(run.services)[:2]
    run.services = {name: run.services[name] for name in names}
    run.points = [
        Point(
            profile="faults", service=name, scenario=f"faults-{fault}", round=turn, users=0,
            rate_rps=20.0, delay_s=0.05, duration_s=4.0, requests=60, rps=15.0,
            recovery_s=0.2 * turn, fault=about(fault, bad=name == names[1] and fault == "silent"),
        )
        for turn in (1, 2) for name in names for fault in SAID
    ]  # fmt: skip
    run.summary = summarise(run.points)
    run.workloads = {"faults": {"kind": "faults", "title": "x", "fault_s": 2.0}}
    return run


def about(fault: str, bad: bool) -> dict[str, Any]:
    if fault == "no-name":
        return {"kind": fault, "share": 1.0, "skipped": "only a container has one"}
    lost = {"slots": 0, "calls": 0, "unanswered": 0, "threads": 3, "pss_bytes": 1}
    return {
        "kind": fault, "share": 1.0, "right": 20, "error": 38, "wrong": 0, "none": 2 * bad,
        "during": 40, "right_during": 10, "lost": lost,
        "seen": {"502": 38} | ({"timeout: <b>": 2} if bad else {}),
    }  # fmt: skip


def test_the_matrix_leads_to_what_happened(tmp_path: Path) -> None:
    run = made_up()
    (part,) = parts.split(run)
    (chart,) = sections.of(part).charts(part)
    shown: Page = page(run, tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    anchors = set(re.findall(r'<tr id="([^"]+)"', html))
    cells = [one for one in chart.records if not one.get("heading")]
    links = {one["link"] for one in cells}
    assert len(links) == 2 * len(SAID)
    assert {link.removeprefix("#") for link in links} == anchors
    assert shown.tables["Requests under each fault"]
    framed = [(one["service"], one["words"], one["sign"]) for one in cells if one["framed"]]
    assert framed == [(list(run.services)[1], "25 hangs", "!")]
    assert {one["words"] for one in cells} == {"25", "25 hangs", "–"}
    assert {one["sign"] for one in cells} == {"", "!"}
    assert "href" not in chart.svg  # a still picture leads nowhere


def test_a_phone_has_room_for_signs_only() -> None:
    (part,) = parts.split(made_up())
    (chart,) = sections.of(part).charts(part)
    wide, narrow = (re.findall(r"<text[^>]*>([^<]*)<", chart.still(width)) for width in (760, 340))
    assert {"25", "25 hangs", "–"} < set(wide) and "!" not in wide
    assert narrow.count("!") == 1 and not {"25", "25 hangs", "–"} & set(narrow)
    for words in (wide, narrow):  # faults are told by who has them
        assert words.index("The backend") < words.index("never answers")
        assert words.index("Other callers") < words.index("send half a request")


def test_rounds_are_taken_together() -> None:
    run = made_up()
    (part,) = parts.split(run)
    well, bad = (outcomes(part)[name]["silent"] for name in run.services)
    assert (well.broken, well.during, well.recovery_s, well.share) == ("", 80, 0.4, 25.0)
    assert (bad.broken, bad.none) == ("hangs", 4)
    said = sections.of(part).finding(part)
    assert "41 of 42" in said
    assert f"{list(run.services)[1]} hangs where the backend never answers" in said


def test_an_exception_is_declared_in_service_toml() -> None:
    run = made_up()
    bad = list(run.services)[1]
    run.services[bad]["exceptions"] = {"second answer": "upstream/issues/1"}
    for point in run.points:
        if (point.service, point.fault.get("kind")) == (bad, "two-answers"):
            point.fault["wrong"] = 3
    (part,) = parts.split(run)
    (chart,) = sections.of(part).charts(part)
    framed = [(one["service"], one["row"]) for one in chart.records if one.get("framed")]
    assert framed == [(bad, "never answers")]
    assert "upstream/issues/1" in str(sections.of(part).tables(part))
    said = sections.of(part).finding(part)
    meant = "Declared: the service's service.toml names the exception and its reason."
    assert f"{bad} answers wrong where the backend answers twice, as declared" in said
    assert said.endswith(f". {meant}")


def test_memory_alone_is_kept_and_nothing_leaks() -> None:
    run = made_up()
    name = next(iter(run.services))
    for point in run.points:
        if (point.service, point.fault.get("kind")) == (name, "huge-body"):
            point.fault["lost"]["pss_bytes"] = 2**28
    (part,) = parts.split(run)
    said, (chart,) = sections.of(part).finding(part), sections.of(part).charts(part)
    assert f"{name} keeps more memory where the backend answers with 100 MB" in said
    assert f"{name} keeps more memory" in chart.alt and "leak" not in said + chart.alt
    assert "25 memory" in {one.get("words") for one in chart.records}


def test_the_finding_says_once_what_several_services_do() -> None:
    run = made_up()
    for point in run.points:
        if point.fault.get("kind") == "silent":
            point.fault["none"] = 2
    (part,) = parts.split(run)
    assert list(run.services) == ["flask-threads", "flask-gevent"]  # as they were measured
    said = sections.of(part).finding(part)
    assert said.endswith("flask-gevent and flask-threads hang where the backend never answers.")
    (chart,) = sections.of(part).charts(part)
    both = "flask-gevent hangs, flask-threads hangs"  # by what waits, as in all charts
    assert f"the backend never answers: 25 % right, {both}" in chart.alt


def test_a_lookup_without_a_limit_is_declared_once() -> None:
    """Under Compose a backend that was killed has no name, either."""
    run = made_up()
    name = next(iter(run.services))
    run.services[name]["exceptions"] = {"name lookup": "upstream/issues/2"}
    (part,) = parts.split(run)
    excused = {fault: one.excuse for fault, one in outcomes(part)[name].items() if one.excuse}
    assert excused == dict.fromkeys(("kill", "no-name"), "upstream/issues/2")


@pytest.mark.parametrize(
    ("found", "broken", "is_framed"),
    [
        ({}, "", False),
        ({"none": 2}, "hangs", False),
        ({"none": 2, "recovery_s": None}, "hangs", False),
        ({"lost": {"slots": 1}}, "leaks", False),
        ({"lost": {"slots": 1, "calls": 2, "files": 10}}, "leaks", False),
        ({"none": 2, "wrong": 1}, "wrong", True),
        ({"none": 2, "lost": {"files": 11}}, "leaks", True),
        ({"none": 2, "lost": {"slots": 3, "threads": 11}}, "leaks", True),
        ({"none": 2, "lost": {"slots": 3, "connections": 11}}, "leaks", True),
        ({"none": 2, "lost": {"slots": 3, "pss_bytes": 2**26}}, "memory", True),
        ({"recovery_s": None}, "stays ill", False),
    ],
)
def test_a_lookup_excuses_what_waits_for_it_only(
    found: dict[str, Any], broken: str, is_framed: bool
) -> None:
    one = Outcome("kill", excuse="upstream/issues/2", **found)
    assert (one.broken, bool(one.undeclared)) == (broken, is_framed)
    assert Outcome("kill", **found).undeclared == Outcome("kill", **found).broken


@pytest.mark.parametrize(
    ("found", "broken", "is_framed"),
    [
        ({"wrong": 2}, "wrong", False),
        ({"none": 2, "wrong": 1}, "hangs", True),
        ({"wrong": 1, "lost": {"slots": 1}}, "leaks", True),
        ({"wrong": 1, "recovery_s": None}, "stays ill", True),
    ],
)
def test_a_second_answer_excuses_wrong_ones_only(
    found: dict[str, Any], broken: str, is_framed: bool
) -> None:
    one = Outcome("two-answers", excuse="upstream/issues/1", **found)
    assert (one.broken, bool(one.undeclared)) == (broken, is_framed)
    assert Outcome("two-answers", **found).undeclared


def test_a_wrong_answer_is_framed_whatever_else_is_declared() -> None:
    run = made_up()
    name = next(iter(run.services))
    run.services[name]["exceptions"] = {"name lookup": "upstream/issues/2"}
    for point in run.points:
        if (point.service, point.fault["kind"]) == (name, "kill"):
            point.fault |= {"none": 3, "wrong": 1}
    (part,) = parts.split(run)
    (chart,) = sections.of(part).charts(part)
    framed = [(one["service"], one["words"]) for one in chart.records if one.get("framed")]
    assert (name, "25 wrong") in framed
    said = sections.of(part).finding(part)
    assert f"{name} answers wrong where the backend is killed and started again" in said
    assert "declared" not in said


@pytest.mark.parametrize("name", ["slots", "calls", "unanswered"])
def test_one_that_lacks_slots_is_not_whole(name: str) -> None:
    assert Outcome("500", lost={name: 1}).ended == "not in its window"
    assert Outcome("500", lost={name: 0, "files": 3}).ended == "at once"


def test_of_a_network_that_was_gone_the_service_s_own_files_tell() -> None:
    assert Outcome("no-name", lost={"connections": 19, "files": 0}).broken == ""
    assert Outcome("no-name", lost={"connections": 19, "files": 19}).broken == "leaks"
    assert Outcome("kill", lost={"connections": 19}).broken == "leaks"


@pytest.mark.parametrize(
    ("lost", "broken"),
    [
        ({"slots": 1}, "leaks"), ({"calls": 1}, "leaks"), ({"unanswered": 1}, "leaks"),
        ({"threads": 10, "connections": 10, "pss_bytes": 2**25, "files": 10}, ""),
        ({"threads": 11}, "leaks"), ({"files": 11}, "leaks"), ({"connections": 11}, "leaks"),
        ({"descriptors": 99}, ""),  # those of older runs count the callers' connections
        ({"pss_bytes": 2**25 + 1}, "memory"), ({"pss_bytes": 2**25 + 1, "calls": 1}, "leaks"),
    ],
)  # fmt: skip
def test_what_counts_as_a_leak(lost: dict[str, int], broken: str) -> None:
    assert Outcome("500", lost=lost).broken == broken


def test_names_of_faults_are_those_of_the_backend() -> None:
    """The harness imports no service: what it asks for is compared with what there is."""
    source = Path(__file__).parents[2] / "services" / "backend" / "faults.py"
    kinds = source.read_text(encoding="utf-8").partition("KINDS = {")[2].partition("\n}")[0]
    assert set(re.findall(r'^    "([^"]+)": Kind', kinds, re.M)) == set(BACKEND)
    assert not set(BACKEND) & (set(HARNESS) | set(CALLERS))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"faults": ("500", "sun")}, "there is no fault sun; there are: refuse"),
        ({"faults": ("500", "kill", "500")}, "named twice: 500"),
        ({"fault_s": 0}, "needs fault_s"),
        ({"share": 1.5}, "share must be"),
        ({"timeout_s": 0.05}, "timeout_s must be more than delay_s"),
        ({"window_s": 2.5}, "must together be less than window_s"),
    ],
)
def test_bad_settings(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(profiles.UnknownProfile, match=reason):
        profiles.made("faults", **(FAST | {"faults": ("500",)} | given))
