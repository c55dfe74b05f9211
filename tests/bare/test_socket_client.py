"""The socket client of the bare variants, against a server that misbehaves on command."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest

import contract

with pytest.MonkeyPatch.context() as patch:
    patch.setenv("SERVICE", "flask-threads-bare")
    from bare import socket_client
    from bare.socket_client import Backend

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
TIMEOUT_S = 1.0
Behave = Callable[[socket.socket, bytes, int], None]


class HangUp(Exception):
    """The server closes the connection."""


class Server:
    """Does `behave` after each request; remembers requests and connections."""

    def __init__(self, behave: Behave) -> None:
        self.behave = behave
        self.requests: list[bytes] = []
        self.connections = self.in_flight = self.peak = 0
        self._lock = threading.Lock()
        self._peers: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept nobody, and close all there are."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connections there are."""
        for peer in self._peers:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        self._peers.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self._peers.append(peer)
                self.connections += 1
                threading.Thread(target=self._serve, args=[peer], daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with peer, suppress(HangUp, OSError):
            nth = 0
            while request := self._request(peer):
                nth += 1
                with self._lock:
                    self.requests.append(request)
                    self.in_flight += 1
                    self.peak = max(self.peak, self.in_flight)
                try:
                    self.behave(peer, request, nth)
                finally:
                    with self._lock:
                        self.in_flight -= 1

    @staticmethod
    def _request(peer: socket.socket) -> bytes:
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            more = peer.recv(65536)
            if not more:
                return b""
            data += more
        return data


def says(*parts: bytes, pause_s: float = 0.0, then_close: bool = False) -> Behave:
    """Send `parts` to each request, with a pause between them."""

    def behave(peer: socket.socket, request: bytes, nth: int) -> None:
        for index, part in enumerate(parts):
            time.sleep(pause_s if index else 0)
            peer.sendall(part)
        if then_close:
            raise HangUp

    return behave


def echoes(peer: socket.socket, request: bytes, nth: int) -> None:
    """Answer with the delay and the id that were asked for."""
    target = request.split()[1].removeprefix(b"/delay/")
    _, _, rest = request.partition(b"X-Request-ID: ")
    body = b'{"delay":%b,"id":"%b"}' % (target, rest.partition(b"\r\n")[0])
    time.sleep(float(target))
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def silent(peer: socket.socket, request: bytes, nth: int) -> None:
    """Say nothing until the caller hangs up."""
    peer.recv(1)
    raise HangUp


@contextmanager
def calling(behave: Behave, **changes: object) -> Iterator[tuple[Backend, Server]]:
    """A client and the server that it calls."""
    with ExitStack() as stack:
        server = Server(behave)
        stack.callback(server.close)
        given = {"host": "127.0.0.1", "port": 1, "workers": 1, "concurrency": 10}
        given |= {"backend_url": f"http://127.0.0.1:{server.port}", "backend_timeout_s": TIMEOUT_S}
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(socket_client, "SETTINGS", contract.Settings(**{**given, **changes}))
        yield Backend(), server


def test_the_bytes_of_a_call() -> None:
    with calling(says(ANSWER)) as (backend, server):
        assert backend.call("0.10", "a-1") == b"{}"
        assert backend.call("0", "") == b"{}"
        host = b"Host: 127.0.0.1:%d\r\n" % server.port
        with_id, without = server.requests
        assert with_id == b"GET /delay/0.10 HTTP/1.1\r\n" + host + b"X-Request-ID: a-1\r\n\r\n"
        assert without == b"GET /delay/0 HTTP/1.1\r\n" + host + b"\r\n"


def test_connection_is_kept() -> None:
    with calling(says(ANSWER)) as (backend, server):
        for _ in range(20):
            assert backend.call("0", "a") == b"{}"
        assert (server.connections, len(server.requests)) == (1, 20)


def test_connection_that_is_closed_on_announcement() -> None:
    last = ANSWER.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
    with calling(says(last)) as (backend, server):
        for _ in range(3):
            assert backend.call("0", "a") == b"{}"
        assert server.connections == 3
        assert backend.idle == []


def test_identity_and_concurrency() -> None:
    """Each gets its own answer, and no more than CONCURRENCY wait at the backend."""
    with (
        calling(echoes, concurrency=5, backend_timeout_s=10.0) as (backend, server),
        ThreadPoolExecutor(40) as pool,
    ):
        ids = [f"r-{number}" for number in range(200)]
        bodies = list(pool.map(lambda call_id: backend.call("0.01", call_id), ids))
        assert bodies == [b'{"delay":0.01,"id":"%b"}' % call_id.encode() for call_id in ids]
        assert (server.peak, server.connections) == (5, 5)


def test_stale_connection_is_replaced_once() -> None:
    with calling(says(ANSWER)) as (backend, server):
        assert backend.call("0", "a") == b"{}"
        server.hang_up()
        assert backend.call("0", "b") == b"{}"
        assert server.connections == 2


def test_connection_closed_as_it_is_used() -> None:
    """The second request on each connection gets nothing: it is sent again on a new one."""

    def once(peer: socket.socket, request: bytes, nth: int) -> None:
        if nth > 1:
            raise HangUp
        peer.sendall(ANSWER)

    with calling(once) as (backend, server):
        for _ in range(5):
            assert backend.call("0", "a") == b"{}"
        assert server.connections == 5


def test_new_connection_that_is_closed_is_broken() -> None:
    with calling(says(then_close=True)) as (backend, server):
        with pytest.raises(contract.BackendBroken):
            backend.call("0", "a")
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "data",
    [
        ANSWER[:9],
        ANSWER[:25],
        ANSWER[:-1],
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ANSWER.replace(b"200 OK", b"500 Internal Server Error"),
        ANSWER.replace(b"200 OK", b"201 Created"),
        ANSWER.replace(b"200 OK", b"302 Found"),
        ANSWER * 2,
    ],
)
def test_broken_answers(data: bytes) -> None:
    with calling(says(ANSWER)) as (backend, server):
        assert backend.call("0", "a") == b"{}"
        server.behave = says(data, then_close=True)
        with pytest.raises(contract.BackendBroken):
            backend.call("0", "b")
        assert len(server.requests) == 2  # not sent again
        assert backend.idle == []
        server.behave = says(ANSWER)
        assert backend.call("0", "c") == b"{}"


