"""Rung 2: threads. Each still stands still while it waits, but there are several.

python -m loadtests.ladder.rung2_threads HOST PORT DELAY THREADS
"""

import socket
import sys
from threading import Thread

HOST, PORT, DELAY = sys.argv[1], int(sys.argv[2]), sys.argv[3]
THREADS = int(sys.argv[4])
REQUEST = f"GET /delay/{DELAY} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()


def make_request() -> bytes:
    with socket.create_connection((HOST, PORT)) as sock:
        sock.sendall(REQUEST)
        return sock.recv(1000)  # here this thread waits; the others go on


def make_requests() -> None:
    while True:
        make_request()


for _ in range(THREADS - 1):  # one is there already
    Thread(target=make_requests).start()
make_requests()
