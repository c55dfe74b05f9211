"""compose.yaml against the folders. No Engine is needed."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from loadtests import catalog
from loadtests.catalog import ROOT
from loadtests.runtime import compose_file

TEXT = (ROOT / "compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
LOCUST = {"locust", "locust-worker", "null-server"}  # of one image


def test_its_services_are_the_folders() -> None:
    """The services of compose.yaml: `make lock SERVICE=…` adds one, `make lock` writes all."""
    assert set(SERVICES) == {"backend", "own", "probe", *catalog.names(), *LOCUST}
    assert compose_file.written(TEXT, catalog.select("")) == TEXT


@pytest.mark.parametrize("name", ["backend", *catalog.names()])
def test_an_image_is_built_for_its_name(name: str) -> None:
    assert SERVICES[name]["build"]["args"]["SERVICE"] == name
    assert SERVICES[name]["image"] == f"waiting-services-{name}"


def test_locust_offers_every_service() -> None:
    targets = SERVICES["locust"]["environment"]["TARGETS"]
    offered = targets.removeprefix("${TARGETS:-").removesuffix("}").split()
    for service in catalog.select(""):  # the floor is there only where it is named
        is_floor = service.kind == catalog.FLOOR
        assert (service.name in offered) is not is_floor
        assert ("profiles" in SERVICES[service.name]) is is_floor
    assert set(offered) < set(catalog.names())


def test_the_base_image_is_the_dockerfiles() -> None:
    tag = "python:3.14-slim-trixie"
    for folder in ("services", "loadtests"):
        assert f"ARG PYTHON_IMAGE={tag}\n" in (ROOT / folder / "Dockerfile").read_text()
    bases = {
        service["build"]["args"]["PYTHON_IMAGE"]
        for service in SERVICES.values()
        if "build" in service
    }
    assert bases == {f"${{PYTHON_IMAGE:-{tag}}}"}


def test_only_locust_s_ui_is_published_and_only_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"locust": ["127.0.0.1:${UI_PORT:-8089}:8089"]}


@pytest.mark.parametrize("name", catalog.names())
def test_settings_are_passed_on_where_they_are_set(name: str) -> None:
    passed = dict.fromkeys(("WORKERS", "CONCURRENCY", "BACKEND_TIMEOUT_S"))
    assert SERVICES[name]["environment"] == {
        "BACKEND_URL": "http://${BACKEND_NAME:-backend}:8080",
        **passed,
    }
