"""The environment: what it sets, what it leaves to the defaults, what it may not say."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

import contract
from loadtests import catalog
from services import folders
from tests.contract.client import TIMEOUT_S, Answer, ask, check, together, until
from tests.contract.conftest import Backend, Service, Start
from tests.contract.lock import direct_names, pins
from tests.contract.running import STARTS_S
from tests.contract.test_shutdown import DRAIN_S, busy, ended_well, has_been_read

pytestmark = pytest.mark.part("server")

KEYS = [
    "service",
    "workers",
    "concurrency",
    "slots",
    "client_pool",
    "backend_url",
    "backend_timeout_s",
    "gil",
    "versions",
]


def test_all_set(start: Start, about: catalog.Service, backend: Backend, serial: bool) -> None:
    """Two workers with three slots each: both serve, none takes more, both end in peace."""
    url = backend.url.replace("127.0.0.1", "localhost")
    settings = {"WORKERS": "2", "CONCURRENCY": "3", "BACKEND_TIMEOUT_S": "12.5"}
    with start(about.name, HOST="127.0.0.1", BACKEND_URL=url, **settings) as service:
        info = checked_info(ask(service.url, "/info"), about.name)
        assert (info["workers"], info["concurrency"]) == (2, 3)
        assert (info["backend_url"], info["backend_timeout_s"]) == (url, 12.5)
        check_slots(info, serial)
        slots = info["slots"]

        def more_than_one_worker_can() -> bool:
            # Which of them accepts a connection is up to the kernel: perhaps all go to one.
            answers = together(service.url, [("/?delay=0.03", ())] * 20)
            assert [answer.status for answer in answers] == [200] * 20
            return bool(backend.stats()["peak_in_flight"] > slots // 2)

        backend.reset()
        assert until(more_than_one_worker_can)
        assert backend.stats()["peak_in_flight"] <= slots
        backend.reset()
        with busy(service, "0.3" if slots > 2 else "0.1") as answers:
            assert has_been_read(backend, slots)
            service.terminate()
            answers()
        ended_well(service, DRAIN_S)


def test_defaults(start: Start, about: catalog.Service, serial: bool) -> None:
    """The defaults of the environment, and the end of an idle service."""
    with start(about.name) as service:
        info = checked_info(ask(service.url, "/info"), about.name)
        only_on_localhost(service)
        service.terminate()
        ended_well(service, DRAIN_S)
    # A process that serves one request at a time does not come alone.
    assert info["workers"] == (16 if info["slots"] == 16 else 1)
    # Where its own limit counts, that is lower than ours.
    assert info["concurrency"] < 1000 if about.limit else info["concurrency"] == 1000
    assert (info["backend_url"], info["backend_timeout_s"]) == ("http://127.0.0.1:8000", 10.0)
    check_slots(info, serial)


# One that servers read, too, and one that contract.py, which all share, cannot refuse.
BAD_SETTINGS = [("WORKERS", "0"), ("HOST", "no-such-host.invalid")]
REFUSED = [
    *(("WORKERS", value) for value in ("", "0", "257", "1.5", "-1", "one", " 1")),
    *(("CONCURRENCY", value) for value in ("", "0", "100001", "abc", "1e3")),
    *(("BACKEND_TIMEOUT_S", value) for value in ("", "0", "nan", "inf", "-1", "3601", "1s")),
    *(("PORT", value) for value in ("", "0", "65536", "http")),
    *(("BACKEND_URL", value) for value in ("", "ftp://x:1", "x:1", "http://x", "http://x:1/")),
    *(("BACKEND_URL", value) for value in ("http://x:0", "http://x:65536", "http://u@x:1")),
    *(("BACKEND_URL", f"http://{host}:1") for host in ("", "a..b", ".a", "é", "x" * 64, "::1")),
]
ACCEPTED = [
    *(("BACKEND_URL", f"http://{host}:1") for host in ("a", "a.b.", "a_b-c", "[::1]", "10.0.0.1")),
    ("BACKEND_TIMEOUT_S", "0.001"),
    ("CONCURRENCY", "100000"),
]
PORT_TAKEN = "PORT taken"


@dataclass(frozen=True)
class End:
    """The end of a service that could not start; the port it was to take."""

    status: int | None
    log: str
    left: list[int]
    port: str


@pytest.fixture(scope="module")
def ends(start: Start, name: str) -> dict[str, End]:
    """A start with each of BAD_SETTINGS, and one on a port in use; all at once to save time."""
    ends = {}
    with ExitStack() as stack:
        other = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        taken = str(other.getsockname()[1])
        settings = {f"{variable}={value}": {variable: value} for variable, value in BAD_SETTINGS}
        settings[PORT_TAKEN] = {"PORT": taken}
        services = {
            label: stack.enter_context(start(name, ready=False, **wrong))
            for label, wrong in settings.items()
        }
        for label, service in services.items():
            status = service.exit_status(STARTS_S)
            ends[label] = End(status, service.log(), service.processes_left(), taken)
    return ends


@pytest.mark.parametrize(("variable", "value"), REFUSED)
def test_values_that_every_service_refuses(variable: str, value: str) -> None:
    with pytest.raises(SystemExit, match=f"^{variable} must "):
        contract.settings({variable: value})


@pytest.mark.parametrize(("variable", "value"), ACCEPTED)
def test_values_that_every_service_accepts(variable: str, value: str) -> None:
    contract.settings({variable: value})


@pytest.mark.parametrize(("variable", "value"), BAD_SETTINGS)
def test_bad_setting(ends: dict[str, End], variable: str, value: str) -> None:
    end = ends[f"{variable}={value}"]
    assert end.status not in (0, None)
    assert end.left == []
    assert variable in end.log
    assert len(end.log.splitlines()) == 1


def test_port_taken(ends: dict[str, End]) -> None:
    end = ends[PORT_TAKEN]
    assert end.status not in (0, None)
    assert end.left == []
    assert end.port in end.log
    assert "Traceback" not in end.log


def check_slots(info: dict[str, Any], serial: bool) -> None:
    """Assert that each process has CONCURRENCY slots; or one request, or one call, at a time."""
    workers, concurrency = info["workers"], info["concurrency"]
    if serial:
        assert (info["slots"], info["client_pool"]) == (workers, 1)
    else:
        assert info["slots"] in (workers * concurrency, workers)
        assert info["client_pool"] == concurrency


def checked_info(answer: Answer, name: str) -> dict[str, Any]:
    """The answer, once what does not depend on the settings is checked."""
    check(answer, 200, answer.body)
    pairs = json.loads(answer.body, object_pairs_hook=list)
    assert [key for key, _ in pairs] == KEYS
    info: dict[str, Any] = answer.json()
    assert info["service"] == name
    versions = dict(info["versions"])
    python = versions.pop("python")
    assert python.startswith("3.")
    installed = pins(folders.pins(name), python)
    names = direct_names("\n".join(folders.requirements(name)))
    assert versions == {written: installed[canonical] for written, canonical in names.items()}
    return info


def only_on_localhost(service: Service) -> None:
    port = int(service.url.rpartition(":")[2])
    with socket.socket() as probe:
        probe.settimeout(TIMEOUT_S)
        assert probe.connect_ex(("127.0.0.2", port)) != 0
