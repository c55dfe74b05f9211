"""The folders of `services/`, and nothing else, say which services there are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import TOML, Stage

from loadtests import catalog
from loadtests.catalog import SERVICES, UnknownService


def test_a_folder_is_a_service(stage: Stage) -> None:
    stage("b", "a")
    (catalog.SERVICES / "no-service").mkdir()
    assert catalog.names() == ["a", "b"]  # not the backend, which is what they wait for
    shutil.rmtree(catalog.SERVICES / "a")
    assert catalog.names() == ["b"]


def test_what_is_selected(stage: Stage) -> None:
    a, b = stage("a", "b")
    assert catalog.select("") == catalog.select(None) == catalog.select("  ") == [a, b]
    assert catalog.select("b") == [b]
    assert catalog.select("b, a") == catalog.select(" b a b ") == [b, a]
    with pytest.raises(UnknownService, match="no service 'c'; there are: a, b"):
        catalog.select("a c")


def test_what_it_cannot(stage: Stage) -> None:
    (service,) = stage("a")
    assert service.cannot == {}
    with (service.folder / "service.toml").open("a") as file:
        file.write('[cannot]\n"/chat" = "it hears nothing"\n')
    assert catalog.load("a").cannot == {"/chat": "it hears nothing"}


@pytest.mark.parametrize("name", ["backend", "../services/a", "..", "/", "a/", "CONTRACT.md"])
def test_what_is_no_service(stage: Stage, name: str) -> None:
    stage("a")
    with pytest.raises(UnknownService, match="no service"):
        catalog.load(name)


@pytest.mark.parametrize(
    "text", [None, "title = 1 2", TOML.replace("model", "modell"), TOML + 'extra = "x"', ""]
)
def test_a_service_without_its_description(stage: Stage, text: str | None) -> None:
    (service,) = stage("a")
    description: Path = service.folder / "service.toml"
    description.unlink()
    if text is not None:
        description.write_text(text)
    with pytest.raises(UnknownService, match=r"services/a/service\.toml: "):
        catalog.load("a")


def test_those_of_the_project() -> None:
    assert {"flask-threads", "flask-gevent", "tornado", "tornado-blocking", "sanic"} <= set(
        catalog.names()
    )
    for service in catalog.select(""):
        assert service.folder == SERVICES / service.name
        described = service.description()
        assert all(described.pop("cannot").values()) and all(described.values())
