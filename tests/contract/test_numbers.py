"""`calls`, `cycles` and `size`, good and bad, and which of several bad things is named."""

from __future__ import annotations

import pytest

import contract
from loadtests import catalog
from tests.contract.client import ask, check, error, identified
from tests.contract.conftest import Service
from tests.contract.fake_backend import FakeBackend

pytestmark = pytest.mark.part("server")

BAD_DELAY = error(
    "delay must be given once, as a decimal number of seconds from 0 to 60, such as 0.1"
)
BAD_CALLS = error("calls must be given once, as a whole number from 1 to 100")
BAD_CYCLES = error("cycles must be given once, as a whole number from 0 to 10000000")
BAD_SIZE = error("size must be given once, as a whole number from 0 to 16777216")
BAD_JSON_SIZE = error("size must be given once, as a whole number from 0 to 1048576")
BAD_ID = error(contract.BAD_REQUEST_ID)

NO_NUMBERS = [
    "",
    "-1",
    "-0",
    "+1",
    "%2B1",
    "00",
    "01",
    "1.0",
    "1.",
    "1e1",
    "0x1",
    "1_0",
    "1,5",
    "abc",
    "nan",
    "1%20",
    "%201",
    "1%0A",
    "1%00",
    "%D9%A1",  # ARABIC-INDIC DIGIT ONE
    "%C2%B2",  # SUPERSCRIPT TWO
    "%FF",
    "9" * 400,
]
# The route, the query that is good but for one parameter, and values too low or high for that.
ROUTES = {
    "calls": ("/fanout", "delay=0", ["0", "101", "1000"], BAD_CALLS),
    "cycles": ("/cpu", "", ["10000001", "99999999"], BAD_CYCLES),
    "cycles of a page": ("/composite", "delay=0", ["10000001", "99999999"], BAD_CYCLES),
    "size": ("/file", "", ["16777217", "99999999"], BAD_SIZE),
    "size of JSON": ("/json", "delay=0", ["1048577", "99999999"], BAD_JSON_SIZE),
}
# Requests with several faults at once, and the error that is named.
SEVERAL = {
    "/fanout": BAD_CALLS,
    "/fanout?calls=0&delay=x": BAD_CALLS,
    "/fanout?delay=x": BAD_CALLS,
    "/fanout?delay=x&calls=101": BAD_CALLS,
    "/fanout?delay=x&calls=1": BAD_DELAY,
    "/fanout?calls=1": BAD_DELAY,
    "/fanout?calls=1&delay=0&delay=0": BAD_DELAY,
    "/fanout?calls=1&delay=0": BAD_ID,
    "/composite": BAD_DELAY,
    "/composite?cycles=x&delay=x": BAD_DELAY,
    "/composite?cycles=1": BAD_DELAY,
    "/composite?cycles=x&delay=0": BAD_CYCLES,
    "/composite?delay=0": BAD_CYCLES,
    "/composite?delay=0&cycles=0": BAD_ID,
    "/?delay=x": BAD_DELAY,
    "/json": BAD_DELAY,
    "/json?size=x&delay=x": BAD_DELAY,
    "/json?size=1": BAD_DELAY,
    "/json?size=1&delay=0&delay=0": BAD_DELAY,
    "/json?size=x&delay=0": BAD_JSON_SIZE,
    "/json?delay=0": BAD_JSON_SIZE,
    "/json?delay=0&size=1": BAD_ID,
}


def marked(label: str) -> object:
    return pytest.param(label, marks=pytest.mark.route(ROUTES[label][0]))


@pytest.mark.parametrize("label", [marked(label) for label in ROUTES])
def test_no_number(doubtful: Service, fake: FakeBackend, label: str) -> None:
    for value in NO_NUMBERS:
        bad(doubtful, fake, label, f"{label.split()[0]}={value}")


@pytest.mark.parametrize("label", [marked(label) for label in ROUTES])
def test_out_of_range(doubtful: Service, fake: FakeBackend, label: str) -> None:
    for value in ROUTES[label][2]:
        bad(doubtful, fake, label, f"{label.split()[0]}={value}")


@pytest.mark.parametrize("label", [marked(label) for label in ROUTES])
def test_not_once(doubtful: Service, fake: FakeBackend, label: str) -> None:
    name = label.split()[0]
    for query in (name, "", f"{name}=1&{name}=1", f"{name}=1&{name}", f"{name.upper()}=1"):
        bad(doubtful, fake, label, query)


@pytest.mark.parametrize("label", [marked(label) for label in ROUTES])
def test_good(doubtful: Service, label: str) -> None:
    route, rest, _, _ = ROUTES[label]
    name = label.split()[0]
    for query in (f"{name}=1", f"{name}=%31", f"x=%ff&{name}=1&{name.title()}=x"):
        assert ask(doubtful.url, f"{route}?{query}&{rest}").status == 200


def test_the_first_of_several_faults_is_named(
    doubtful: Service, fake: FakeBackend, about: catalog.Service
) -> None:
    for target, message in SEVERAL.items():
        if about.has(target.partition("?")[0]):
            check(ask(doubtful.url, target, headers=identified("a b")), 400, message, target)
    assert fake.calls == []


def bad(service: Service, fake: FakeBackend, label: str, query: str) -> None:
    route, rest, _, message = ROUTES[label]
    check(ask(service.url, f"{route}?{rest}&{query}"), 400, message)
    assert fake.calls == []
