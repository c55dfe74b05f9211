"""What a service's model forbids: answered with the reason, in every form of the request."""

from __future__ import annotations

import pytest

from loadtests.catalog import SERVICES
from tests.contract.client import Connection, ask, check, error
from tests.contract.conftest import Service
from tests.contract.fake_backend import FakeBackend
from tests.contract.folders import cannot


def test_forbidden_routes(doubtful: Service, fake: FakeBackend, name: str) -> None:
    forbidden = cannot(SERVICES / name)
    forbidden.pop("keep-alive", None)
    for route, reason in forbidden.items():
        for target in (route, f"{route}?delay=0&calls=2&cycles=1&size=1", f"{route}?delay=x"):
            check(ask(doubtful.url, target), 501, error(reason))
        assert ask(doubtful.url, route, "HEAD").status == 501
    assert fake.calls == []
    assert fake.lines == []


def test_connections_that_cannot_be_kept(service: Service, name: str) -> None:
    """Every answer says so, and it is done."""
    if "keep-alive" not in cannot(SERVICES / name):
        pytest.skip("they can")
    for target in ("/health", "/?delay=0", "/?delay=x", "/nope", "/cpu?cycles=0", "/file?size=9"):
        with Connection(service.url) as connection:
            assert connection.ask(target).header("Connection") == "close"
            assert connection.is_closed()
