"""The request that is sent to the reader's own service, and every answer that it may give."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from loadtests.errors import UsageError
from loadtests.load.any_connection import AnyConnection
from loadtests.load.failure import RequestFailed
from loadtests.own.asked import Asked, asked, split_url
from loadtests.own.url import Options, checked, users_of
from tests.harness.servers import Request, Server, response

HERE = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://127.0.0.1:8000/orders/1?full=yes#x", HERE, "/orders/1?full=yes"),
        ("127.0.0.1:8000", HERE, "/"),
        ("localhost:8000/a", "http://localhost:8000", "/a"),
        ("http://[::1]:8000/", "http://[::1]:8000", "/"),
        ("http://localhost", "http://localhost:80", "/"),
    ],
)
def test_a_url(url: str, host: str, target: str) -> None:
    assert split_url(url) == (host, target)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://127.0.0.1:8000/", "https cannot be measured"),
        ("ftp://127.0.0.1/", "must look like"),
        ("http://", "must look like"),
        ("http://127.0.0.1:x/", "must look like"),
        ("http://me:secret@127.0.0.1/", "must look like"),
    ],
)
def test_a_url_that_cannot_be_measured(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        split_url(url)


def test_the_message() -> None:
    get = asked("/a b?x=é", headers=["Accept:text/html"])
    assert (
        get.message("h:1")
        == b"GET /a%20b?x=%C3%A9 HTTP/1.1\r\nHost: h:1\r\nAccept: text/html\r\n\r\n"
    )
    post = asked("/", data='{"a":"é"}')
    assert post.message("h:1").split(b"\r\n") == [
        *(b"POST / HTTP/1.1", b"Host: h:1", b"Content-Type: application/json"),
        *(b"Content-Length: 10", b"", '{"a":"é"}'.encode()),
    ]
    other = asked("/", "put", ["Host: other", "Content-Type: text/plain"])
    assert other.message("h:1").split(b"\r\n")[:4] == [
        *(b"PUT / HTTP/1.1", b"Host: other", b"Content-Type: text/plain", b"Content-Length: 0"),
    ]
    assert Asked.read(post.plan()) == post


def test_a_body_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"\0\xff")
    assert asked("/", data=f"@{tmp_path}/body").message("h").endswith(b"2\r\n\r\n\0\xff")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"target": "orders"}, "must begin with /"),
        ({"method": "GE T"}, "must be a word"),
        ({"headers": ["no colon"]}, "must look like 'Accept: text/html'"),
        ({"headers": ["A: b\r\nC: d"]}, "must look like"),
        ({"headers": ["Content-Length: 3"]}, "set by the load generator"),
        ({"data": "x" * 70_000}, "70,000 bytes; 65,536 can be sent"),
        ({"data": "@/no/such/file"}, "/no/such/file: No such file"),
        ({"status": 42}, "from 200 to 599"),
    ],
)
def test_a_request_that_cannot_be_sent(wrong: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        asked(**{"target": "/", **wrong})


def test_a_right_answer() -> None:
    assert asked("/").wrong(204, b"") == ""
    assert asked("/").wrong(302, b"") == "status 302"
    assert asked("/", status=404).wrong(404, b"") == ""
    assert asked("/", status=404).wrong(200, b"") == "status 200"
    assert asked("/", expect="é").wrong(200, "né".encode()) == ""
    assert asked("/", expect="é").wrong(200, b"n") == "wrong body"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(users="0"), "--users must be numbers from 1 to 5000"),
        (Options(users="10,many"), "such as 10,50,200"),
        (Options(users=""), "such as 10,50,200"),
        (Options(delay_s=0), "from 0.001 to 60 seconds"),
        (Options(like="tornadoo"), "did you mean tornado"),
        (Options(seconds=0.1), "--seconds must be from 0.5 to 60"),
        (Options(timeout_s=0), "--timeout must be from 0.001 to 3600 seconds"),
        (Options(remote=True, pid=1), "leave one out"),
    ],
)
def test_options_that_cannot_be(options: Options, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        checked(HERE, options)


def test_users_rise_and_a_window_is_whole_delays() -> None:
    assert users_of("50 10,10") == (10, 50)
    assert checked(HERE, Options(delay_s=0.4)).window_s == pytest.approx(3.2)
    assert checked(HERE, Options(seconds=1.0)).window_s == 1.0


def test_another_machine_must_be_meant() -> None:
    elsewhere = "http://192.0.2.1/"  # of an example, by RFC 5737
    with pytest.raises(UsageError, match=r"192\.0\.2\.1 is not this machine"):
        checked(elsewhere, Options())
    assert checked(elsewhere, Options(remote=True)).url == "http://192.0.2.1:80"


ANSWERS = {
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"hi",
    ),
    "until the end": (b"HTTP/1.0 200 OK\r\n\r\nhi", b"hi"),
    "nothing": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "an early hint": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + response(b"hi"), b"hi"),
    "a length": (response(b"hi"), b"hi"),
}


@pytest.mark.parametrize("way", ANSWERS)
def test_every_way_to_answer(way: str) -> None:
    answer, body = ANSWERS[way]

    async def send(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        if way == "until the end":
            writer.close()

    with Server(send) as server:
        connection = AnyConnection(server.url, timeout_s=5)
        for _ in range(2):
            status, found = connection.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert bytes(found) == body and status == (204 if way == "nothing" else 200)
        connection.close()
        assert server.connections == (2 if way == "until the end" else 1)


def test_an_answer_to_head_has_no_body() -> None:
    async def send(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")

    with Server(send) as server:
        connection = AnyConnection(server.url, timeout_s=5, method="HEAD")
        for _ in range(2):
            assert connection.exchange(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n") == (200, b"")
        connection.close()


def test_an_answer_that_is_cut_is_a_failure() -> None:
    async def send(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi")
        writer.close()

    with Server(send) as server, pytest.raises(RequestFailed, match="reset"):
        AnyConnection(server.url, timeout_s=5).exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
