"""How the services run, and what runs in one process when the tests are spread over several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

# Groups that take as long as so many tests of a service.
SLOW = {"long requests": 10_000, "web UI": 9_000, "harness": 8_000}

# Those of the harness that measure no time: they may run beside others.
DRAWING = (
    *("test_advise_form", "test_charts", "test_clients", "test_compare", "test_costs"),
    *("test_figures", "test_ranking", "test_rebuild", "test_record", "test_report"),
    *("test_sections", "test_unranked"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of the contract's tests, here because pytest reads only this file in time."""
    parser.addoption(
        "--containers",
        action="store_true",
        help="test services as containers of compose.yaml, not as local processes",
    )
    parser.addoption(
        "--service",
        action="append",
        help="test this service and no other; may be given several times",
    )
    parser.addoption(
        "--all-parts",
        action="store_true",
        help="ask every service all questions, those that others with the same files answer, too",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Describe the mark, for those who leave pytest-xdist out."""
    config.addinivalue_line("markers", "xdist_group(name): in one process, one after the other")


@pytest.hookimpl(wrapper=True, tryfirst=True)  # pytest-xdist reads the marks in such a hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Keep together what shares running services, and what takes the web UI's port.

    The largest groups come first, so that at the end little is left to wait for.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(group(item)))
    yield
    sizes = Counter(map(group_of, items))
    items.sort(key=lambda item: (-SLOW.get(group_of(item), sizes[group_of(item)]), group_of(item)))


def group_of(item: pytest.Item) -> str:
    """Its xdist_group."""
    mark = item.get_closest_marker("xdist_group")
    return str(mark.args[0]) if mark else ""


def group(item: pytest.Item) -> str:
    """The name of what has to be in one process."""
    folder = item.path.parent.name
    if folder == "contract":
        return str(parameters(item).get("name", folder))
    if folder == "compose" or item.path.stem in ("test_ui", "test_commands"):
        return "web UI"
    return item.path.stem if item.path.stem in DRAWING else folder


def parameters(item: pytest.Item) -> dict[str, Any]:
    """What a test is run with."""
    call = getattr(item, "callspec", None)
    return call.params if call else {}
