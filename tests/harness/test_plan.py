"""Which services a profile is measured over, and how they are started."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from conftest import TOML, Stage

from loadtests import catalog, runtime
from loadtests.bench import plan, profiles
from loadtests.bench.plan import Part
from loadtests.bench.profiles import Profile, UnknownProfile, made
from loadtests.runtime.local import LocalRuntime

SETTINGS = {"CONCURRENCY": "1000", "BACKEND_TIMEOUT_S": "10"}
TIMES: dict[str, Any] = {"rounds": 2, "warmup_s": 0.1, "window_s": 1.0}
CHAT = made(
    "talk", title="Talk", kind="chat", connections=(0, 5), deliveries_rps=10,
    concurrency=6000, **TIMES,
)  # fmt: skip
PAIR = made("pair", title="Two", users=(1,), delay_s=0.1, services=("a", "b"), **TIMES)

Parts = Callable[..., list[Part]]


@pytest.fixture
def parts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """`parts(CHAT, SERVICES)` over the services a, b and c, of which b has no chat."""
    _, b, _ = stage("a", "b", "c")
    (b.folder / "service.toml").write_text(TOML.replace('"/chat", ', ""))
    monkeypatch.delenv("CONCURRENCY", raising=False)

    def make(*of: Profile, services: str = "") -> list[Part]:
        monkeypatch.setattr(profiles, "select", lambda name: list(of))
        return plan.parts("x", services, "local", SETTINGS)

    return make


def names(part: Part) -> list[str]:
    return [service.name for service in part.services]


def test_services_without_the_route_are_left_out(parts: Parts) -> None:
    chat, pair = parts(CHAT, PAIR)
    assert (names(chat), names(pair)) == (["a", "c"], ["a", "b"])
    assert {service.name: why for service, why in chat.left_out.items()} == {
        "b": "it does not offer /chat"
    }
    assert chat.description()["left_out"] == {"b": "it does not offer /chat"}
    assert (chat.description()["route"], pair.description()["left_out"]) == ("/chat", {})
    assert chat.points() == 2 * 2 * 2
    chat, pair = parts(CHAT, PAIR, services="c b")
    assert (names(chat), names(pair)) == (["c"], ["c", "b"])


def test_some_are_measured_again(parts: Parts) -> None:
    """A second measurement differs in its name only; a service left out has none."""
    twice = made("twice", title="Two", users=(1,), delay_s=0.1, again=("b", "c"), **TIMES)
    (part,) = parts(twice)
    assert names(part) == ["a", "b", "c", "b", "c"]
    assert [service.label for service in part.services] == ["a", "b", "c", "b-again", "c-again"]
    assert part.services[3].folder == part.services[1].folder
    assert part.points() == 2 * 5
    assert part.description()["again"] == ("b", "c")
    assert part.runtime.services == ["a", "b", "c"]  # type: ignore[attr-defined]
    (part,) = parts(twice, services="a c")
    assert names(part) == ["a", "c", "c"]
    (part,) = parts(PAIR)
    assert names(part) == ["a", "b"] and "again" not in part.description()


def test_nobody_is_left(parts: Parts) -> None:
    with pytest.raises(UnknownProfile, match=r"nothing is left of .*b: it does not offer /chat"):
        parts(CHAT, services="b")
    chat, pair = parts(CHAT, PAIR, services="b")  # of the others something is
    assert (names(chat), names(pair)) == ([], ["b"])


def test_concurrency(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """CONCURRENCY is the profile's unless it is set, and only for its own services."""

    def given() -> list[str]:
        return [part.runtime.settings["CONCURRENCY"] for part in parts(CHAT, PAIR)]  # type: ignore[attr-defined]

    assert given() == ["6000", "1000"]
    monkeypatch.setenv("CONCURRENCY", "1000")
    assert given() == ["1000", "1000"]


def test_a_floor_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The floor's program may be missing locally; images have it. It has two routes."""
    floor = next(one for one in catalog.select("") if one.kind == catalog.FLOOR)
    monkeypatch.setattr(shutil, "which", lambda program, path: None)
    pair = plan.part(PAIR, [floor, catalog.load("tornado")], "local", {})
    assert [service.name for service in pair.services] == ["tornado"]
    assert pair.left_out == {floor: f"{floor.program} is not installed"}
    monkeypatch.setattr(shutil, "which", lambda program, path: program)
    assert plan.part(PAIR, [floor], "local", {}).services == [floor]
    assert [floor.has(route) for route in ("/", "/info", "/fanout", "/chat")] == [1, 1, 0, 0]
    assert runtime.lacks(LocalRuntime("a test", [], {}), floor) == ""
