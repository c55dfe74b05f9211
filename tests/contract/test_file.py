"""`/file`: the bytes, all of them, and none that was not asked for."""

from __future__ import annotations

import socket

import pytest

import contract
from tests.contract.client import Answer, Connection, ask, check, gather, identified
from tests.contract.conftest import Service, without_traceback

pytestmark = [pytest.mark.part("file"), pytest.mark.route("/file")]

MIB = 1024 * 1024
SIZES = [0, 1, MIB, MIB + 1, 16 * MIB]
CONTENT = contract.file_block() * 16


@pytest.mark.parametrize("size", SIZES)
def test_file(service: Service, size: int) -> None:
    check_file(ask(service.url, f"/file?size={size}"), size)


def test_an_id_is_of_no_interest(service: Service) -> None:
    check_file(ask(service.url, "/file?size=3", headers=identified("a b")), 3)


@pytest.mark.parametrize("size", [0, 70_000, 16 * MIB])
def test_head(service: Service, size: int) -> None:
    with Connection(service.url) as connection:  # bytes of a body would spoil the next answer
        head = connection.ask(f"/file?size={size}", "HEAD")
        check(connection.ask("/health"), 200, b'{"status":"ok"}')
    assert head.status == 200
    assert head.header("Content-Type") == "application/octet-stream"
    assert head.header("Content-Length") in (str(size), None)


def test_connection_is_kept(service: Service) -> None:
    with Connection(service.url) as connection:
        for size in (0, 300_000, 5):
            check_file(connection.ask(f"/file?size={size}"), size)
        check(connection.ask("/health"), 200, b'{"status":"ok"}')


def test_several_at_once(service: Service) -> None:
    sizes = [2 * MIB + number for number in range(8)]
    connections = [Connection(service.url) for _ in sizes]
    for connection, size in zip(connections, sizes, strict=True):
        connection.send(f"/file?size={size}")
    for connection, answer, size in zip(connections, gather(connections), sizes, strict=True):
        check_file(answer, size)
        connection.hang_up()


def test_there_is_one_file(service: Service) -> None:
    """One file of 16 MiB, which takes memory where there is no disk, and no second one."""
    check_file(ask(service.url, "/file?size=1000"), 1000)
    assert service.files(16 * MIB) == 1


@pytest.mark.parametrize("reset", [False, True])
def test_client_that_hangs_up(service: Service, reset: bool) -> None:
    """Clients hang up in the middle of an answer that is larger than the sockets' buffers."""
    with without_traceback(service):
        for _ in range(3):
            connection = Connection(service.url).send(f"/file?size={16 * MIB}")
            assert connection.socket.recv(1000, socket.MSG_WAITALL)
            connection.hang_up(reset)
        check_file(ask(service.url, "/file?size=1000"), 1000)


def check_file(answer: Answer, size: int) -> None:
    assert answer.status == 200
    assert answer.header("Content-Type") == "application/octet-stream"
    assert answer.header("Content-Length") == str(size)
    assert answer.body == CONTENT[:size], "other bytes"
