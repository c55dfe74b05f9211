"""Rung 1: one blocking socket. While it waits, the whole program stands still.

python -m loadtests.ladder.rung1_blocking HOST PORT DELAY
"""

import socket
import sys

HOST, PORT, DELAY = sys.argv[1], int(sys.argv[2]), sys.argv[3]
REQUEST = f"GET /delay/{DELAY} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()


def make_request() -> bytes:
    with socket.create_connection((HOST, PORT)) as sock:
        sock.sendall(REQUEST)
        return sock.recv(1000)  # here it waits, and with it everything


while True:
    make_request()
