"""Malformed or oversized requests are refused at once and the connection closed."""

from __future__ import annotations

import random

import pytest

from tests.backend.running import Backend, get

LINE = b"GET /health HTTP/1.1\r\n"
HOST = b"Host: test\r\n"
MALFORMED = {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "bare LF": b"GET /health HTTP/1.1\nHost: test\n\n",
    "LF first": b"\nGET /health HTTP/1.1\r\n",
    "bare CR": b"GET /health HTTP/1.1\rHost: test\r\n",
    "NUL in line": b"GET /hea\0lth HTTP/1.1\r\n",
    "NUL in field": LINE + HOST + b"A: b\0c\r\n",
    "obs-fold": LINE + HOST + b"A: b\r\n c\r\n\r\n",
    "space before colon": LINE + b"Host : test\r\n\r\n",
    "no colon": LINE + HOST + b"nonsense\r\n\r\n",
    "empty name": LINE + HOST + b": x\r\n\r\n",
    "no version": b"GET /health\r\n",
    "two spaces": b"GET  /health HTTP/1.1\r\n",
    "long version": b"GET /health HTTP/1.10\r\n",
    "lower-case version": b"GET /health http/1.1\r\n",
    "control in target": b"GET /\x7f HTTP/1.1\r\n",
    "non-ASCII target": b"GET /\xc3\xa9 HTTP/1.1\r\n",
    "no host": LINE + b"\r\n",
    "two hosts": LINE + HOST + HOST + b"\r\n",
    **{
        f"host {host.decode()}": LINE + b"Host: " + host + b"\r\n\r\n"
        for host in (b"a b", b"a,b", b"a:80:80", b"a:x", b"[::1", b"[:::]", b"[::1]x", b"%zz")
    },
    "bad host of a usual request": get("/delay/0").replace(b"test", b"a:80:80"),
    "bad host in the target": b"GET http://a:80:80/health HTTP/1.1\r\n" + HOST + b"\r\n",
    "no host in the target": b"GET http:///health HTTP/1.1\r\n" + HOST + b"\r\n",
    "two lengths": LINE + HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "list of lengths": LINE + HOST + b"Content-Length: 1, 1\r\n\r\n",
    "signed length": LINE + HOST + b"Content-Length: +1\r\n\r\n",
    "huge length": LINE + HOST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "length and chunked": LINE + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
}
REFUSED = {
    "chunked": (411, LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "large body": (413, LINE + HOST + b"Content-Length: 1048577\r\n\r\n"),
    "expect": (417, LINE + HOST + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
    "HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "long target": (431, b"GET /" + b"x" * 9000),
    "long field": (431, LINE + HOST + b"A: " + b"x" * 9000 + b"\r\n\r\n"),
    "many fields": (431, LINE + HOST + b"A: b\r\n" * 2000),
    "long method": (431, b"A" * 9000),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(backend: Backend, name: str) -> None:
    check_refused(backend, MALFORMED[name], 400)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(backend: Backend, name: str) -> None:
    check_refused(backend, REFUSED[name][1], REFUSED[name][0])


def check_refused(backend: Backend, data: bytes, status: int) -> None:
    with backend.client() as client:
        client.send(data)
        answer = client.answer()
        assert (answer.status, answer.fields["connection"]) == (status, "close")
        assert answer.json().keys() == {"error"}
        assert client.hung_up()


def test_head_of_8_kib_is_taken_and_one_byte_more_is_not(backend: Backend) -> None:
    padding = 8192 - len(get("/delay/0", "A: "))
    assert backend.ask(get("/delay/0", "A: " + "x" * padding)).status == 200
    assert backend.ask(get("/delay/0", "A: " + "x" * (padding + 1))).status == 431


def test_many_usual_fields_over_8_kib(backend: Backend) -> None:
    fields = ["Accept: " + "x" * 190] * 50
    assert backend.ask(get("/delay/0", *fields)).status == 431


def test_a_refusal_waits_its_turn(backend: Backend) -> None:
    with backend.client() as client:
        client.send(get("/delay/0.1", "X-Request-ID: a") + b"nonsense\r\n\r\n" + get("/health"))
        assert client.answer().json()["id"] == "a"
        assert client.answer().status == 400
        assert client.hung_up()


def test_a_large_upload_does_not_lose_the_refusal(backend: Backend) -> None:
    with backend.client() as client:
        client.send(LINE + HOST + b"Content-Length: 900000000\r\n\r\n" + b"x" * 200_000)
        assert client.answer().status == 413
        assert client.hung_up()


def test_noise(backend: Backend) -> None:
    """Random bytes, and requests cut and mutated, in several segments: never a hang or a crash."""
    noise = random.Random(20)
    models = [get("/delay/0", "X-Request-ID: abc", "Accept: */*"), get("/delay/0.001") * 3]
    models += [get("/reset", "Content-Length: 5", method="POST") + b"12345", *MALFORMED.values()]
    for _ in range(400):
        data = bytearray(noise.choice(models))
        if noise.random() < 0.2:
            data = bytearray(noise.randbytes(noise.randrange(1, 300)))
        for _ in range(noise.randrange(4)):
            place = noise.randrange(len(data))
            change = noise.choice([b"", b"\r", b"\n", b"\0", b" ", b":", noise.randbytes(3)])
            data[place : place + noise.randrange(3)] = change
            data = data or bytearray(b"x")
        data = data[: noise.randrange(1, len(data) + 1)]
        with backend.client() as client:
            try:
                cut = noise.randrange(len(data))
                client.send(bytes(data[:cut]))
                client.send(bytes(data[cut:]))
                client.socket.shutdown(1)
                while client.socket.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError, OSError) as error:
                assert not isinstance(error, TimeoutError), bytes(data)  # noqa: PT017
    assert backend.get("/health").status == 200
    assert backend.until(lambda stats: stats["in_flight"] == 0)
    assert backend.log.read_text() == ""
