"""How the services run, and what runs in one process when the tests are spread over several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

# Groups that take longest, and are begun first: most of them are the tests of a module.
FIRST = (
    *("compose", "long requests", "test_bench", "test_doctored", "test_generator", "test_perfect"),
    *("test_faults", "test_overload", "test_advise_form", "test_users", "test_sections"),
    *("test_suite", "test_figures", "test_open", "test_held", "test_ladder", "test_site"),
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
    """Keep together what shares running services, and all that brings up compose.yaml.

    The longest groups come first, so that at the end little is left to wait for.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(group(item)))
    yield
    sizes = Counter(map(group_of, items))
    order = list(dict.fromkeys([*FIRST, *(name for name, _ in sizes.most_common())]))
    items.sort(key=lambda item: order.index(group_of(item)))


def group_of(item: pytest.Item) -> str:
    """Its xdist_group."""
    mark = item.get_closest_marker("xdist_group")
    return str(mark.args[0]) if mark else ""


def group(item: pytest.Item) -> str:
    """The name of what has to be in one process."""
    folder = item.path.parent.name
    if folder == "contract":
        return str(parameters(item).get("name", folder))
    return item.path.stem if folder == "harness" else folder


def parameters(item: pytest.Item) -> dict[str, Any]:
    """The parameters that a test is run with."""
    call = getattr(item, "callspec", None)
    return call.params if call else {}
