"""`/cpu`: the burn, really done, and nothing else."""

from __future__ import annotations

import time

import pytest

import contract
from tests.contract.client import ask, check, identified
from tests.contract.conftest import Service
from tests.contract.fake_backend import FakeBackend

pytestmark = pytest.mark.part("app")


@pytest.mark.parametrize("cycles", [0, 1, 20_000])
def test_cpu(doubtful: Service, fake: FakeBackend, cycles: int) -> None:
    check(ask(doubtful.url, f"/cpu?cycles={cycles}"), 200, b'{"cycles":%d}' % cycles)
    assert fake.calls == []


def test_an_id_is_of_no_interest(doubtful: Service) -> None:
    check(ask(doubtful.url, "/cpu?cycles=1", headers=identified("a b")), 200, b'{"cycles":1}')


def test_the_cycles_are_burnt(service: Service) -> None:
    cycles = 5_000_000
    before_s = service.cpu_s()
    check(ask(service.url, f"/cpu?cycles={cycles}"), 200, b'{"cycles":%d}' % cycles)
    assert service.cpu_s() - before_s > own_burn_s(cycles) / 4


def own_burn_s(cycles: int) -> float:
    """The CPU time of such a burn in this process; another Python may need a third of it."""
    began = time.process_time()
    contract.burn(cycles)
    return time.process_time() - began
