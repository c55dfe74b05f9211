"""compose.yaml against the folders. No Engine is needed."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from loadtests import catalog
from loadtests.catalog import ROOT

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())[
    "services"
]
LOCUST = {"locust", "locust-worker", "null-server"}  # of one image


def test_its_services_are_the_folders() -> None:
    assert set(SERVICES) == {"backend", *catalog.names(), *LOCUST}


@pytest.mark.parametrize("name", ["backend", *catalog.names()])
def test_an_image_is_built_from_the_folder_of_its_name(name: str) -> None:
    assert SERVICES[name]["build"]["args"]["FOLDER"] == f"services/{name}"
    assert SERVICES[name]["image"] == f"waiting-services-{name}"


def test_locust_offers_every_service() -> None:
    targets = SERVICES["locust"]["environment"]["TARGETS"]
    offered = targets.removeprefix("${TARGETS:-").removesuffix("}").split()
    assert offered == [f"{name}=http://{name}:8080" for name in catalog.names()]


def test_the_base_image_is_the_dockerfile_s() -> None:
    tag = "python:3.13-slim-trixie"
    assert f"ARG PYTHON_IMAGE={tag}\n" in (ROOT / "services" / "Dockerfile").read_text()
    bases = {
        service["build"]["args"]["PYTHON_IMAGE"]
        for service in SERVICES.values()
        if "build" in service
    }
    assert bases == {f"${{PYTHON_IMAGE:-{tag}}}"}


def test_only_locust_s_ui_is_published_and_only_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"locust": ["127.0.0.1:8089:8089"]}


@pytest.mark.parametrize("name", catalog.names())
def test_settings_have_the_defaults_of_the_contract(name: str) -> None:
    contract = (ROOT / "services" / "CONTRACT.md").read_text()
    environment = SERVICES[name]["environment"]
    for variable in ("CONCURRENCY", "BACKEND_TIMEOUT_S"):
        default = re.search(rf"^\| `{variable}` \|.*\| (\S+) \|$", contract, re.M)
        assert default is not None
        assert environment[variable] == f"${{{variable}:-{default[1]}}}"
    assert environment["WORKERS"] is None  # passed on where it is set, else left to the service
