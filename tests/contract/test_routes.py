"""Every route and error to the byte, and the HTTP around them."""

from __future__ import annotations

import pytest

from loadtests import catalog
from tests.contract.client import Answer, Connection, ask, check, echo, error, identified
from tests.contract.conftest import Service
from tests.contract.fake_backend import FakeBackend

pytestmark = pytest.mark.part("server")

OTHER_METHODS = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"]
UNKNOWN_PATHS = [
    "/nope",
    "/nope://x/health",
    "/health//",
    "/health/",
    "/info/",
    "/Health",
    "/health/x",
    "/index.html",
    "/favicon.ico",
    "/static/app.py",
    "/delay/0",
    "/%2e%2e/etc/passwd",
    "/nope?delay=0",
    "/fanout/",
    "/composite/",
    "/cpu/",
    "/cpu/1",
    "/file/",
    "/file/x",
    "/json/",
    "/chat/",
]
ROUTES = {
    "/?delay=0.01": "/",
    "/fanout?calls=2&delay=0.01": "/fanout",
    "/composite?delay=0.01&cycles=1": "/composite",
    "/cpu?cycles=1": "/cpu",
    "/file?size=1": "/file",
    "/json?delay=0.01&size=300": "/json",
    "/chat": "/chat",
    "/health": "/health",
    "/info": "/info",
}
NOT_FOUND = ["/nope", "/nope?delay=0"]
BAD = {
    "/?delay=x": "/",
    "/fanout": "/fanout",
    "/cpu": "/cpu",
    "/file": "/file",
    "/json?delay=0": "/json",
}


def of(about: catalog.Service, chosen: dict[str, str]) -> list[str]:
    """The targets of the routes that the service has."""
    return [target for target, route in chosen.items() if about.has(route)]


def test_delay(service: Service) -> None:
    check(ask(service.url, "/?delay=0.01", headers=identified("a-1")), 200, echo("0.01", "a-1"))


def test_delay_without_an_id(service: Service) -> None:
    check(ask(service.url, "/?delay=0"), 200, echo("0"))


def test_health(service: Service) -> None:
    check(ask(service.url, "/health"), 200, b'{"status":"ok"}')


def test_health_ignores_parameters(service: Service) -> None:
    check(ask(service.url, "/health?delay=x"), 200, b'{"status":"ok"}')


def test_unknown_path(service: Service) -> None:
    for path in UNKNOWN_PATHS:
        check(ask(service.url, path), 404, error("no such route"), path)


def test_unknown_path_whatever_the_method(service: Service) -> None:
    for path in ("/nope", "/static/app.py"):
        check(ask(service.url, path, "POST"), 404, error("no such route"), path)


def test_other_method(service: Service, about: catalog.Service) -> None:
    for path in of(about, ROUTES):
        for method in OTHER_METHODS:
            answer = ask(service.url, path, method)
            check(answer, 405, error("method not allowed"), f"{method} {path}")
            assert allowed(answer) == {"GET", "HEAD"}, f"{method} {path}"


def test_method_that_nobody_knows(service: Service) -> None:
    """A refusal of the handler as usual or, where it is no HTTP to it, any of the server."""
    answer = ask(service.url, "/health", "BREW")
    if answer.status not in (400, 501):
        check(answer, 405, error("method not allowed"))
    check(ask(service.url, "/health"), 200, b'{"status":"ok"}')


def test_other_method_with_a_body(service: Service) -> None:
    with Connection(service.url) as connection:
        check(connection.ask("/health", "POST", body=b"hello"), 405, error("method not allowed"))
        check(connection.ask("/health"), 200, b'{"status":"ok"}')


def test_head_is_get_without_the_body(service: Service, about: catalog.Service) -> None:
    alike = {t: route for t, route in ROUTES.items() if route not in ("/file", "/chat")}
    for target in (*of(about, alike), *of(about, BAD), *NOT_FOUND):
        with Connection(service.url) as connection:  # bytes of a body would spoil the next answer
            head = connection.ask(target, "HEAD", identified("a"))
            get = connection.ask(target, "GET", identified("a"))
        assert (head.status, head.body) == (get.status, b""), target
        assert comparable(head) == comparable(get), target
        assert get.header("Content-Length") == str(len(get.body)), target


@pytest.mark.rule("keep-alive")
def test_connection_is_kept(service: Service) -> None:
    with Connection(service.url) as connection:
        for number in range(10):
            request_id = f"kept-{number}"
            answer = connection.ask("/?delay=0.001", headers=identified(request_id))
            check(answer, 200, echo("0.001", request_id))
            assert answer.header("Connection") in (None, "keep-alive")
        check(connection.ask("/nope"), 404, error("no such route"))
        assert connection.ask("/?delay=x").status == 400
        assert connection.ask("/health", "DELETE").status == 405
        check(connection.ask("/health"), 200, b'{"status":"ok"}')


def test_connection_is_kept_after_a_broken_backend(doubtful: Service, fake: FakeBackend) -> None:
    fake.refuse()
    with Connection(doubtful.url) as connection:
        assert connection.ask("/?delay=0").status == 502
        fake.listen()
        check(connection.ask("/?delay=0"), 200, echo("0"))


def test_connection_is_closed_on_request(service: Service) -> None:
    with Connection(service.url) as connection:
        answer = connection.ask("/health", headers=[("Connection", "close")])
        check(answer, 200, b'{"status":"ok"}')
        assert connection.is_closed()


def test_http_1_0_is_answered_and_closed(service: Service) -> None:
    with Connection(service.url) as connection:
        answer = connection.send_bytes(b"GET /?delay=0 HTTP/1.0\r\nHost: x\r\n\r\n").receive()
        check(answer, 200, echo("0"))
        assert connection.is_closed()


def test_a_request_in_pieces(service: Service) -> None:
    with Connection(service.url) as connection:
        connection.send_bytes(b"GET /?delay=0 HT").send_bytes(b"TP/1.1\r\nHost: x\r\n")
        check(connection.send_bytes(b"\r\n").receive(), 200, echo("0"))


@pytest.mark.parametrize("data", [b"\r\nhello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"])
def test_bytes_that_are_not_http_do_no_harm(service: Service, data: bytes) -> None:
    with Connection(service.url, timeout_s=1) as connection:
        refused_or_ignored(connection.send_bytes(data))
    check(ask(service.url, "/health"), 200, b'{"status":"ok"}')


def refused_or_ignored(connection: Connection) -> None:
    """Assert that the server answers with an error, or not at all."""
    try:
        data = connection.socket.recv(12)
    except OSError:
        return
    assert not data or data.split()[1].startswith((b"4", b"5")), data


def allowed(answer: Answer) -> set[str]:
    """The methods that `Allow` names."""
    return {method.strip() for method in (answer.header("Allow") or "").split(",")}


def comparable(answer: Answer) -> list[tuple[str, str]]:
    """The headers that do not depend on the moment."""
    return sorted((k.lower(), v) for k, v in answer.headers if k.lower() != "date")
