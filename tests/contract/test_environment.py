"""Environment variables that are no settings have no effect."""

from __future__ import annotations

import socket

import pytest

from tests.contract.client import ask, check, echo, identified, until
from tests.contract.conftest import Backend, Service, Start
from tests.contract.running import STARTS_S
from tests.contract.test_concurrency import check_parallelism

pytestmark = pytest.mark.part("server")

NOWHERE = "http://127.0.0.1:1"
# Of server programs, frameworks, clients and the interpreter: none of them is a setting.
OTHERS = {
    "GUNICORN_CMD_ARGS": "--workers 3 --max-requests 1 --bind 127.0.0.1:1",
    "WEB_CONCURRENCY": "3",
    "UVICORN_PORT": "1",
    "UVICORN_WORKERS": "3",
    "UVICORN_ROOT_PATH": "/root",
    "UVICORN_LIMIT_CONCURRENCY": "1",
    "GRANIAN_PORT": "1",
    "GRANIAN_WORKERS": "3",
    "GRANIAN_BACKPRESSURE": "1",
    "SANIC_KEEP_ALIVE": "false",
    "SANIC_RESPONSE_TIMEOUT": "0.001",
    "FLASK_DEBUG": "1",
    "DJANGO_SETTINGS_MODULE": "nowhere",
    "GEVENT_RESOLVER": "nowhere",
    **dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), NOWHERE),
    "PYTHONPATH": "/nowhere",
    "PYTHONSAFEPATH": "1",
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONWARNINGS": "error",
}


def test_other_variables_have_no_effect(start: Start, name: str, backend: Backend) -> None:
    with start(name, BACKEND_URL=backend.url, CONCURRENCY="5", **OTHERS) as service:
        info = service.info()
        workers = 16 if info["slots"] == 16 else 1  # as in test_defaults
        assert (info["service"], info["workers"]) == (name, workers)
        check_parallelism(service, backend, info["slots"])
        answer = ask(service.url, "/?delay=0", headers=identified("e"))
        check(answer, 200, echo("0", "e"))


def test_an_ipv6_address(start: Start, name: str) -> None:
    """An IPv6 HOST is listened on, or one line of the log names the variable."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with start(name, ready=False, HOST="::1") as service:
        assert until(lambda: is_up(service) or not service.is_running(), STARTS_S)
        if service.is_running():
            check(ask(service.url, "/health"), 200, b'{"status":"ok"}')
        else:
            assert "HOST" in service.log()
            assert len(service.log().splitlines()) == 1


def is_up(service: Service) -> bool:
    try:
        return ask(service.url, "/health").status == 200
    except ConnectionError:
        return False
