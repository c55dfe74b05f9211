"""Fixtures of the contract's tests: services, the backend, and a fake one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

import pytest

from loadtests import catalog, runtime
from loadtests.catalog import FLOOR
from loadtests.runtime import environments
from loadtests.runtime.local import LocalRuntime
from loadtests.runtime.ports import free_port
from services import folders
from tests.conftest import parameters
from tests.contract import parts
from tests.contract.client import ask, until
from tests.contract.fake_backend import FakeBackend
from tests.contract.running import NOTHING, Containers, Etc, Service, local

BLOCKED = "event loop, blocked"  # the model of a service that waits for one call at a time
TIMEOUT_S = 1.5  # BACKEND_TIMEOUT_S of `doubtful`: more than a busy machine holds a process up
VARIABLES = (*folders.SETTINGS, *folders.TLS)

Start = Callable[..., AbstractContextManager[Service]]


class Backend:
    """The artificial-delay backend."""

    def __init__(self, url: str) -> None:
        self.url = url

    def stats(self) -> dict[str, Any]:
        """Its counters."""
        answer: dict[str, Any] = ask(self.url, "/stats").json()
        return answer

    def reset(self) -> None:
        """Start the counters anew once nothing is in flight any more."""
        assert until(lambda: self.stats()["in_flight"] == 0)
        assert ask(self.url, "/reset", "POST").status == 200

    def reaches(self, in_flight: int) -> bool:
        """Wait until so many calls are in flight; False where they never are."""
        return until(lambda: self.stats()["in_flight"] >= in_flight)


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marks of this suite."""
    for mark in (
        "part(name, …): what of a service is asked for, see parts.py",
        "route(path): only for services that have it",
        "rule(name): has to fail where service.toml declares the rule as not kept",
    ):
        config.addinivalue_line("markers", mark)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask each service the parts that its own files can change the answers to."""
    if "name" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("part")
        assert mark is not None, f"{metafunc.definition.nodeid} belongs to no part"
        every = metafunc.config.getoption("all_parts")
        asked = sorted({name for part in mark.args for name in _asked(part)})
        names = (
            sorted({*asked, *parts.asked("core")}) if every and FLOOR not in mark.args else asked
        )
        chosen = metafunc.config.getoption("service")
        names = [name for name in names if not chosen or name in chosen]
        metafunc.parametrize("name", names, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out routes that a service does not have; expect what it declares to be so."""
    chosen = config.getoption("service")
    left_out = [item for item in items if not _is_asked(item, bool(chosen))]
    items[:] = [item for item in items if item not in set(left_out)]
    config.hook.pytest_deselected(items=left_out)
    for item in items:
        for mark in item.iter_markers("rule"):
            reason = _service_of(item).exceptions.get(mark.args[0])
            if reason is not None:
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(scope="session")
def start(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """The one place that knows how a service is started: `with start(name, WORKERS="2") as s`.

    With `ready=False` it need not come up, nor stay up; `etc` has the lines of files of /etc
    that it sees in the place of the machine's; with `few` it may have FEW processes and
    threads. At the end it is killed.
    It is a local process or, with --containers, one of compose.yaml.
    """
    in_containers = request.config.getoption("containers")
    needed = set() if in_containers else _services_of(request.session)
    environments.ensure([*needed, catalog.BACKEND])

    @contextmanager
    def run(
        name: str, ready: bool = True, etc: Etc = NOTHING, few: bool = False, **settings: str
    ) -> Iterator[Service]:
        settings = {"PORT": str(free_port()), **settings}
        is_contained = containers and name != catalog.BACKEND
        begin = containers.service if is_contained else local
        with begin(name, settings, etc=etc, few=few) as service:
            if ready:
                service.wait_ready()
            yield service

    with pytest.MonkeyPatch.context() as patch:
        for variable in VARIABLES:  # of whoever runs the tests
            patch.delenv(variable, raising=False)
        containers = Containers(tmp_path_factory.mktemp("compose")) if in_containers else None
        yield run
        if containers:
            containers.close()


@pytest.fixture(scope="session")
def name(request: pytest.FixtureRequest) -> str:
    """Every service in turn: all tests of one run before the next one's.

    One whose program is not installed is skipped: a benchmark leaves it out, too.
    """
    chosen: str = request.param
    if not request.config.getoption("containers"):
        why = runtime.lacks(LocalRuntime("a test", [], {}), catalog.load(chosen))
        if why:
            pytest.skip(why)
    return chosen


@pytest.fixture(scope="session")
def about(name: str) -> catalog.Service:
    """The service's `service.toml`."""
    return catalog.load(name)


@pytest.fixture(scope="session")
def serial(about: catalog.Service) -> bool:
    """True if the service can wait for only one call at a time."""
    return about.model == BLOCKED


@pytest.fixture(scope="session")
def strict(about: catalog.Service) -> bool:
    """True if only a call that received nothing on a kept connection is sent again."""
    return not parts.retries_by_library(about)


@pytest.fixture(scope="session")
def backend(start: Start) -> Iterator[Backend]:
    """The real backend."""
    with start(catalog.BACKEND) as running:
        yield Backend(running.url)


@pytest.fixture(scope="session")
def service(start: Start, name: str, backend: Backend) -> Iterator[Service]:
    """The service with its defaults, one process, and the real backend."""
    with start(name, BACKEND_URL=backend.url, WORKERS="1") as running:
        yield running


@pytest.fixture(scope="session")
def slots(service: Service) -> int:
    """How many requests `service` can have waiting at once."""
    number: int = service.info()["slots"]
    return number


@pytest.fixture(scope="session")
def limited(start: Start, name: str, backend: Backend) -> Iterator[Service]:
    """The service with room for five, and a timeout that waiting for room exceeds."""
    settings = {"WORKERS": "1", "CONCURRENCY": "5", "BACKEND_TIMEOUT_S": "1.2"}
    with start(name, BACKEND_URL=backend.url, **settings) as running:
        yield running


@contextmanager
def without_traceback(service: Service) -> Iterator[None]:
    """Assert that what happens inside leaves no traceback in the service's log."""
    before = len(service.log())
    yield
    assert "Traceback" not in service.log()[before:]


@pytest.fixture(scope="session")
def _fake() -> Iterator[FakeBackend]:
    with FakeBackend() as backend:
        yield backend


@pytest.fixture
def fake(_fake: FakeBackend) -> Iterator[FakeBackend]:
    """The backend of `doubtful`, well-behaved at first."""
    _fake.forget()
    yield _fake
    _fake.refuse()  # what one test left open is not the next one's
    _fake.listen()


@pytest.fixture(scope="session")
def doubtful(start: Start, name: str, _fake: FakeBackend) -> Iterator[Service]:
    """The service in front of the fake backend, with a short timeout."""
    settings = {"WORKERS": "1", "BACKEND_TIMEOUT_S": str(TIMEOUT_S)}
    with start(name, BACKEND_URL=_fake.url, **settings) as running:
        yield running


def _services_of(session: pytest.Session) -> set[str]:
    """The services that the chosen tests are about."""
    of_one = {parameters(item).get("name") for item in session.items}
    of_all = {
        name
        for item in session.items
        if "name" not in parameters(item)
        for mark in item.iter_markers("part")
        for part in mark.args
        for name in _asked(part)
    }
    return (of_one | of_all) & set(catalog.names())


def _service_of(item: pytest.Item) -> catalog.Service:
    return _load(parameters(item)["name"])


_load = cache(catalog.load)
_asked = cache(parts.asked)


def _is_asked(item: pytest.Item, are_chosen: bool) -> bool:
    """True if its service has the test's route; no other tests where services are chosen."""
    if not isinstance(parameters(item).get("name"), str):
        return not are_chosen
    return all(_service_of(item).has(mark.args[0]) for mark in item.iter_markers("route"))