@pytest.mark.parametrize("sent", [b"", ANSWER[:9], ANSWER[:-1]])
def test_a_silent_backend_times_out(sent: bytes) -> None:
    def then_silent(peer: socket.socket, request: bytes, nth: int) -> None:
        peer.sendall(sent)
        silent(peer, request, nth)

    with calling(then_silent) as (backend, server):
        began = time.monotonic()
        with pytest.raises(contract.BackendSlow):
            backend.call("0", "a")
        assert time.monotonic() - began >= TIMEOUT_S
        assert len(server.requests) == 1
        assert backend.idle == []
        server.behave = says(ANSWER)
        assert backend.call("0", "b") == b"{}"


def test_slow_bit_by_bit_is_not_silent() -> None:
    pieces = [ANSWER[i : i + 5] for i in range(0, len(ANSWER), 5)]
    with calling(says(*pieces, pause_s=TIMEOUT_S / 3)) as (backend, _):
        assert backend.call("0", "a") == b"{}"


def test_chunked_answer() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with calling(says(head, b"1\r\n{\r\n", b"1\r\n}\r\n0\r\n\r\n", pause_s=0.01)) as (
        backend,
        server,
    ):
        assert backend.call("0", "a") == backend.call("0", "b") == b"{}"
        assert server.connections == 1


def test_nobody_listens() -> None:
    with calling(says(ANSWER), backend_url="http://127.0.0.1:1") as (backend, _):
        for _ in range(20):  # a slot that is not given back would be missed
            with pytest.raises(contract.BackendBroken):
                backend.call("0", "a")


def test_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with (
        calling(says(ANSWER), backend_url="http://nowhere.test:80") as (backend, _),
        pytest.raises(contract.BackendBroken),
    ):
        backend.call("0", "a")


def test_next_address_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next address of a name is tried if nobody listens at the first."""

    def two(host: str, port: int, *_: object, **__: object) -> list:
        found = [("127.0.0.1", 1), ("127.0.0.1", port)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in found]

    with calling(says(ANSWER)) as (_, server):
        monkeypatch.setattr(socket, "getaddrinfo", two)
        with calling(says(), backend_url=f"http://two.test:{server.port}") as (backend, _):
            assert backend.call("0", "a") == b"{}"
        assert b"Host: two.test:%d\r\n" % server.port in server.requests[0]
