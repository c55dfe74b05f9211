"""The folders of `services/`, and nothing else, say which services there are."""

from __future__ import annotations

import shutil

import pytest
from conftest import TOML, Stage

from loadtests import catalog
from loadtests.catalog import SERVICES, UnknownService
from services import folders


def test_a_folder_is_a_service(stage: Stage) -> None:
    stage("b", "a")
    (catalog.SERVICES / "no-service").mkdir()
    assert catalog.names() == ["a", "b"]  # not the backend, which is what they wait for
    shutil.rmtree(catalog.SERVICES / "a")
    assert catalog.names() == ["b"]


def test_services_are_selected_by_name(stage: Stage) -> None:
    a, b = stage("a", "b")
    assert catalog.select("") == catalog.select(None) == catalog.select("  ") == [a, b]
    assert catalog.select("b") == [b]
    assert catalog.select("b, a") == catalog.select(" b a b ") == [b, a]
    with pytest.raises(UnknownService, match="no service 'c'; there are: a, b"):
        catalog.select("a c")


def test_the_nearest_name_is_asked_for(stage: Stage) -> None:
    stage("flask-threads", "tornado")
    with pytest.raises(
        UnknownService, match=r"no service 'tornedo'; .*\(did you mean tornado\?\)$"
    ):
        catalog.select("tornedo")


def test_offers_and_exceptions_of_a_service(stage: Stage) -> None:
    (service,) = stage("a")
    description = service.folder / "service.toml"
    description.write_text(TOML.replace('["/chat", "/file", "/json"]', '["/chat"]'))
    service = catalog.load("a")
    assert [service.has(route) for route in ("/", "/info", "/chat", "/file")] == [1, 1, 1, 0]
    assert service.exceptions == {}
    with description.open("a") as file:
        file.write('[exceptions]\ntrickle = "it takes its time"\n')
    assert catalog.load("a").exceptions == {"trickle": "it takes its time"}


def test_a_variant_is_named_by_its_path(stage: Stage) -> None:
    a, b = stage("a", "b")
    shutil.move(b.folder, a.folder / "b")
    assert catalog.names() == ["a", "a-b"]
    variant = catalog.load("a-b")
    assert variant.folder == a.folder / "b"
    (variant.folder / "app.py").unlink()
    for folder, files in ((a.folder, ["app.py", "client.py"]), (variant.folder, ["chat.py"])):
        for file in files:
            (folder / file).touch()
    found = folders.modules("a-b", catalog.SERVICES)
    assert {name: path.parent for name, path in found.items()} == {
        "app.py": a.folder,
        "chat.py": variant.folder,
        "client.py": a.folder,
    }
    assert folders.find("a-b", "serve", catalog.SERVICES) == variant.folder / "serve"
    (variant.folder / "serve").unlink()
    assert folders.find("a-b", "serve", catalog.SERVICES) == a.folder / "serve"
    with pytest.raises(FileNotFoundError, match=r"services/a-b: chat\.toml is missing"):
        folders.find("a-b", "chat.toml", catalog.SERVICES)


def test_a_variant_offers_tls_as_the_nearest_folder_says(stage: Stage) -> None:
    a, b = stage("a", "b")
    assert a.tls
    said = (b.folder / "service.toml").read_text()
    shutil.move(b.folder, a.folder / "b")
    description = catalog.load("a-b").folder / "service.toml"
    description.write_text(said.replace("tls = true\n", ""))
    assert catalog.load("a-b").tls
    description.write_text(said.replace("tls = true", "tls = false"))
    assert not catalog.load("a-b").tls
    (a.folder / "service.toml").write_text(said.replace("tls = true\n", ""))
    assert not catalog.load("a").tls


def test_a_folder_of_a_framework_need_be_no_service(stage: Stage) -> None:
    a, b = stage("a", "b")
    shutil.move(b.folder, a.folder / "b")
    (a.folder / "service.toml").unlink()
    assert catalog.names() == ["a-b"]
    with pytest.raises(UnknownService, match="no service 'a'; there are: a-b"):
        catalog.load("a")


@pytest.mark.parametrize("name", ["backend", "../services/a", "..", "/", "a/", "CONTRACT.md"])
def test_names_that_are_no_service(stage: Stage, name: str) -> None:
    stage("a")
    with pytest.raises(UnknownService, match="no service"):
        catalog.load(name)


@pytest.mark.parametrize(
    "text",
    [
        *("", "title = 1 2", TOML.replace("model", "modell"), TOML + 'extra = "x"'),
        TOML.replace("stock", "steak"),
    ],
)
def test_a_wrong_description(stage: Stage, text: str) -> None:
    (service,) = stage("a")
    (service.folder / "service.toml").write_text(text)
    with pytest.raises(UnknownService, match=r"services/a/service\.toml: "):
        catalog.load("a")


def test_the_projects_own_services() -> None:
    assert {"flask-threads", "fastapi", "tornado", "tornado-blocking", "sanic"} <= set(
        catalog.names()
    )
    for service in catalog.select(""):
        assert service.name == "-".join(service.folder.relative_to(SERVICES).parts)
        described = service.description()
        assert all(described.pop("exceptions").values())
        assert all(described[key] for key in described.keys() - {"offers", "limit"})
