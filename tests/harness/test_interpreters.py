"""Services on several interpreters: which there are, what is left out, what is compared."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import runs
from conftest import SETTINGS, Stage
from pages import page
from test_verdict import INFO, point

from loadtests import catalog
from loadtests.bench import interpreters, plan, profiles, rounds
from loadtests.bench.interpreters import UnknownInterpreter
from loadtests.bench.verdict import judge
from loadtests.catalog import Interpreter, Service
from loadtests.record import Run
from loadtests.report.tables.controlled import CAPTION, interpreter_pairs
from loadtests.runtime import UnknownRuntime, environments
from loadtests.workloads import KINDS

TINY = profiles.made(
    "tiny", title="", users=(5,), delay_s=0.05, rounds=1, warmup_s=0.1, window_s=0.5
)
HERE = ".".join(platform.python_version_tuple()[:2])


def test_a_path_names_an_interpreter() -> None:
    (found,) = interpreters.named(sys.executable)
    assert found.mark.removesuffix("t") == HERE
    assert (found.path, found.version) == (Path(sys.executable), platform.python_version())
    assert found.prefix == sys.base_prefix


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("9.9", "PYTHONS: uv python find --system 9.9"),
        ("/no/such/python", "is no Python"),
        ("/bin/echo", "is no Python"),
        (f"{sys.executable} {sys.executable}", f"names {HERE}t? twice"),
    ],
)
def test_a_name_that_is_none(names: str, said: str) -> None:
    with pytest.raises(UnknownInterpreter, match=said):
        interpreters.named(names)


def test_one_that_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nprintf '3.10.4\\n0\\n/usr\\n'\n")
    old.chmod(0o755)
    with pytest.raises(UnknownInterpreter, match=r"is 3\.10\.4; the services need 3\.11 or newer"):
        interpreters.named(str(old))


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> list[Interpreter]:
    """This interpreter under two marks; nothing is installed for them."""
    here = Path(sys.executable)
    found = [Interpreter(mark, here, "3.14.0", "/usr") for mark in ("3.14", "3.14t")]
    monkeypatch.setattr(interpreters, "named", lambda names: found if names else [])
    monkeypatch.setattr(environments, "ensure_on", lambda service, interpreter: None)
    return found


Parts = Callable[..., list[plan.Part]]


@pytest.fixture
def parts(stage: Stage, two: list[Interpreter], monkeypatch: pytest.MonkeyPatch) -> Parts:
    """The parts of a short profile over the services a and b."""
    stage("a", "b")
    monkeypatch.setattr(profiles, "select", lambda name: [TINY])
    return lambda runtime="auto": plan.parts("tiny", "a b", runtime, SETTINGS, "3.14 3.14t")


def test_every_service_is_measured_on_each(parts: Parts, tmp_path: Path) -> None:
    (part,) = found = parts()
    labels = ["a@3.14", "a@3.14t", "b@3.14", "b@3.14t"]
    assert [service.label for service in part.services] == labels
    assert (part.runtime.name, part.runtime.because) == ("local", "PYTHONS are of local processes")
    rounds.run("tiny", found, tmp_path)
    (file,) = tmp_path.glob("*/run.json")
    run = json.loads(file.read_text())
    assert sorted(point["service"] for point in run["points"]) == labels
    assert {name: about["python"] for name, about in run["services"].items()} == {
        "a@3.14": "3.14", "a@3.14t": "3.14t", "b@3.14": "3.14", "b@3.14t": "3.14t",
    }  # fmt: skip
    for one in run["points"]:  # they say that they have the GIL
        has_none = one["service"].endswith("t")
        on_again = ["an extension module turned the GIL on again"]
        assert one["invalid_because"] == (on_again if has_none else [])


def test_containers_cannot(parts: Parts) -> None:
    with pytest.raises(UnknownRuntime, match="PYTHONS are of local processes"):
        parts("compose")


def test_who_cannot_be_installed_is_left_out(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(service: Service, interpreter: Interpreter) -> None:
        if service.label == "b@3.14t":
            raise environments.InstallError("uv pip sync:\n  × Failed to build `x==1`\n  more")

    monkeypatch.setattr(environments, "ensure_on", fail)
    (part,) = parts()
    assert [service.label for service in part.services] == ["a@3.14", "a@3.14t", "b@3.14"]
    assert part.description()["left_out"] == {"b@3.14t": "Failed to build `x==1`"}


def test_what_is_no_python_is_left_out(two: list[Interpreter]) -> None:
    floor = next(one for one in catalog.select("") if one.kind == catalog.FLOOR)
    able, left_out = interpreters.each([floor, catalog.load("tornado")], two)
    assert [service.label for service in able] == ["tornado@3.14", "tornado@3.14t"]
    assert left_out == {floor: "it is no Python"}


def test_one_that_is_measured_again_is_again_on_its_interpreter(two: list[Interpreter]) -> None:
    (one,) = interpreters.each([catalog.load("tornado")], two[1:])[0]
    again = replace(one, again=True)
    assert again.label == "tornado@3.14t-again"
    assert again.description()["again_of"] == one.label


@pytest.mark.parametrize(
    ("python", "info", "is_valid"),
    [
        ("3.14t", {"gil": True}, False),
        ("3.14t", {"gil": False}, True),
        ("3.14", {"gil": True}, True),
    ],
)
def test_a_gil_that_is_back_is_invalid(python: str, info: dict[str, Any], is_valid: bool) -> None:
    measured = point()
    judge(measured, KINDS["delay"], {"python": python, "info": {**INFO, **info}})
    assert measured.valid == is_valid


def test_pairs_of_interpreters() -> None:
    """Each with the next newer one; one without the GIL with its own, or the newest, with it."""
    assert interpreter_pairs(["3.14t", "3.9", "3.14"]) == [("3.9", "3.14"), ("3.14", "3.14t")]
    assert interpreter_pairs(["3.13", "3.14t"]) == [("3.13", "3.14t")]
    assert interpreter_pairs(["3.14t"]) == []


def on_two(run: Run) -> Run:
    """The run as if its services were one, on two interpreters."""
    names = {"sanic": "sanic@3.14", "tornado": "sanic@3.14t"}
    run.services = {names[name]: about for name, about in run.services.items() if name in names}
    for name, about in run.services.items():
        about["python"] = name.partition("@")[2]
    run.points = [replace(p, service=names[p.service]) for p in run.points if p.service in names]
    run.summary = [replace(s, service=names[s.service]) for s in run.summary if s.service in names]
    return run


def test_a_report_has_the_ratio(tmp_path: Path) -> None:
    rows = page(on_two(runs.made_up()), tmp_path).tables[CAPTION]
    assert [row[:3] for row in rows] == [["interpreter", "sanic@3.14", "sanic@3.14t"]]
    assert rows[0][3].startswith("×")
